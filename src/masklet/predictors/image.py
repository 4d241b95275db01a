"""Image prediction: encode a picture once, then ask for as many masks as you like.

    predictor = ImagePredictor(load_model("nano"))
    features = predictor.encode("truck.jpg")
    result = predictor.predict(features, points=[(500, 375)], labels=[1])

The predictor keeps no picture: features are a value, to be kept, saved and reused. Several prompts for one image run as
one batch.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from masklet.config import suited_speck_area
from masklet.io.images import ImageLike, preprocess_batch, read_image
from masklet.model import Sam2
from masklet.ops.masks import check_areas, clean_logits, resize_logits
from masklet.ops.multimask import RELEASED_STABILITY, StabilityPolicy, answering
from masklet.predictors.prompts import PromptGroup, parse_prompt
from masklet.types import DecodedMasks, ImageFeatures, MaskPrediction, Points, Prompt

LOW_RES_LIMIT = 32.0
"""Low-res logits are clamped to this range, as upstream gives them back."""

MAX_TOKENS_PER_PASS = 64 * 64 * 32
"""Prompts whose answers are held at once are so many that their image tokens are no more: 32 at 1024 px."""

MAX_TOKENS_AT_ONCE_ON_CPU = 4096
"""A CPU is busy with one prompt at 1024 px, 4 at 512 px, 16 at 256 px; more at once only crowd its caches."""


class ImagePredictor:
    """Masks for prompts on images.

    mask_threshold: a pixel is inside where its logit exceeds it. max_hole_area, max_sprinkle_area: holes and specks of
    at most so many low-res pixels (4 x 4 model pixels each) are filled and removed; None is what suits the model:
    upstream's 0, and for `nano`, whose masks are rougher, 0.3% of all, which is 15 at its 288 px. keep_largest: of a
    mask that is specks alone the largest stays; upstream leaves an empty mask. stability: when a single mask is
    replaced by the best of the multimasks; None never does.
    """

    def __init__(
        self,
        model: Sam2,
        *,
        mask_threshold: float = 0.0,
        max_hole_area: float | None = None,
        max_sprinkle_area: float | None = None,
        keep_largest: bool = True,
        stability: StabilityPolicy | None = RELEASED_STABILITY,
    ) -> None:
        if not math.isfinite(mask_threshold):
            raise ValueError(f"mask_threshold is {mask_threshold}, but it must be a number that logits can exceed")
        check_areas(max_hole_area=max_hole_area, max_sprinkle_area=max_sprinkle_area)
        suited = suited_speck_area(model.config)
        self.model = model
        self.mask_threshold = mask_threshold
        self.max_hole_area = suited if max_hole_area is None else max_hole_area
        self.max_sprinkle_area = suited if max_sprinkle_area is None else max_sprinkle_area
        self.keep_largest = keep_largest
        self.stability = stability

    def encode(self, image: ImageLike) -> ImageFeatures:
        """Encode one image: a path, a PIL image, an array (H, W, 3) or a tensor (3, H, W), in RGB.

        ValueError or FileNotFoundError says what is wrong with an image that cannot be read.
        """
        return self.encode_batch([image])

    @torch.no_grad()
    def encode_batch(self, images: Sequence[ImageLike]) -> ImageFeatures:
        """Encode several images, of any sizes, as one batch."""
        if isinstance(images, str | Path):
            raise TypeError(f"encode_batch takes a list of images, not one ({str(images)!r}): use encode")
        if len(images) == 0:
            raise ValueError("there are no images to encode")
        arrays = [read_image(image) for image in images]
        pixels = preprocess_batch(arrays, self.model.config.image_size, self.model.device, self.model.dtype)
        features = self.model.encode_image(pixels)
        return replace(features, image_sizes=tuple((a.shape[0], a.shape[1]) for a in arrays))

    def predict(
        self,
        features: ImageFeatures,
        *,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        boxes: ArrayLike | None = None,
        mask: ArrayLike | Tensor | None = None,
        multimask: bool = True,
        return_logits: bool = False,
    ) -> MaskPrediction:
        """Masks of the objects that are pointed at in one encoded image; see `Prompt` for what the prompts are.

        multimask: three candidates a prompt, for a prompt that may mean more than one thing; else one. return_logits:
        also the mask logits at the image's size.
        """
        prompt = Prompt(points=points, labels=labels, boxes=boxes, mask=mask)
        return self.predict_batch(features, [prompt], multimask=multimask, return_logits=return_logits)[0]

    @torch.no_grad()
    def predict_batch(
        self,
        features: ImageFeatures,
        prompts: Sequence[Prompt],
        *,
        multimask: bool = True,
        return_logits: bool = False,
    ) -> list[MaskPrediction]:
        """Masks for a batch of images, each with a prompt of its own, which may hold any number of prompts."""
        if len(prompts) != len(features):
            raise ValueError(f"{len(features)} encoded images need as many prompts, not {len(prompts)}")
        self._check_features(features)
        return [self._predict(features[i], p, multimask, return_logits) for i, p in enumerate(prompts)]

    def decode(
        self, features: ImageFeatures, points: Points | None, mask: Tensor | None, multimask: bool
    ) -> DecodedMasks:
        """The decoder's answer to B prompts on one image, reduced to three candidates each, or to one.

        points: in model pixels. mask: low-res logits (B, 1, h, w). Logits are low-res and as the decoder gives them;
        tensors on the model's device.
        """
        given = mask if points is None else points.coords
        num_prompts = 1 if given is None else max(1, len(given))
        at_once = self.prompts_at_once(num_prompts)
        parts = []
        for start in range(0, num_prompts, at_once):
            rows = slice(start, start + at_once)
            some_points = None if points is None else points[rows]
            parts.append(self._decode(features, some_points, None if mask is None else mask[rows], multimask))
        return DecodedMasks.join(parts)

    def prompts_at_once(self, num_prompts: int) -> int:
        """How many of so many prompts go through the decoder at once: all, but for a CPU only what suits its caches."""
        if self.model.device.type != "cpu":
            return num_prompts
        return min(num_prompts, max(1, MAX_TOKENS_AT_ONCE_ON_CPU // self.model.config.embedding_side**2))

    def _decode(
        self, features: ImageFeatures, points: Points | None, mask: Tensor | None, multimask: bool
    ) -> DecodedMasks:
        device = self.model.device
        encoded = self.model.encode_prompts(
            None if points is None else points.to(device), None if mask is None else mask.to(device)
        )
        decoded = self.model.decode_masks(self.model.attend_memory(features.stride16), features, encoded)
        answer = answering(decoded.logits, decoded.iou_scores, multimask, self.stability)
        return DecodedMasks(
            logits=decoded.logits[answer].float(),
            iou_scores=decoded.iou_scores[answer].float(),
            tokens=decoded.tokens[answer],
            object_score=decoded.object_score.float(),
        )

    def full_size_logits(self, low_res: Tensor, image_size: tuple[int, int]) -> Tensor:
        """Low-res logits (B, M, h, w), cleaned of holes and specks, at an image's size."""
        return resize_logits(self.clean(low_res), image_size)

    def clean(self, low_res: Tensor) -> Tensor:
        """Low-res logits (..., h, w) without holes and specks; see `max_hole_area` and the next two."""
        areas = self.max_hole_area, self.max_sprinkle_area
        return clean_logits(low_res, *areas, self.mask_threshold, keep_largest=self.keep_largest)

    def _predict(self, features: ImageFeatures, prompt: Prompt, multimask: bool, return_logits: bool) -> MaskPrediction:
        config = self.model.config
        image_size = features.image_sizes[0]
        parsed = parse_prompt(prompt, image_size, config.image_size, config.mask_side)
        num_masks = config.decoder.num_multimasks if multimask else 1
        shape = (parsed.num_prompts, num_masks)
        masks = np.empty((*shape, *image_size), bool)
        logits = np.empty(masks.shape, np.float32) if return_logits else None
        low_res = np.empty((*shape, config.mask_side, config.mask_side), np.float32)
        scores, object_score = np.empty(shape, np.float32), np.empty(parsed.num_prompts, np.float32)
        for group in self._passes(parsed.groups):
            decoded = self.decode(features, group.points, group.mask, multimask)
            low_res[group.rows] = decoded.logits.clamp(-LOW_RES_LIMIT, LOW_RES_LIMIT).cpu().numpy()
            scores[group.rows] = decoded.iou_scores.cpu().numpy()
            object_score[group.rows] = decoded.object_score[:, 0].cpu().numpy()
            for row, low in zip(group.rows, decoded.logits, strict=True):  # one at a time: full-size logits are large
                full = self.full_size_logits(low[None], image_size)[0]
                masks[row] = (full > self.mask_threshold).cpu().numpy()
                if logits is not None:
                    logits[row] = full.cpu().numpy()
        one = 0 if parsed.single else slice(None)
        return MaskPrediction(
            masks=masks[one],
            scores=scores[one],
            low_res_logits=low_res[one],
            object_score=object_score[one],
            logits=None if logits is None else logits[one],
        )

    def _passes(self, groups: list[PromptGroup]) -> Iterator[PromptGroup]:
        """The groups, cut to what goes through the decoder at once."""
        limit = max(1, MAX_TOKENS_PER_PASS // self.model.config.embedding_side**2)
        for group in groups:
            for start in range(0, len(group.rows), limit):
                part = slice(start, start + limit)
                points = None if group.points is None else group.points[part]
                yield PromptGroup(group.rows[part], points, None if group.mask is None else group.mask[part])

    def _check_features(self, features: ImageFeatures) -> None:
        config = self.model.config
        side, dim = config.embedding_side, config.dim
        expected = [(dim, side, side), (dim // 4, 2 * side, 2 * side), (dim // 8, 4 * side, 4 * side)]
        found = [tuple(x.shape[1:]) for x in (features.stride16, features.stride8, features.stride4)]
        if found != expected:
            raise ValueError(
                f"these features are {found}, but the model at {config.image_size} px makes {expected}: encode the "
                "image with the model that is to predict"
            )
        if features.stride16.device != self.model.device or features.stride16.dtype != self.model.dtype:
            raise ValueError(
                f"these features are {features.stride16.dtype} on {features.stride16.device}, the model is "
                f"{self.model.dtype} on {self.model.device}: use features.to(device, dtype)"
            )
