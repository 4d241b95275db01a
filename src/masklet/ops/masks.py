"""Masks: cleaning and resizing logits, turning masks to logits, and measuring.

Logits are real numbers, inside where they exceed a threshold. Where upstream cleans masks with a CUDA extension, and
skips the step without it, the components are found by OpenCV here, on every device, with the same result.
"""

from typing import TypeVar

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from masklet.ops.regions import find_components

CLEANED_MARGIN = 10.0
"""How far beyond the threshold cleaned pixels are put, as upstream does for single images (video uses 0.1)."""

FILLED_HOLE_LOGIT = 0.1
"""What the pixels of a filled hole get on a video's frame (released video predictors)."""

OVERLAP_LOGIT = -10.0
"""Where objects may not overlap, the logits of all but the strongest are at most this (released video predictors)."""

MASK_LOGIT = 10.0
"""Logit of full coverage where a mask is turned to logits; none is its negative. Source: upstream's mask prompts."""

ArrayOrTensor = TypeVar("ArrayOrTensor", np.ndarray, Tensor)


def check_areas(**areas: int | float | None) -> None:
    """ValueError naming the first area of holes or specks to clean that is negative or NaN; None is any."""
    for name, area in areas.items():
        if area is not None and not area >= 0:
            raise ValueError(f"{name} is {area}, but an area cannot be negative")


def clean_logits(
    logits: Float[Tensor, "*batch H W"],
    max_hole_area: int | float,
    max_sprinkle_area: int | float,
    threshold: int | float = 0.0,
    *,
    keep_largest: bool = False,
) -> Float[Tensor, "*batch H W"]:
    """Fill small holes, and remove small sprinkles: background and foreground components of at most so many pixels.

    Components are 8-connected and counted in pixels of `logits`; also background that touches the border is a hole. An
    area of 0 leaves them. What a sprinkle is, is judged on the logits as they came: a speck stays one, though the gap
    that keeps it apart was filled as a hole. keep_largest: where a mask is sprinkles alone, the largest stays, so that
    no mask becomes empty. The input is left as it is.
    """
    cleaned = logits
    if max_hole_area > 0:
        holes = _small_components(logits <= threshold, max_hole_area)
        cleaned = cleaned.masked_fill(holes, threshold + CLEANED_MARGIN)
    if max_sprinkle_area > 0:
        sprinkles = _small_components(logits > threshold, max_sprinkle_area, keep_largest)
        cleaned = cleaned.masked_fill(sprinkles, threshold - CLEANED_MARGIN)
    return cleaned


def fill_holes(logits: Float[Tensor, "*batch H W"], max_area: int | float) -> Float[Tensor, "*batch H W"]:
    """Fill background components of at most `max_area` pixels, as on a video's frames; see `clean_logits`."""
    if max_area <= 0:
        return logits
    return logits.masked_fill(_small_components(logits <= 0, max_area), FILLED_HOLE_LOGIT)


def suppress_overlaps(logits: Float[Tensor, "O H W"]) -> Float[Tensor, "O H W"]:
    """Logits of O objects such that a pixel is inside one of them at most: the one whose logit is highest there."""
    if len(logits) < 2:
        return logits
    strongest = logits.argmax(0, keepdim=True)
    objects = torch.arange(len(logits), device=logits.device)[:, None, None]
    return torch.where(objects == strongest, logits, logits.clamp(max=OVERLAP_LOGIT))


def _small_components(
    masks: Bool[Tensor, "*batch H W"], max_area: int | float, keep_largest: bool = False
) -> Bool[Tensor, "*batch H W"]:
    """Where the 8-connected components of at most `max_area` pixels are, the largest of a mask left out on request."""
    if masks.numel() == 0:
        return torch.zeros_like(masks)
    planes = masks.detach().flatten(0, -3).cpu().numpy() if masks.ndim > 2 else masks.detach().cpu().numpy()[None]
    small = np.zeros(planes.shape, dtype=bool)
    for index, plane in enumerate(planes):
        labels, areas = find_components(plane)
        is_small = (areas > 0) & (areas <= max_area)
        if keep_largest:
            is_small[areas.argmax()] = False
        if is_small.any():
            small[index] = is_small[labels]
    return torch.from_numpy(small).view(masks.shape).to(masks.device)


def resize_logits(logits: Float[Tensor, "B M h w"], size: tuple[int, int]) -> Float[Tensor, "B M H W"]:
    """Mask logits at another size (height, width): bilinear, pixel centres kept in place (align_corners False)."""
    return F.interpolate(logits, size, mode="bilinear", align_corners=False)


