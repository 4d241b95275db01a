"""`SAM2AutomaticMaskGenerator` as the original defines it: everything in a picture, as a list of dictionaries.

The original's numbers, in its order. What differs on purpose:

- With crops, a picture in which nothing is found gives no records, and crops without a pixel, which very small images
  have in deep layers, are left out; the original fails at both.
- `min_mask_region_area` acts on every device; the original needs its CUDA extension and otherwise skips the step.
- Parameters that make no sense are a ValueError that names them, at construction.
- An empty mask, which only a stability threshold of 0 lets pass, has the stability 0, not NaN.
- Pictures are whatever `masklet.io.images.read_image` takes; floats become bytes. The inner steps of the original
  (`refine_with_m2m` and private methods) are not here.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from masklet.compat.sam2.amg import batched_mask_to_box, mask_to_rle_pytorch, remove_small_regions, rle_to_mask
from masklet.compat.sam2.build import SAM2Base, build_sam2_hf
from masklet.compat.sam2.image_predictor import SAM2ImagePredictor
from masklet.compat.sam2.mask_data import MaskData
from masklet.io.images import ImageLike
from masklet.model import Sam2
from masklet.ops.mask_record import MaskRecord
from masklet.ops.nms import box_nms
from masklet.ops.rle import uncompressed_rle
from masklet.predictors.generator_options import GeneratorOptions
from masklet.predictors.mask_generator import MaskGenerator

OUTPUT_MODES = ("binary_mask", "uncompressed_rle", "coco_rle")


class SAM2AutomaticMaskGenerator:
    """Masks of everything in a picture. Signatures, defaults and records are the original's.

    For the parameters see `GeneratorOptions`, but `min_mask_region_area`: holes and specks of at most so many pixels of
    the low-res logits (a quarter of the model's side) are filled and removed. They are attributes, but for
    `points_per_side`, and count from the next call on, but for `min_mask_region_area`, which as in the original is
    settled here. `point_grids` are the grids in use, `predictor` is a `SAM2ImagePredictor`. AssertionError for an
    unknown `output_mode`, and where not exactly one of `points_per_side` and `point_grids` is given; ValueError for
    other values that make no sense.
    """

    def __init__(
        self,
        model: SAM2Base | Sam2,
        points_per_side: int | None = 32,
        points_per_batch: int = 64,
        pred_iou_thresh: float = 0.8,
        stability_score_thresh: float = 0.95,
        stability_score_offset: float = 1.0,
        mask_threshold: float = 0.0,
        box_nms_thresh: float = 0.7,
        crop_n_layers: int = 0,
        crop_nms_thresh: float = 0.7,
        crop_overlap_ratio: float = 512 / 1500,
        crop_n_points_downscale_factor: int = 1,
        point_grids: Sequence[np.ndarray] | None = None,
        min_mask_region_area: int = 0,
        output_mode: str = "binary_mask",
        use_m2m: bool = False,
        multimask_output: bool = True,
        **kwargs: Any,
    ) -> None:
        assert (points_per_side is None) != (point_grids is None), (
            "exactly one of points_per_side and point_grids must be given: set points_per_side=None for point_grids"
        )
        assert output_mode in OUTPUT_MODES, f"output_mode is {output_mode!r}, but must be one of {OUTPUT_MODES}"
        if point_grids is None:
            point_grids = GeneratorOptions(
                points_per_side=points_per_side,
                crop_n_layers=crop_n_layers,
                crop_n_points_downscale_factor=crop_n_points_downscale_factor,
            ).grids()
        self.predictor = SAM2ImagePredictor(
            model, max_hole_area=min_mask_region_area, max_sprinkle_area=min_mask_region_area
        )
        self.point_grids = point_grids
        self.points_per_batch = points_per_batch
        self.pred_iou_thresh = pred_iou_thresh
        self.stability_score_thresh = stability_score_thresh
        self.stability_score_offset = stability_score_offset
        self.mask_threshold = mask_threshold
        self.box_nms_thresh = box_nms_thresh
        self.crop_n_layers = crop_n_layers
        self.crop_nms_thresh = crop_nms_thresh
        self.crop_overlap_ratio = crop_overlap_ratio
        self.crop_n_points_downscale_factor = crop_n_points_downscale_factor
        self.min_mask_region_area = min_mask_region_area
        self.output_mode = output_mode
        self.use_m2m = use_m2m
        self.multimask_output = multimask_output
        self._options()  # raises where they make no sense

    @classmethod
    def from_pretrained(cls, model_id: str, **kwargs: Any) -> "SAM2AutomaticMaskGenerator":
        """A generator with a published model's weights, by its repository id."""
        return cls(build_sam2_hf(model_id, **kwargs), **kwargs)

    def generate(self, image: ImageLike) -> list[dict[str, Any]]:
        """A dictionary a mask for a picture, RGB of shape (H, W, 3), uint8; other pictures masklet reads will do too.

        segmentation: a boolean array (H, W), or its RLE as `output_mode` has it. area: its pixels. bbox: [x, y, w, h]
        as floats, `w` and `h` being the differences of the outermost pixels. predicted_iou, stability_score: in [0, 1].
        point_coords: [[x, y]], the point that the mask answers. crop_box: [x, y, w, h] of the part of the image that it
        was found in.
        """
        predictor = self.predictor.native()
        generator = MaskGenerator(predictor.model, self._options(), predictor=predictor)
        return [self._as_dictionary(record) for record in generator.generate(image)]

    def _options(self) -> GeneratorOptions:
        return GeneratorOptions(
            points_per_side=None,
            points_per_batch=self.points_per_batch,
            pred_iou_thresh=self.pred_iou_thresh,
            stability_score_thresh=self.stability_score_thresh,
            stability_score_offset=self.stability_score_offset,
            mask_threshold=self.mask_threshold,
            box_nms_thresh=self.box_nms_thresh,
            crop_n_layers=self.crop_n_layers,
            crop_nms_thresh=self.crop_nms_thresh,
            crop_overlap_ratio=self.crop_overlap_ratio,
            point_grids=self.point_grids[: self.crop_n_layers + 1],
            use_m2m=self.use_m2m,
            multimask_output=self.multimask_output,
        )

    def _as_dictionary(self, record: MaskRecord) -> dict[str, Any]:
        left, top, width, height = record.box
        return {
            "segmentation": self._segmentation(record),
            "area": record.area,
            # From the first to the last pixel: an empty mask has 0 already.
            "bbox": [float(left), float(top), max(width - 1.0, 0.0), max(height - 1.0, 0.0)],
            "predicted_iou": record.predicted_iou,
            "point_coords": [list(record.point)],
            "stability_score": record.stability_score,
            "crop_box": [float(side) for side in record.crop_box],
        }

    def _segmentation(self, record: MaskRecord) -> np.ndarray | dict[str, Any]:
        if self.output_mode == "coco_rle":
            return dict(record.rle)
        if self.output_mode == "uncompressed_rle":
            return uncompressed_rle(record.rle)
        return record.mask

    @staticmethod
    def postprocess_small_regions(mask_data: MaskData, min_area: int, nms_thresh: float) -> MaskData:
        """Fill holes and remove islands of fewer than `min_area` pixels, then drop masks whose boxes are duplicates.

        mask_data: with the columns `rles` and `boxes` (XYXY) at least; it is changed in place, and given back. Of
        duplicates the masks that were not changed are preferred. `generate` does not call it.
        """
        rles, boxes, scores = [], [], []
        for rle in mask_data["rles"]:
            mask, was_filled = remove_small_regions(rle_to_mask(rle), min_area, "holes")
            mask, was_removed = remove_small_regions(mask, min_area, "islands")
            cleaned = torch.from_numpy(mask)[None]
            is_changed = was_filled or was_removed
            rles.append(mask_to_rle_pytorch(cleaned)[0] if is_changed else rle)
            boxes.append(batched_mask_to_box(cleaned)[0])
            scores.append(0.0 if is_changed else 1.0)
        if not rles:
            return mask_data
        mask_data["rles"] = rles
        for row, score in enumerate(scores):
            if score == 0:
                mask_data["boxes"][row] = boxes[row]
        mask_data.filter(box_nms(torch.stack(boxes), torch.tensor(scores), nms_thresh))
        return mask_data
