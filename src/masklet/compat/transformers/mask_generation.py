"""`pipeline("mask-generation", ...)`: everything in a picture, in the words of `transformers`.

The search is masklet's own (see `predictors.mask_candidates`), with the rules of `transformers`: a mask must exceed
both thresholds, and one non-maximum suppression by predicted IoU goes over the masks of all crops. What differs on
purpose:

- Points lie over the whole picture. `transformers` scales them as for a model that keeps the aspect of pictures, so in
  those that are not square they reach a part alone.
- Crops can have smaller grids than the picture (`crop_n_points_downscale_factor`), at which `transformers` fails, and
  crops without a pixel, which very small pictures have in deep layers, are left out.
- Arrays and tensors are pictures too, and a keyword that means nothing is a TypeError.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from masklet.compat.transformers.hub import HubOptions
from masklet.compat.transformers.image_processor import Sam2ImageProcessor
from masklet.compat.transformers.load_image import load_image
from masklet.compat.transformers.mask_steps import as_mask
from masklet.compat.transformers.model import Sam2Model
from masklet.compat.transformers.pixels import Picture, read_pictures
from masklet.compat.transformers.placement import device_of
from masklet.compat.transformers.pretrained import PreTrainedModel
from masklet.compat.transformers.processor import Sam2Processor
from masklet.ops.grids import Crop, crop_grid
from masklet.ops.nms import box_nms
from masklet.ops.rle import uncompressed_rle
from masklet.predictors.generator_options import GeneratorOptions
from masklet.predictors.image import ImagePredictor
from masklet.predictors.mask_candidates import Candidates, search_crop
from masklet.runtime.load import default_device
from masklet.types import ImageFeatures

TASK = "mask-generation"

_WITHOUT_EFFECT = ("batch_size", "num_workers", "use_fast")
"""Keywords of all pipelines about ways of running, of which there is one here."""

_OTHER_NAMES = {
    "points_per_side": "points_per_crop",
    "crop_n_layers": "crops_n_layers",
    "crop_nms_thresh": "crops_nms_thresh",
}
"""Options of masklet that have other names here."""


@dataclass(frozen=True, kw_only=True)
class MaskGenerationSettings:
    """Where to look and what to keep; for the meaning of each see `GeneratorOptions`.

    points_per_crop: the side of the grid of points. points_per_batch: None is all of a crop's. crops_nms_thresh: for
    all masks at once. max_hole_area, max_sprinkle_area: holes and specks of at most so many low-res pixels are filled
    and removed. timeout: seconds to wait for a URL. output_rle_mask, output_bboxes_mask: what to return besides.
    """

    points_per_batch: int | None = 64
    points_per_crop: int = 32
    crops_n_layers: int = 0
    crop_overlap_ratio: float = 512 / 1500
    crop_n_points_downscale_factor: int = 1
    timeout: float | None = None
    pred_iou_thresh: float = 0.88
    stability_score_thresh: float = 0.95
    mask_threshold: float = 0.0
    stability_score_offset: float = 1.0
    max_hole_area: float | None = None
    max_sprinkle_area: float | None = None
    crops_nms_thresh: float = 0.7
    output_rle_mask: bool = False
    output_bboxes_mask: bool = False

    def options(self) -> GeneratorOptions:
        """The same for masklet's search. ValueError names a setting with a value that makes no sense."""
        try:
            return GeneratorOptions(
                points_per_side=self.points_per_crop,
                points_per_batch=self.points_per_crop**2 if self.points_per_batch is None else self.points_per_batch,
                pred_iou_thresh=self.pred_iou_thresh,
                stability_score_thresh=self.stability_score_thresh,
                stability_score_offset=self.stability_score_offset,
                mask_threshold=self.mask_threshold,
                crop_n_layers=self.crops_n_layers,
                crop_nms_thresh=self.crops_nms_thresh,
                crop_overlap_ratio=self.crop_overlap_ratio,
                crop_n_points_downscale_factor=self.crop_n_points_downscale_factor,
            )
        except ValueError as error:
            message = str(error)
            for name, here in _OTHER_NAMES.items():
                message = message.replace(name, here)
            raise ValueError(message) from None


