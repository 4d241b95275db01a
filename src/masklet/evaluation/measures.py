"""How alike two masks of a frame are: region similarity J and contour accuracy F (Perazzi et al., DAVIS, CVPR 2016).

Numbers are those of `vos-benchmark` and of DAVIS 2017's evaluation, several times as fast: upstream dilates the whole
picture, here only the part of it that holds both masks.
"""

import math

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from masklet.datasets.rules import BOUNDARY_TOLERANCE

Mask = Bool[np.ndarray, "H W"]


def region_similarity(mask: Mask, truth: Mask, void: Mask | None = None) -> float:
    """J: the IoU, in [0, 1]; 1 where both are empty. void: pixels that do not count.

    ValueError for masks that are not boolean or differ in size.
    """
    mask, truth = _checked(mask, truth, void)
    union = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / union if union else 1.0


def contour_accuracy(
    mask: Mask, truth: Mask, *, tolerance: float = BOUNDARY_TOLERANCE, void: Mask | None = None
) -> float:
    """F, in [0, 1]: the harmonic mean of the shares of either boundary that have the other's nearby.

    tolerance: how far off nearby is, as a share of the picture's diagonal; in pixels it is rounded up. void: pixels
    that do not count. A mask without a boundary (an empty one, or one that is the whole picture) has 1 with its like,
    and 0 with others. ValueError for masks that are not boolean or differ in size.
    """
    mask, truth = _checked(mask, truth, void)
    part = _part_of_both(mask | truth)
    if part is None:
        return 1.0
    found, true = boundary(mask[part]).view(np.uint8), boundary(truth[part]).view(np.uint8)
    num_found, num_true = np.count_nonzero(found), np.count_nonzero(true)
    if num_found == 0 or num_true == 0:
        return float(num_found == num_true)
    nearby = _disk(math.ceil(tolerance * math.hypot(*mask.shape)))
    precision = cv2.countNonZero(cv2.bitwise_and(found, cv2.dilate(true, nearby))) / num_found
    recall = cv2.countNonZero(cv2.bitwise_and(true, cv2.dilate(found, nearby))) / num_true
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def boundary(mask: Mask) -> Mask:
    """Where a mask (H, W) differs from its right, lower or lower right neighbour.

    In the last row the right neighbour alone counts, in the last column the lower one; the corner is never of it. So a
    mask has no boundary along the picture's border.
    """
    edge = np.zeros_like(mask)
    edge[:, :-1] = mask[:, :-1] ^ mask[:, 1:]
    edge[:-1] |= mask[:-1] ^ mask[1:]
    edge[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return edge


def _checked(mask: Mask, truth: Mask, void: Mask | None) -> tuple[Mask, Mask]:
    """Both masks without the void pixels."""
    for given in (mask, truth, void):
        if given is not None and (given.dtype != np.bool_ or given.ndim != 2 or given.shape != truth.shape):
            raise ValueError(f"masks to compare are bool (H, W) of one size: {given.dtype} {given.shape} is not")
    if void is None:
        return mask, truth
    return mask & ~void, truth & ~void


def _part_of_both(union: Mask) -> tuple[slice, slice] | None:
    """Rows and columns with pixels of either mask, and one more around them, so that boundaries stay what they are."""
    rows, columns = np.flatnonzero(union.any(1)), np.flatnonzero(union.any(0))
    if not len(rows):
        return None
    return slice(max(0, rows[0] - 1), rows[-1] + 2), slice(max(0, columns[0] - 1), columns[-1] + 2)


def _disk(radius: int) -> UInt8[np.ndarray, "D D"]:
    """1 where the Euclidean distance from the centre is at most the radius, else 0."""
    offsets = np.arange(-radius, radius + 1)
    return (offsets[:, None] ** 2 + offsets**2 <= radius**2).astype(np.uint8)
