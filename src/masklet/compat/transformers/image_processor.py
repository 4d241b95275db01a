"""`Sam2ImageProcessor`: images in, low-res masks out, in the words and with the numbers of `transformers`.

The arithmetic of pixels is in `pixels`. What differs from `transformers`, on purpose:

- `max_hole_area` and `max_sprinkle_area` are accepted there and do nothing; here small holes are filled and sprinkles
  removed, on low-res logits, as the original predictor does.
- Masks may have any leading axes, the caller's list is left as it is, and there must be as many masks as sizes.
- Maps of labels can be had as lists (`return_tensors=None`), and there must be as many as images.
- A keyword that means nothing here (cropping, padding) is a TypeError.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from jaxtyping import Shaped
from PIL import Image
from torch import Tensor

from masklet.compat.transformers.batch import BatchFeature
from masklet.compat.transformers.mask_steps import cut_crops, filter_crop_masks, suppress_masks
from masklet.compat.transformers.nested import read_sizes
from masklet.compat.transformers.pixels import (
    Picture,
    Pictures,
    PixelArithmetic,
    as_size,
    read_label_maps,
    read_pictures,
    resize,
)
from masklet.compat.transformers.processing_base import SavedSettings
from masklet.io.images import IMAGENET_MEAN, IMAGENET_STD
from masklet.ops.grids import Crop
from masklet.ops.masks import clean_logits, resize_logits, suppress_overlaps
from masklet.predictors.generator_options import GeneratorOptions

_PER_CALL = ("input_data_format", "device", "return_tensors")
_WITHOUT_EFFECT = ("data_format", "default_to_square", "disable_grouping")
"""Keywords of `transformers` that do not change what comes out."""

_Processor = TypeVar("_Processor", bound="Sam2ImageProcessor")


class Sam2ImageProcessor(SavedSettings):
    """Makes of images what the models take, and of their low-res masks masks of the images' sizes.

    size: {"height", "width"} of what the model sees; a model takes squares. resample: Pillow's number of the filter (2
    is bilinear, antialiased). rescale_factor: from the pixels given to [0, 1]. image_mean, image_std: of R, G and B, or
    one number for all. mask_size: of maps of labels. do_convert_rgb: grey is repeated and what is transparent laid over
    white.

    None is the default of each. Any of them can be changed for one call.
    """

    names: ClassVar[Sequence[str]] = (
        "do_convert_rgb",
        "do_resize",
        "size",
        "resample",
        "do_rescale",
        "rescale_factor",
        "do_normalize",
        "image_mean",
        "image_std",
        "mask_size",
    )
    type_key = "image_processor_type"
    file_names = ("preprocessor_config.json",)
    nested_keys = ("image_processor",)
    model_input_names: ClassVar[list[str]] = ["pixel_values"]

    def __init__(self, **settings: Any) -> None:
        for name in _WITHOUT_EFFECT:
            settings.pop(name, None)
        self._check_names(settings)
        given = _DEFAULTS | {name: value for name, value in settings.items() if value is not None}
        self.do_convert_rgb: bool = given["do_convert_rgb"]
        self.do_resize: bool = given["do_resize"]
        self.size = as_size(given["size"])
        self.resample = int(given["resample"])
        self.do_rescale: bool = given["do_rescale"]
        self.rescale_factor: float = given["rescale_factor"]
        self.do_normalize: bool = given["do_normalize"]
        self.image_mean = _of_channels(given["image_mean"])
        self.image_std = _of_channels(given["image_std"])
        self.mask_size = as_size(given["mask_size"], "mask_size")

    def __call__(self, images: Pictures, segmentation_maps: Pictures | None = None, **kwargs: Any) -> BatchFeature:
        """See `preprocess`."""
        return self.preprocess(images, segmentation_maps, **kwargs)

    def preprocess(self, images: Pictures, segmentation_maps: Pictures | None = None, **kwargs: Any) -> BatchFeature:
        """What the models take of images: one, a list of any sizes, or a batch; see `pixels.Pictures`.

        Pixels are 0 to 255 unless `do_rescale=False`. segmentation_maps: an integer label for each pixel of each image.

        kwargs: settings for this call (None is what the processor has), `device` to work on, `input_data_format`
        ("channels_first" or "channels_last") where arrays do not tell, and `return_tensors`: "pt", "np", or None for
        lists.

        Returns pixel_values (B, 3, H, W) float32, original_sizes (B, 2) as (height, width), and with maps labels
        (B, h, w) int64.
        """
        call = {name: kwargs.pop(name, None) for name in _PER_CALL}
        now = self._with(kwargs)
        pictures = read_pictures(
            images, convert_rgb=now.do_convert_rgb, channels=call["input_data_format"], device=call["device"]
        )
        arithmetic = now.arithmetic()
        data: dict[str, Any] = {
            "pixel_values": [arithmetic.apply(picture) for picture in pictures],
            "original_sizes": [tuple(picture.shape[-2:]) for picture in pictures],
        }
        if segmentation_maps is not None:
            maps = read_label_maps(segmentation_maps)
            if len(maps) != len(pictures):
                raise ValueError(
                    f"there are {len(pictures)} images and {len(maps)} segmentation maps: give one an image"
                )
            data["labels"] = [now._resize_labels(labels) for labels in maps]
        return BatchFeature(data, tensor_type=call["return_tensors"])

    def _with(self: _Processor, changes: dict[str, Any]) -> _Processor:
        """The processor of one call: itself, or one with some settings changed. None changes nothing."""
        given = {name: value for name, value in changes.items() if value is not None}
        return type(self)(**{name: getattr(self, name) for name in self.names} | given) if given else self

    def arithmetic(self) -> PixelArithmetic:
        """What is done to pixels, by the settings there are now."""
        return PixelArithmetic(
            size=(self.size["height"], self.size["width"]) if self.do_resize else None,
            resample=self.resample,
            rescale_factor=self.rescale_factor if self.do_rescale else None,
            mean=self.image_mean if self.do_normalize else None,
            std=self.image_std if self.do_normalize else None,
        )

    def _resize_labels(self, labels: Shaped[Tensor, "H W"]) -> Shaped[Tensor, "H2 W2"]:
        if self.do_resize:
            size = (self.mask_size["height"], self.mask_size["width"])
            labels = resize(labels[None], size, Image.Resampling.NEAREST)[0]
        return labels.to(torch.int64)

    def post_process_masks(
        self,
        masks: Tensor | np.ndarray | Sequence[Tensor | np.ndarray],
        original_sizes: Any,
        mask_threshold: float = 0.0,
        binarize: bool = True,
        max_hole_area: float = 0.0,
        max_sprinkle_area: float = 0.0,
        apply_non_overlapping_constraints: bool = False,
        **kwargs: Any,
    ) -> list[Tensor]:
        """Low-res mask logits at the images' sizes: for each image a tensor (..., H, W), with the axes given.

        masks: logits of each image, (P, M, h, w) as the models give them, or a batch (B, P, M, h, w). original_sizes:
        (height, width) of each image. mask_threshold: a pixel is inside where its logit exceeds it. binarize: bool
        masks, else logits. max_hole_area, max_sprinkle_area: holes and specks of at most so many low-res pixels are
        filled and removed. apply_non_overlapping_constraints: of the objects along the first axis, a pixel is inside
        the strongest alone. kwargs, such as the reshaped_input_sizes of other models, are passed over.

        TypeError for masks that are neither tensors nor arrays.
        """
        sizes = read_sizes(original_sizes)
        if len(masks) != len(sizes):
            raise ValueError(f"there are masks of {len(masks)} images and {len(sizes)} original_sizes: give as many")
        processed = []
        for of_image, size in zip(masks, sizes, strict=True):
            logits = _as_logits(of_image)
            logits = clean_logits(logits, max_hole_area, max_sprinkle_area, mask_threshold)
            full = resize_logits(logits.reshape(-1, 1, *logits.shape[-2:]), size).reshape(*logits.shape[:-2], *size)
            if apply_non_overlapping_constraints and full.ndim > 2:
                full = suppress_overlaps(full.flatten(1, -2)).view_as(full)
            processed.append(full > mask_threshold if binarize else full)
        return processed

    def generate_crop_boxes(
        self,
        image: Picture,
        target_size: int,
        crop_n_layers: int = 0,
        overlap_ratio: float = 512 / 1500,
        points_per_crop: int = 32,
        crop_n_points_downscale_factor: int = 1,
        device: Any = None,
    ) -> tuple[Tensor, Tensor, list[Tensor], Tensor]:
        """Crops of a picture with grids of points: boxes (C, 4) XYXY float32, points (1, N, C, 2) in pixels of a square
        of side `target_size`, the crops (3, h, w), and labels (1, N, C), all 1. See `GeneratorOptions`."""
        options = GeneratorOptions(
            points_per_side=points_per_crop,
            crop_n_layers=crop_n_layers,
            crop_overlap_ratio=overlap_ratio,
            crop_n_points_downscale_factor=crop_n_points_downscale_factor,
        )
        (picture,) = read_pictures(image, convert_rgb=self.do_convert_rgb)
        crops = cut_crops(picture, target_size, options)
        points = crops.points.to(device)
        return crops.boxes.to(device), points, crops.pictures, torch.ones_like(points[..., 0], dtype=torch.int64)

    def filter_masks(
        self,
        masks: Tensor,
        iou_scores: Tensor,
        original_size: Sequence[int],
        cropped_box_image: Sequence[int] | Tensor,
        pred_iou_thresh: float = 0.88,
        stability_score_thresh: float = 0.95,
        mask_threshold: float = 0.0,
        stability_score_offset: float = 1.0,
    ) -> tuple[list[dict[str, Any]], Tensor, Tensor]:
        """Of the masks of a crop, logits (P, M, h, w) at its size with scores (P, M), those that exceed both thresholds
        and are not cut off by its edges: run lengths and boxes in the picture, and scores."""
        if masks.shape[:2] != iou_scores.shape[:2]:
            raise ValueError(f"masks {tuple(masks.shape)} and iou_scores {tuple(iou_scores.shape)} differ in number")
        options = GeneratorOptions(
            pred_iou_thresh=pred_iou_thresh,
            stability_score_thresh=stability_score_thresh,
            mask_threshold=mask_threshold,
            stability_score_offset=stability_score_offset,
        )
        left, top, right, bottom = (int(side) for side in cropped_box_image)
        height, width = (int(side) for side in original_size)
        logits, scores = masks.flatten(0, 1), iou_scores.flatten().to(masks.device)
        return filter_crop_masks(logits, scores, Crop((left, top, right, bottom), 0), (height, width), options)

    def post_process_for_mask_generation(
        self, all_masks: Sequence[dict[str, Any]], all_scores: Tensor, all_boxes: Tensor, crops_nms_thresh: float
    ) -> tuple[list[Tensor], Tensor, list[dict[str, Any]], Tensor]:
        """Of masks (as run lengths) whose boxes overlap much the best alone: masks, scores, run lengths and boxes."""
        return suppress_masks(all_masks, all_scores, all_boxes, crops_nms_thresh)


_DEFAULTS: dict[str, Any] = {
    "do_convert_rgb": True,
    "do_resize": True,
    "size": {"height": 1024, "width": 1024},
    "resample": Image.Resampling.BILINEAR,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": IMAGENET_MEAN,
    "image_std": IMAGENET_STD,
    "mask_size": {"height": 256, "width": 256},
}


def _of_channels(value: float | Sequence[float]) -> list[float]:
    return [value] * 3 if isinstance(value, int | float) else list(value)


def _as_logits(masks: Any) -> Tensor:
    if isinstance(masks, np.ndarray):
        masks = torch.from_numpy(np.require(masks, requirements=["C", "W"]))
    if not isinstance(masks, Tensor):
        raise TypeError(f"masks of an image are a tensor or an array, not {type(masks).__name__}: give a list of these")
    if masks.ndim < 2 or not masks.is_floating_point():
        raise ValueError(
            f"masks to process are floating-point logits (..., height, width), not {masks.dtype} {tuple(masks.shape)}"
        )
    return masks