def mask_to_logits(mask: Shaped[Tensor, "*batch H W"], side: int) -> Float[Tensor, "*batch side side"]:
    """Logits of a binary mask (inside is 1) of any size on the square of side `side`, float32 in [-10, 10].

    A logit is `20 * coverage - 10`, the coverage being the mask resampled (bilinear, antialiased) to the square,
    which has the image's extent whatever its aspect.
    """
    if mask.shape[-1] == 0 or mask.shape[-2] == 0:
        raise ValueError(f"a mask of shape {tuple(mask.shape)} has no pixels")
    planes = mask.to(torch.float32).reshape(-1, 1, *mask.shape[-2:])
    if planes.shape[0]:
        planes = F.interpolate(planes, (side, side), mode="bilinear", align_corners=False, antialias=True)
    return (planes * (2 * MASK_LOGIT) - MASK_LOGIT).reshape(*mask.shape[:-2], side, side)


def stability_score(
    logits: Float[Tensor, "*batch H W"],
    threshold_offset: int | float,
    mask_threshold: int | float = 0.0,
    empty: int | float = 0.0,
) -> Float[Tensor, "*batch"]:
    """IoU in [0, 1] of the mask cut `threshold_offset` above and below the threshold, float32.

    1 means that the mask hardly depends on the threshold. `empty` is the answer where both cuts are empty (upstream's
    automatic masks have NaN there, its choice among multimasks 1).
    """
    inner = (logits > mask_threshold + threshold_offset).sum((-2, -1)).to(torch.float32)
    outer = (logits > mask_threshold - threshold_offset).sum((-2, -1)).to(torch.float32)
    return torch.where(outer > 0, inner / outer.clamp(min=1), empty)


def mask_iou(a: ArrayOrTensor, b: ArrayOrTensor) -> ArrayOrTensor:
    """IoU of boolean masks (..., H, W) in [0, 1]; leading axes broadcast. Two empty masks agree: 1.

    NumPy arrays and tensors alike; float32. ValueError where dtype or size differ.
    """
    if a.shape[-2:] != b.shape[-2:] or a.ndim < 2 or b.ndim < 2:
        raise ValueError(f"masks of shapes {tuple(a.shape)} and {tuple(b.shape)} do not cover the same picture")
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        _require_boolean(a.dtype, b.dtype, torch.bool)
        intersection, union = (a & b).sum((-2, -1)), (a | b).sum((-2, -1))
        return torch.where(union > 0, intersection / union.clamp(min=1), 1.0)
    _require_boolean(a.dtype, b.dtype, np.dtype(bool))
    intersection, union = np.sum(a & b, (-2, -1)), np.sum(a | b, (-2, -1))
    return np.asarray(np.where(union > 0, intersection / np.maximum(union, 1), 1.0), dtype=np.float32)


def _require_boolean(first: object, second: object, boolean: object) -> None:
    if first != boolean or second != boolean:
        raise ValueError(f"masks must be boolean, not {first} and {second}: compare logits with a threshold first")


def innermost_point(mask: Shaped[np.ndarray, "H W"]) -> tuple[int, int]:
    """The pixel (x, y) farthest from everything outside, as `innermost` has it. ValueError for an empty mask."""
    depth, point = innermost(mask)
    if depth == 0:
        raise ValueError("an empty mask has no innermost point")
    return point


def innermost(mask: Shaped[np.ndarray, "H W"]) -> tuple[float, tuple[int, int]]:
    """The distance from everything outside, in pixels, and the pixel (x, y) where it is greatest.

    Beyond the image's border is outside too. Distances are Euclidean; the first such pixel, row by row, is taken. An
    empty mask has the distance 0, and its pixel means nothing.

    With one thread OpenCV's distances differ in their last bits from call to call (opencv/opencv#24082), and so would
    the choice among points equally far inside. Squares of distances are whole numbers, which are compared instead.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0.0, (0, 0)
    top, left = int(rows[0]), int(columns[0])
    # What lies around the object is outside as well, and need not be searched.
    inside = np.pad(mask[top : rows[-1] + 1, left : columns[-1] + 1] != 0, 1).astype(np.uint8)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    squares = np.rint(distance * distance)
    y, x = np.unravel_index(squares.argmax(), squares.shape)
    return float(np.sqrt(squares[y, x])), (left + int(x) - 1, top + int(y) - 1)
