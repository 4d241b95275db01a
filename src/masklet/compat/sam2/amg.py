"""The original's helper functions for automatic masks (`sam2.utils.amg`), over masklet's own operations.

Boxes are XYXY, and right and bottom are the last pixels inside; crop boxes end one pixel behind their last. An RLE here
is COCO's uncompressed one, a dictionary of `size` and `counts`, but `rle_to_mask` and `area_from_rle` take compact
counts too. An RLE whose runs do not fill its mask is a ValueError, as is a grid without points; crops without a pixel,
which the original makes of very narrow images, are left out; and `box_xyxy_to_xywh` takes any number of boxes.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from masklet.compat.sam2.mask_data import MaskData
from masklet.ops.boxes import masks_to_boxes
from masklet.ops.grids import Crop, crop_grid, is_cut_by_crop, layer_sides, point_grid
from masklet.ops.masks import stability_score
from masklet.ops.regions import fill_small_holes, remove_small_islands
from masklet.ops.rle import decode_rle, encode_rle, rle_area, uncompressed_rle

__all__ = [
    "MaskData",
    "area_from_rle",
    "batch_iterator",
    "batched_mask_to_box",
    "box_xyxy_to_xywh",
    "build_all_layer_point_grids",
    "build_point_grid",
    "calculate_stability_score",
    "coco_encode_rle",
    "generate_crop_boxes",
    "is_box_near_crop_edge",
    "mask_to_rle_pytorch",
    "remove_small_regions",
    "rle_to_mask",
    "uncrop_boxes_xyxy",
    "uncrop_masks",
    "uncrop_points",
]

Boxes = TypeVar("Boxes", np.ndarray, Tensor, list)


def batch_iterator(batch_size: int, *args: Any) -> Iterator[list[Any]]:
    """The same part of every argument, `batch_size` entries at a time; the last part may be shorter."""
    assert args, "there is nothing to cut into batches"
    lengths = {len(arg) for arg in args}
    assert len(lengths) == 1, f"what is cut into batches has different lengths: {sorted(lengths)}"
    for start in range(0, len(args[0]), batch_size):
        yield [arg[start : start + batch_size] for arg in args]


def build_point_grid(n_per_side: int) -> np.ndarray:
    """Points (x, y) in [0, 1] in the middles of n x n cells, row by row, as (n * n, 2)."""
    return point_grid(n_per_side)


def build_all_layer_point_grids(n_per_side: int, n_layers: int, scale_per_layer: int) -> list[np.ndarray]:
    """A grid for the whole image and one for each layer of crops, each with `scale_per_layer` times fewer a side."""
    return [point_grid(side) for side in layer_sides(n_per_side, n_layers, scale_per_layer)]


def generate_crop_boxes(
    im_size: Sequence[int], n_layers: int, overlap_ratio: float
) -> tuple[list[list[int]], list[int]]:
    """Boxes XYXY of the whole image and of the crops of each layer, and the layer of each.

    im_size: (height, width). Layer i cuts each side into 2**i parts, which overlap by `overlap_ratio` of the short side
    divided by 2**(i - 1).
    """
    height, width = im_size
    crops = crop_grid((height, width), n_layers, overlap_ratio)
    return [list(crop.box) for crop in crops], [crop.layer for crop in crops]


def is_box_near_crop_edge(
    boxes: Tensor, crop_box: Sequence[int], orig_box: Sequence[int], atol: float = 20.0
) -> Tensor:
    """Whether each box (N, 4) of a crop ends within `atol` pixels of the crop's edge where the image goes on, (N,).

    orig_box: the image's, [0, 0, width, height].
    """
    left, top, right, bottom = crop_box
    crop = Crop((left, top, right, bottom), layer=1)
    return is_cut_by_crop(uncrop_boxes_xyxy(boxes, crop_box), crop, (orig_box[3], orig_box[2]), atol)


def uncrop_boxes_xyxy(boxes: Tensor, crop_box: Sequence[int]) -> Tensor:
    """Boxes (..., 4) of a crop as boxes of the image."""
    return boxes + torch.tensor([*crop_box[:2], *crop_box[:2]], device=boxes.device)


def uncrop_points(points: Tensor, crop_box: Sequence[int]) -> Tensor:
    """Points (..., 2) of a crop as points of the image."""
    return points + torch.tensor(crop_box[:2], device=points.device)


def uncrop_masks(masks: Tensor, crop_box: Sequence[int], orig_h: int, orig_w: int) -> Tensor:
    """Masks (N, h, w) of a crop as masks of the image, (N, orig_h, orig_w), which are False outside the crop."""
    left, top, right, bottom = crop_box
    return F.pad(masks, (left, orig_w - right, top, orig_h - bottom))


def batched_mask_to_box(masks: Tensor) -> Tensor:
    """The box XYXY of each mask (..., H, W), boolean or of zeros and ones, int64; (0, 0, 0, 0) for an empty one."""
    return masks_to_boxes(masks.bool())


def box_xyxy_to_xywh(box_xyxy: Boxes) -> Boxes:
    """A copy of boxes (..., 4), or of one in a list, with `right - left` and `bottom - top` in place of those."""
    if isinstance(box_xyxy, list):
        left, top, right, bottom = box_xyxy
        return [left, top, right - left, bottom - top]
    box_xywh: Any = deepcopy(box_xyxy)
    box_xywh[..., 2:] -= box_xywh[..., :2]
    return box_xywh


def calculate_stability_score(masks: Tensor, mask_threshold: float, threshold_offset: float) -> Tensor:
    """Stability in [0, 1] of mask logits (..., H, W); NaN where the logits lie below both thresholds."""
    return stability_score(masks, threshold_offset, mask_threshold, empty=float("nan"))


def mask_to_rle_pytorch(tensor: Tensor) -> list[dict[str, Any]]:
    """Uncompressed RLEs of boolean masks (N, H, W)."""
    masks = tensor.bool().cpu().numpy()
    return [uncompressed_rle(encode_rle(mask)) for mask in masks]


def rle_to_mask(rle: Mapping[str, Any]) -> np.ndarray:
    """The boolean mask (H, W) of an RLE."""
    return decode_rle(rle)


def area_from_rle(rle: Mapping[str, Any]) -> int:
    """Number of pixels inside."""
    return rle_area(rle)


def coco_encode_rle(uncompressed_rle: Mapping[str, Any]) -> dict[str, Any]:
    """An RLE with COCO's compact counts, as text, which JSON can hold."""
    return dict(encode_rle(decode_rle(uncompressed_rle)))


def remove_small_regions(mask: np.ndarray, area_thresh: float, mode: str) -> tuple[np.ndarray, bool]:
    """A mask (H, W) without its holes, or islands, of less than `area_thresh` pixels; and whether it had any.

    mode: "holes" or "islands". Pixels that touch at a corner belong together. Where every island is small the largest
    stays.
    """
    assert mode in ("holes", "islands"), f"mode is {mode!r}, but it must be 'holes' or 'islands'"
    if mode == "holes":
        filled = fill_small_holes(mask.astype(bool), area_thresh)
        return filled, bool((filled != mask).any())
    kept = remove_small_islands(mask.astype(bool), area_thresh)
    # As in the original, a single island that is small counts as a change, though it stays.
    return kept, bool((kept != mask).any() or 0 < np.count_nonzero(mask) < area_thresh)
