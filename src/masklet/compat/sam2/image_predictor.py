"""`SAM2ImagePredictor` as the original defines it: a predictor that remembers the last image."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from masklet.compat.sam2.build import SAM2Base, build_sam2_hf
from masklet.compat.sam2.float_predictor import FloatPredictor
from masklet.model import Sam2
from masklet.ops.coordinates import to_model_pixels
from masklet.predictors.image import LOW_RES_LIMIT
from masklet.predictors.prompts import LABELS
from masklet.types import ImageFeatures, Points

_log = logging.getLogger(__name__)

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Masks, IoU scores and low-res logits."""


class SAM2ImagePredictor:
    """Masks for prompts on the image that was set last. Signatures, shapes and dtypes are the original's."""

    def __init__(
        self,
        sam_model: SAM2Base | Sam2,
        mask_threshold: float = 0.0,
        max_hole_area: float = 0.0,
        max_sprinkle_area: float = 0.0,
        **kwargs: Any,
    ) -> None:
        self.model = sam_model
        self.mask_threshold = mask_threshold
        base = sam_model if isinstance(sam_model, SAM2Base) else SAM2Base(sam_model).train(sam_model.training)
        self._base = base
        self._predictor = FloatPredictor(
            base.model,
            mask_threshold=mask_threshold,
            max_hole_area=max_hole_area,
            max_sprinkle_area=max_sprinkle_area,
            keep_largest=False,
            stability=base.stability,
        )
        self.reset_predictor()

    @classmethod
    def from_pretrained(cls, model_id: str, **kwargs: Any) -> "SAM2ImagePredictor":
        """A predictor with a published model's weights, by its repository id."""
        return cls(build_sam2_hf(model_id, **kwargs), **kwargs)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self._predictor.model.device

    def native(self) -> FloatPredictor:
        """masklet's own predictor, with the settings of this one and without its image."""
        # As in the original, a model in training mode has no fallback for single masks that waver.
        self._predictor.stability = None if self._base.training else self._base.stability
        return self._predictor

    def reset_predictor(self) -> None:
        """Forget the image."""
        self._features: ImageFeatures | None = None
        self._is_batch = False

    def set_image(self, image: np.ndarray | Image.Image) -> None:
        """Encode one image: RGB, (H, W, 3) uint8 in 0..255 or floats that are not rescaled, or a PIL image."""
        if isinstance(image, np.ndarray):
            _log.info("For numpy array image, we assume (HxWxC) format")
        elif not isinstance(image, Image.Image):
            raise NotImplementedError("Image format not supported")
        self._encode([np.asarray(image)])

    def set_image_batch(self, image_list: list[np.ndarray]) -> None:
        """Encode several images, which may differ in size, for `predict_batch`."""
        assert isinstance(image_list, list), f"images come as a list, not as {type(image_list).__name__}"
        for image in image_list:
            assert isinstance(image, np.ndarray), f"each image is a NumPy array in RGB, not {type(image).__name__}"
        self._encode(image_list)
        self._is_batch = True

    def _encode(self, images: Sequence[np.ndarray]) -> None:
        self.reset_predictor()
        self._features = self._predictor.encode_batch(images)

    def get_image_embedding(self) -> Tensor:
        """The embedding (B, C, H, W) that the mask decoder works on. RuntimeError before an image is set."""
        with torch.no_grad():
            return self._predictor.model.attend_memory(self._require_features().stride16)

    def predict(
        self,
        point_coords: np.ndarray | None = None,
        point_labels: np.ndarray | None = None,
        box: np.ndarray | None = None,
        mask_input: np.ndarray | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        normalize_coords: bool = True,
    ) -> Arrays:
        """Masks (C, H, W), IoU scores (C,) and low-res logits (C, h, w); with an axis B before them for B > 1 prompts.

        point_coords: (N, 2) or (B, N, 2) in image pixels, or in [0, 1] where normalize_coords is False. point_labels:
        (N,) or (B, N). box: (4,) or (B, 4) as x0, y0, x1, y1. mask_input: low-res logits, (1, h, w) or (B, 1, h, w).
        Masks are float32, 0 and 1, or logits on request.
        """
        prompts = (point_coords, point_labels, box, mask_input)
        return self._predict_one(-1, prompts, multimask_output, return_logits, normalize_coords)

    def predict_batch(
        self,
        point_coords_batch: Sequence[np.ndarray] | None = None,
        point_labels_batch: Sequence[np.ndarray] | None = None,
        box_batch: Sequence[np.ndarray] | None = None,
        mask_input_batch: Sequence[np.ndarray] | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        normalize_coords: bool = True,
    ) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
        """`predict` for each image of `set_image_batch`, with a list entry of each prompt an image."""
        assert self._is_batch, "set_image_batch comes before predict_batch"
        batches = (point_coords_batch, point_labels_batch, box_batch, mask_input_batch)
        count = len(self._require_features())
        if wrong := [len(batch) for batch in batches if batch is not None and len(batch) != count]:
            raise ValueError(f"{count} images were set, but a list of prompts has {wrong[0]} entries: None is one too")
        answers = []
        for index in range(count):
            prompts = [None if batch is None else batch[index] for batch in batches]
            answers.append(self._predict_one(index, prompts, multimask_output, return_logits, normalize_coords))
        masks, scores, low_res = (list(column) for column in zip(*answers, strict=True))
        return masks, scores, low_res

    def _predict_one(
        self, index: int, prompts: Sequence[Any], multimask: bool, return_logits: bool, normalize: bool
    ) -> Arrays:
        self._require_features()
        point_coords, point_labels, box, mask_input = prompts
        mask, coords, labels, box = self._prep_prompts(
            point_coords, point_labels, box, mask_input, normalize, img_idx=index
        )
        answer = self._predict(coords, labels, box, mask, multimask, return_logits, img_idx=index)
        masks, scores, low_res = (x.float().cpu().numpy() for x in answer)
        if len(masks) == 1:
            return masks[0], scores[0], low_res[0]
        return masks, scores, low_res

    def _prep_prompts(
        self,
        point_coords: Any,
        point_labels: Any,
        box: Any,
        mask_logits: Any,
        normalize_coords: bool,
        img_idx: int = -1,
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None]:
        """Mask logits, coordinates, labels and boxes (B, 2, 2) as tensors, in model pixels, with an axis B."""
        coords = labels = corners = mask = None
        if point_coords is not None:
            assert point_labels is not None, "point_coords need point_labels"
            coords = self._to_model_pixels(
                torch.as_tensor(point_coords, dtype=torch.float32), normalize_coords, img_idx
            )
            labels = _checked_labels(point_labels, coords).to(self.device)
            if coords.ndim == 2:
                coords, labels = coords[None], labels[None]
        if box is not None:
            box = torch.as_tensor(box, dtype=torch.float32)
            if box.ndim not in (1, 2) or box.shape[-1] != 4:
                raise ValueError(f"box is {tuple(box.shape)}, but it must be (4,) or (B, 4): x0, y0, x1, y1")
            corners = self._to_model_pixels(box.reshape(-1, 2, 2), normalize_coords, img_idx)
        if mask_logits is not None:
            mask = torch.as_tensor(mask_logits, dtype=torch.float32, device=self.device)
            if mask.ndim == 3:
                mask = mask[None]
            side = self._predictor.model.config.mask_side
            if mask.ndim != 4 or mask.shape[1:] != (1, side, side):
                raise ValueError(
                    f"mask_input is {tuple(mask.shape)}, but low-res logits here are (B, 1, {side}, {side})"
                )
        return mask, coords, labels, corners

    def _to_model_pixels(self, coords: Tensor, normalize: bool, img_idx: int) -> Tensor:
        if coords.shape[-1] != 2 or coords.ndim not in (2, 3) or not coords.isfinite().all():
            raise ValueError(f"points are (N, 2) or (B, N, 2), and finite numbers, not {coords.tolist()}")
        size = self._require_features().image_sizes[img_idx] if normalize else (1, 1)
        return to_model_pixels(coords.to(self.device), size, self._predictor.model.config.image_size)

    @torch.no_grad()
    def _predict(
        self,
        point_coords: Tensor | None,
        point_labels: Tensor | None,
        boxes: Tensor | None = None,
        mask_input: Tensor | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        img_idx: int = -1,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`predict` for tensors in model pixels: masks (B, C, H, W), IoU scores (B, C), low-res logits (B, C, h, w)."""
        features = self._require_features()[img_idx]
        points = None
        if point_coords is not None and point_labels is not None:
            points = Points(point_coords, point_labels)
        if boxes is not None:
            corners = Points.of_boxes(boxes.reshape(-1, 2, 2))
            if points is not None and len(points.coords) != len(corners.coords):
                raise ValueError(f"points are {len(points.coords)} prompts, but boxes are {len(corners.coords)}")
            points = corners if points is None else corners.join(points)
        if points is not None and mask_input is not None and len(points.coords) != len(mask_input):
            raise ValueError(f"points or boxes are {len(points.coords)} prompts, but mask_input is {len(mask_input)}")
        predictor = self.native()
        decoded = predictor.decode(features, points, mask_input, multimask_output)
        masks = predictor.full_size_logits(decoded.logits, features.image_sizes[0])
        if not return_logits:
            masks = masks > self.mask_threshold
        return masks, decoded.iou_scores, decoded.logits.clamp(-LOW_RES_LIMIT, LOW_RES_LIMIT)

    def _require_features(self) -> ImageFeatures:
        if self._features is None:
            raise RuntimeError("an image must be set with set_image before masks are predicted")
        return self._features


def _checked_labels(labels: Any, coords: Tensor) -> Tensor:
    """Labels as integers, one for each point: an index into the model's table, so no other may get there."""
    values = torch.as_tensor(labels)
    if tuple(values.shape) != tuple(coords.shape[:-1]):
        raise ValueError(f"point_labels are {tuple(values.shape)}, but the points are {tuple(coords.shape)}")
    if not torch.isin(values.cpu().float(), torch.tensor(LABELS)).all():
        raise ValueError(f"point_labels are 1 in the object, 0 outside it, -1 for padding, not {values.tolist()}")
    return values.to(torch.int32)
