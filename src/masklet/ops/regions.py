"""Components of masks, and small holes and islands among them. They are 8-connected; areas are in pixels."""

import cv2
import numpy as np
from jaxtyping import Bool, Int32


def fill_small_holes(mask: Bool[np.ndarray, "H W"], min_area: int | float) -> Bool[np.ndarray, "H W"]:
    """The mask with holes of fewer than `min_area` pixels filled; also background at the border is a hole."""
    labels, areas = find_components(~mask)
    return mask | ((areas > 0) & (areas < min_area))[labels]


def remove_small_islands(mask: Bool[np.ndarray, "H W"], min_area: int | float) -> Bool[np.ndarray, "H W"]:
    """The mask without islands of fewer than `min_area` pixels, but where all are so small, for the largest."""
    labels, areas = find_components(mask)
    kept = (areas > 0) & (areas >= min_area)
    return kept[labels] if kept.any() else mask & (labels == int(areas.argmax()))


def find_components(mask: Bool[np.ndarray, "H W"]) -> tuple[Int32[np.ndarray, "H W"], Int32[np.ndarray, "N"]]:
    """The number of each pixel's component, 0 outside the mask, and the area of each number, which of 0 is 0."""
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    labels = np.asarray(numbers, dtype=np.int32)  # as they are; OpenCV's types leave it open
    areas = np.asarray(stats[:, cv2.CC_STAT_AREA], dtype=np.int32)
    areas[0] = 0
    return labels, areas
