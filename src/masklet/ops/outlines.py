"""Outlines of masks along the edges of pixels.

OpenCV's contours run through the centres of the outermost pixels, so that an object loses half a pixel on each side
and one of a single pixel has no area. These run between the pixels: the area within is the number of pixels.

Pixels that touch by a corner alone are apart (4-connected), and a ring that would meet itself in a corner is cut there
into rings that touch. So each ring is simple, and a component with its holes is a valid polygon.
"""

import numpy as np
from jaxtyping import Bool, Int64

from masklet.ops.rings import cut_at_repeats


def trace_outlines(
    mask: Bool[np.ndarray, "H W"],
) -> tuple[list[Int64[np.ndarray, "_ 2"]], Bool[np.ndarray, "H1 W1"]]:
    """The rings of a mask (H, W), and at which of the corners of pixels (H + 1, W + 1) rings touch.

    A ring is its corners (x, y), each of them a turn by a right angle; the last is joined to the first. Outer rings
    have a positive area by the shoelace formula (on a screen, where y points down, they go clockwise), holes a negative
    one.
    """
    padded = np.pad(mask, 1).view(np.uint8)
    upper_left, upper_right = padded[:-1, :-1], padded[:-1, 1:]
    lower_left, lower_right = padded[1:, :-1], padded[1:, 1:]
    touching = ((upper_left ^ upper_right) & (upper_left ^ lower_left) & (upper_right ^ lower_right)).view(bool)
    turning = (upper_left ^ upper_right ^ lower_left ^ lower_right).view(bool)
    ys, xs = np.nonzero(turning | touching)
    # Where rings touch there are two corners in one place: the first ends the edge that comes from the left.
    again = np.repeat(np.arange(len(ys)), 1 + touching[ys, xs])
    ys, xs = ys[again], xs[again]
    is_second = np.append(False, again[1:] == again[:-1])[: len(again)]
    # In reading order corners are joined in pairs along each row; ordered from top to bottom, along each column.
    down = np.lexsort((is_second == upper_left[ys, xs].astype(bool), ys, xs))
    across = np.empty(len(ys), np.int64)
    across[down[0::2]], across[down[1::2]] = down[1::2], down[0::2]
    has_mask_below = padded[ys[0::2] + 1, xs[0::2] + 1] != 0  # such an edge runs to the right
    starts = np.arange(0, len(ys), 2) + ~has_mask_below
    corners = np.stack([xs, ys], 1).astype(np.int64)
    rings: list[np.ndarray] = []
    for edges in _cycles(across[starts ^ 1] // 2):
        begin = starts[edges]
        ring = corners[np.stack([begin, begin ^ 1], 1).ravel()]
        rings += cut_at_repeats(ring) if touching[ring[:, 1], ring[:, 0]].any() else [ring]
    return rings, touching


def _cycles(following: Int64[np.ndarray, "N"]) -> list[list[int]]:
    """The cycles of a permutation."""
    after = following.tolist()
    seen = [False] * len(after)
    cycles = []
    for first in range(len(after)):
        cycle = []
        here = first
        while not seen[here]:
            seen[here] = True
            cycle.append(here)
            here = after[here]
        if cycle:
            cycles.append(cycle)
    return cycles
