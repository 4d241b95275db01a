"""Simulated clicks of evaluation: where an annotator would point first, and where at what is still wrong.

Nothing is random, so that a score can be had twice. The rules are those of SAM's and SAM 2's evaluation: a click falls
on the middle of a region, which is the pixel farthest from the region's border. Training draws its clicks differently.
"""

from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import Bool

from masklet.ops.masks import innermost_point
from masklet.types import PointLabel

Pixel: TypeAlias = tuple[int, int]
"""(x, y), in pixels of the picture."""


def first_click(mask: Bool[np.ndarray, "H W"]) -> Pixel:
    """The pixel of an object that is farthest from everything outside it. ValueError for an empty mask."""
    return innermost_point(mask)


def correction_click(
    predicted: Bool[np.ndarray, "H W"], truth: Bool[np.ndarray, "H W"]
) -> tuple[Pixel, PointLabel] | None:
    """Where to click next, and what to say there; None where nothing is wrong.

    What is missed and what is too much are two regions. The click falls on the pixel that lies deepest in its region:
    positive if it is missed, negative if it is too much. Beyond the picture's border is outside of both. Where both are
    as deep it is negative, as upstream's; of several pixels as deep the first is taken, row by row. ValueError for
    masks of different sizes.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"masks of shapes {predicted.shape} and {truth.shape} do not cover the same picture")
    missed, too_much = _deepest(truth & ~predicted), _deepest(predicted & ~truth)
    depth, pixel, label = max((*too_much, PointLabel.NEGATIVE), (*missed, PointLabel.POSITIVE), key=lambda end: end[0])
    return (pixel, label) if depth > 0 else None


def _deepest(region: Bool[np.ndarray, "H W"]) -> tuple[float, Pixel]:
    """How far a region's middle is from its border, in pixels, and that middle; 0 for an empty region."""
    distance = cv2.distanceTransform(np.pad(region, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    y, x = np.unravel_index(distance.argmax(), distance.shape)
    return float(distance[y, x]), (int(x) - 1, int(y) - 1)
