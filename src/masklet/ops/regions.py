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
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    if len(areas) == 0:
        return np.zeros_like(mask), np.zeros_like(mask)
    is_small = np.concatenate([[False], areas < min_area])
    small = np.take(is_small, labels) if is_small.any() else np.zeros_like(mask)
    return small, labels == 1 + int(areas.argmax())
