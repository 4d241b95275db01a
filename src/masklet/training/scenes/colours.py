"""Colours beyond the outline of what has them."""

import cv2
import numpy as np
from jaxtyping import Bool, UInt8


def spread_colours(rgb: UInt8[np.ndarray, "H W 3"], trusted: Bool[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W 3"]:
    """Each pixel in the colour of the nearest that is trusted, of which there is at least one."""
    outside = (~trusted).astype(np.uint8)
    nearest = np.asarray(
        cv2.distanceTransformWithLabels(outside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)[1], np.int64
    )
    table = np.zeros((int(nearest.max()) + 1, 3), np.uint8)
    table[nearest[trusted]] = rgb[trusted]
    return table[nearest]
