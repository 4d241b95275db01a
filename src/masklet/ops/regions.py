"""Small holes and islands of masks at full size. Components are 8-connected; areas are in pixels of the mask."""

import cv2
import numpy as np
from jaxtyping import Bool


def fill_small_holes(mask: Bool[np.ndarray, "H W"], min_area: int | float) -> Bool[np.ndarray, "H W"]:
    """The mask with holes of fewer than `min_area` pixels filled; also background at the border is a hole."""
    small, _ = _components(~mask, min_area)
    return mask | small


def remove_small_islands(mask: Bool[np.ndarray, "H W"], min_area: int | float) -> Bool[np.ndarray, "H W"]:
    """The mask without islands of fewer than `min_area` pixels, but where all are so small, for the largest."""
    small, largest = _components(mask, min_area)
    kept = mask & ~small
    return kept if kept.any() else largest


def _components(mask: np.ndarray, min_area: int | float) -> tuple[np.ndarray, np.ndarray]:
    """Where components smaller than `min_area` are, and where the largest (the first of equals) is."""
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    labels = np.asarray(numbers, dtype=np.int32)  # as they are; OpenCV's types leave it open
    areas = stats[:, cv2.CC_STAT_AREA]
    areas[0] = 0  # label 0 is what lies outside all components
    is_small = areas < min_area
    is_small[0] = False
    return is_small[labels], mask & (labels == int(areas.argmax()))
