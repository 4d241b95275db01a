"""The steps of mask generation that `transformers` has as methods of its image processor, for code that calls them.

masklet's own pipeline does not: it never holds all masks at full size (see `predictors.mask_candidates`). The numbers
are the same, but for points, which are scaled in x and y apart, as pictures are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from masklet.ops.boxes import masks_to_boxes
from masklet.ops.coordinates import to_model_pixels
from masklet.ops.grids import Crop, crop_grid, is_cut_by_crop
from masklet.ops.masks import stability_score
from masklet.ops.nms import box_nms
from masklet.ops.rle import RLE, decode_rle, encode_rle, uncompressed_rle
from masklet.predictors.generator_options import GeneratorOptions


@dataclass(frozen=True)
class CropPoints:
    """C crops of a picture: boxes (C, 4) XYXY float32, pictures, and points (1, N, C, 2) in model pixels."""

    boxes: Float[Tensor, "C 4"]
    pictures: list[Shaped[Tensor, "3 h w"]]
    points: Float[Tensor, "1 N C 2"]


def cut_crops(picture: Shaped[Tensor, "3 H W"], target_size: int, options: GeneratorOptions) -> CropPoints:
    """The whole picture and its crops, each with its grid. ValueError where grids differ in size."""
    grids = options.grids()
    if len({len(grid) for grid in grids}) > 1:
        raise ValueError(
            f"crop_n_points_downscale_factor is {options.crop_n_points_downscale_factor}, but the grids of all crops "
            "must have one size to be one tensor: set 1, or take pipeline(), which has no such limit"
        )
    crops = crop_grid((picture.shape[1], picture.shape[2]), options.crop_n_layers, options.crop_overlap_ratio)
    points, pictures = [], []
    for crop in crops:
        left, top, right, bottom = crop.box
        pictures.append(picture[:, top:bottom, left:right])
        coords = torch.from_numpy(grids[crop.layer] * (right - left, bottom - top))
        points.append(to_model_pixels(coords, crop.size, target_size))
    boxes = torch.tensor([crop.box for crop in crops], dtype=torch.float32)
    return CropPoints(boxes, pictures, torch.stack(points, dim=1)[None])


def filter_crop_masks(
    logits: Float[Tensor, "K h w"],
    scores: Float[Tensor, "K"],
    crop: Crop,
    image_size: tuple[int, int],
    options: GeneratorOptions,
) -> tuple[list[dict[str, Any]], Float[Tensor, "N"], Int64[Tensor, "N 4"]]:
    """Of the masks of a crop those that exceed both thresholds and are not cut off: run lengths, scores and boxes."""
    least_iou, least_stability = options.pred_iou_thresh or 0.0, options.stability_score_thresh or 0.0
    kept = scores > least_iou if least_iou > 0 else torch.ones_like(scores, dtype=torch.bool)
    if least_stability > 0:
        kept &= stability_score(logits, options.stability_score_offset, options.mask_threshold) > least_stability
    masks, scores = logits[kept] > options.mask_threshold, scores[kept]
    left, top, right, bottom = crop.box
    boxes = masks_to_boxes(masks) + torch.tensor((left, top, left, top), device=masks.device)
    whole = ~is_cut_by_crop(boxes, crop, image_size)
    height, width = image_size
    full = F.pad(masks[whole], (left, width - right, top, height - bottom))
    return [uncompressed_rle(encode_rle(mask)) for mask in full.cpu().numpy()], scores[whole], boxes[whole]


def suppress_masks(
    rles: Sequence[dict[str, Any]], scores: Float[Tensor, "K"], boxes: Shaped[Tensor, "K 4"], threshold: float
) -> tuple[list[Bool[Tensor, "H W"]], Float[Tensor, "N"], list[dict[str, Any]], Shaped[Tensor, "N 4"]]:
    """Of masks whose boxes overlap much the best alone: masks, scores, run lengths and boxes, best first."""
    kept = box_nms(boxes, scores, threshold)
    best = [rles[index] for index in kept.tolist()]
    return [as_mask(rle) for rle in best], scores[kept], best, boxes[kept]


def as_mask(rle: RLE | Mapping[str, Any]) -> Bool[Tensor, "H W"]:
    """The mask of an RLE."""
    return torch.from_numpy(np.ascontiguousarray(decode_rle(rle)))
