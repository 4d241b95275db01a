"""Colours of cut-outs: times alpha, and beyond their outlines."""

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


def times_alpha(rgb: UInt8[np.ndarray, "H W 3"], alpha: UInt8[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W 4"]:
    """A cut-out of these colours, multiplied by alpha, as all cut-outs are kept."""
    return np.dstack([cv2.multiply(rgb, cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB), scale=1 / 255), alpha])
