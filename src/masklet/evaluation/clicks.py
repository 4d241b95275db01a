"""Simulated clicks of evaluation: where an annotator would point at what is still wrong.

Nothing is random, so that a score can be had twice. The rules are those of SAM's and SAM 2's evaluation: a click falls
on the middle of a region, which is the pixel farthest from the region's border; the first on the object's own
(`innermost_point`). Training draws its clicks differently.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Bool

from masklet.ops.masks import innermost
from masklet.types import PointLabel

Click: TypeAlias = tuple[int, int, int]
"""(x, y) in pixels of the picture, and the label: 1 in the object, 0 outside it."""


def correction_click(predicted: Bool[np.ndarray, "H W"], truth: Bool[np.ndarray, "H W"]) -> Click | None:
    """Where to click next, and what to say there; None where nothing is wrong.

    What is missed and what is too much are two regions. The click falls on the pixel that lies deepest in its region:
    positive if it is missed, negative if it is too much. Beyond the picture's border is outside of both. Where both are
    as deep it is negative, as upstream's; of several pixels as deep the first is taken, row by row. ValueError for
    masks of different sizes.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"masks of shapes {predicted.shape} and {truth.shape} do not cover the same picture")
    missed, too_much = innermost(truth & ~predicted), innermost(predicted & ~truth)
    (depth, (x, y)), label = (
        (missed, PointLabel.POSITIVE) if missed[0] > too_much[0] else (too_much, PointLabel.NEGATIVE)
    )
    return (x, y, int(label)) if depth > 0 else None