class MaskGenerationPipeline:
    """Finds everything in pictures; `pipeline` makes it. settings: as `MaskGenerationSettings`, for all calls."""

    def __init__(self, model: PreTrainedModel, image_processor: Sam2ImageProcessor, **settings: Any) -> None:
        side = model.engine.config.image_size
        if image_processor.size != {"height": side, "width": side}:
            raise ValueError(
                f"the image processor makes pictures of the size {image_processor.size}, but the model takes {side} x "
                f"{side}: give one with size={side}"
            )
        self.task = TASK
        self.model = model
        self.image_processor = image_processor
        self._settings = settings
        self._with()  # raises where they make no sense

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.device

    def __call__(self, image: Picture | Sequence[Any], **settings: Any) -> dict[str, Any] | list[dict[str, Any]]:
        """Masks of everything in one picture, or in each of a list: a URL, a path, base64, a Pillow image, an array.

        settings: as `MaskGenerationSettings`, for this call. Returns, or for a list returns a list of, a dictionary:
        masks, a list of boolean tensors (H, W), best first; scores, their predicted IoUs (K,); and on request rle_mask,
        a list of {"size": [H, W], "counts": [...]} column by column, and bounding_boxes (K, 4) XYXY in pixels, int64,
        the last ones inside.
        """
        now = self._with(**settings)
        if isinstance(image, list | tuple):
            return [self._generate(one, now) for one in image]
        return self._generate(image, now)

    def _with(self, **changes: Any) -> MaskGenerationSettings:
        given = {name: value for name, value in (self._settings | changes).items() if name not in _WITHOUT_EFFECT}
        known = [field.name for field in fields(MaskGenerationSettings)]
        if unknown := [name for name in given if name not in known]:
            raise TypeError(f"mask generation has no setting {unknown[0]!r}; it has {', '.join(known)}")
        settings = MaskGenerationSettings(**given)
        settings.options()
        return settings

    @torch.no_grad()
    def _generate(self, image: Any, settings: MaskGenerationSettings) -> dict[str, Any]:
        if isinstance(image, str | Path | Image.Image):
            image = load_image(image, timeout=settings.timeout)
        (picture,) = read_pictures(image)
        found = self._search(picture, settings)
        generated: dict[str, Any] = {
            "masks": [as_mask(rle) for rle in found.rles],
            "scores": found.predicted_ious,
        }
        if settings.output_rle_mask:
            generated["rle_mask"] = [uncompressed_rle(rle) for rle in found.rles]
        if settings.output_bboxes_mask:
            generated["bounding_boxes"] = found.boxes
        return generated

    def _search(self, picture: UInt8[Tensor, "3 H W"], settings: MaskGenerationSettings) -> Candidates:
        options, image_size = settings.options(), (picture.shape[1], picture.shape[2])
        grids = options.grids()
        predictor = ImagePredictor(
            self.model.engine,
            mask_threshold=settings.mask_threshold,
            max_hole_area=settings.max_hole_area or 0.0,
            max_sprinkle_area=settings.max_sprinkle_area or 0.0,
            keep_largest=False,  # as post_process_masks does
        )
        parts = []
        for crop in crop_grid(image_size, settings.crops_n_layers, settings.crop_overlap_ratio):
            features = self._encode(picture, crop)
            for _, selected in search_crop(predictor, features, grids[crop.layer], crop, image_size, options):
                parts += selected
        found = Candidates.join(parts)
        if settings.stability_score_thresh > 0:  # which masklet's search takes for the least that will do
            found = found[(found.stability_scores > settings.stability_score_thresh).nonzero()[:, 0]]
        return found[box_nms(found.boxes, found.predicted_ious, settings.crops_nms_thresh)]

    def _encode(self, picture: UInt8[Tensor, "3 H W"], crop: Crop) -> ImageFeatures:
        left, top, right, bottom = crop.box
        processed = self.image_processor(picture[:, top:bottom, left:right], return_tensors="pt")
        features = self.model.engine.encode_image(processed["pixel_values"].to(self.model.device, self.model.dtype))
        return ImageFeatures(features.stride16, features.stride8, features.stride4, (crop.size,))


def pipeline(
    task: str | None = None,
    model: str | Path | PreTrainedModel | None = None,
    *,
    image_processor: str | Path | Sam2ImageProcessor | None = None,
    processor: str | Path | Sam2Processor | None = None,
    device: int | str | torch.device | None = None,
    model_kwargs: dict[str, Any] | None = None,
    **kwargs: Any,
) -> MaskGenerationPipeline:
    """A pipeline for the task "mask-generation", the only one there is here.

    model: a `Sam2Model`, or what `Sam2Model.from_pretrained` takes. image_processor: by default that of `processor`, of
    the model's folder or repository, or, for a model that is there already, one of its image size. device: None is that
    of a model that is there already, and otherwise the best there is; a number is that of a CUDA device, -1 the CPU.
    kwargs: `MaskGenerationSettings`, and those of `from_pretrained` (dtype, device_map, revision, ...).

    ValueError: another task, no model, a device that is not there. Errors of `from_pretrained`.
    """
    if task not in (TASK, None):
        raise ValueError(f"there is no pipeline for {task!r} here: the task is {TASK!r}")
    if model is None:
        raise ValueError("there is no model: give model= a Sam2Model, a folder or the id of a repository")
    settings_names = {field.name for field in fields(MaskGenerationSettings)} | set(_WITHOUT_EFFECT)
    settings = {name: kwargs.pop(name) for name in list(kwargs) if name in settings_names}
    place = None if device is None else device_of(device)
    kwargs |= model_kwargs or {}
    look_up = {field.name: kwargs[field.name] for field in fields(HubOptions) if field.name in kwargs}
    pixels = image_processor or (processor.image_processor if isinstance(processor, Sam2Processor) else processor)
    if isinstance(model, PreTrainedModel):
        if kwargs:
            raise TypeError(f"the model is there already, so there is nothing to do with {', '.join(kwargs)}")
        pixels = pixels or Sam2ImageProcessor(size=model.engine.config.image_size)
    else:
        pixels = pixels or model
        if place is None and "device_map" not in kwargs:
            place = default_device()
        model = Sam2Model.from_pretrained(model, **kwargs)
    if not isinstance(pixels, Sam2ImageProcessor):
        pixels = Sam2ImageProcessor.from_pretrained(pixels, **look_up)
    return MaskGenerationPipeline(model if place is None else model.to(place), pixels, **settings)
