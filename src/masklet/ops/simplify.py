"""Fewer corners for outlines, such that they neither cross nor touch where they did not before.

Corners are left out by Douglas and Peucker's method. Rings that would then meet are done again with half the
tolerance, and at last kept as they are.
"""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Bool, Int64

from masklet.ops.rings import ring_area

FINEST_TOLERANCE = 0.5
"""Pixels. A staircase of single pixels departs further from a line, so that less of a tolerance leaves out nothing."""

LEAST_AREA = 64
"""Pixels. Smaller outlines are kept as they are: they have few corners, and each of them counts."""

PAIRS_AT_ONCE = 1 << 20

MOST_PAIRS = 1 << 23
"""Pairs of edges that are compared, in about half a second. Noise has more, and is kept as it is."""

STRIP = 16
"""Pixels. Edges are compared with those in the same strips of this width."""


def choose_corners(
    rings: Sequence[Int64[np.ndarray, "_ 2"]], fixed: Sequence[Bool[np.ndarray, "_"]], tolerance: float
) -> list[Int64[np.ndarray, "_"]]:
    """For each ring the indices of the corners to keep: no corner left out is further than `tolerance` pixels away.

    rings: simple, and meeting each other in corners alone. fixed: corners that are kept in any case.
    """
    tolerances = [tolerance if abs(ring_area(ring)) >= LEAST_AREA else 0.0 for ring in rings]
    kept = [_reduce(*given) for given in zip(rings, fixed, tolerances, strict=True)]
    while any(tolerances):
        meeting = _meeting([ring[chosen] for ring, chosen in zip(rings, kept, strict=True)], tolerances)
        if not meeting:
            break
        for index in meeting:
            tolerances[index] = halve(tolerances[index])
            kept[index] = _reduce(rings[index], fixed[index], tolerances[index])
    return kept


def halve(tolerance: float) -> float:
    """The next smaller tolerance to try; 0 when nothing is left to be gained."""
    return tolerance / 2 if tolerance / 2 >= FINEST_TOLERANCE else 0.0


def _reduce(ring: np.ndarray, fixed: np.ndarray, tolerance: float) -> np.ndarray:
    everything = np.arange(len(ring))
    if tolerance == 0:
        return everything
    stops = np.flatnonzero(fixed)
    if len(stops) < 2:
        kept = _approximate(ring, everything, tolerance, closed=True)
    else:
        around = np.append(np.roll(everything, -stops[0]), stops[0])
        bounds = np.append(stops - stops[0], len(ring))
        arcs = [around[begin : end + 1] for begin, end in pairwise(bounds)]
        kept = np.concatenate([_approximate(ring, arc, tolerance, closed=False)[:-1] for arc in arcs])
    # What has collapsed, or been turned inside out, was too thin for the tolerance.
    if len(kept) < 3 or ring_area(ring[kept]) * ring_area(ring) <= 0:
        return everything
    return kept


def _approximate(ring: np.ndarray, arc: np.ndarray, tolerance: float, *, closed: bool) -> np.ndarray:
    """The indices that OpenCV's Douglas-Peucker keeps of those of an arc."""
    if len(arc) < 3:
        return arc
    line = ring[arc].astype(np.int32)
    left = cv2.approxPolyDP(line[:, None], tolerance, closed)[:, 0].astype(np.int64)
    stride = int(line.max()) + 1
    keys, wanted = line.astype(np.int64) @ (stride, 1), left @ np.array([stride, 1])
    order = np.argsort(keys)
    return arc[np.sort(order[np.searchsorted(keys[order], wanted)])]


def _meeting(rings: Sequence[np.ndarray], tolerances: Sequence[float]) -> set[int]:
    """Indices of the simplified rings that cross or touch themselves or others elsewhere than in common corners.

    All the simplified ones where there are too many edges to tell.
    """
    owner = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    begin = np.concatenate(rings)
    end = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    simplified = np.array(tolerances)[owner] > 0
    low, high = np.minimum(begin, end), np.maximum(begin, end)
    edge, num_others = _neighbours(low, high)
    stops = np.cumsum(num_others)
    if stops[-1] > MOST_PAIRS:
        return set(np.flatnonzero(tolerances).tolist())
    found: set[int] = set()
    start = 0
    while start < len(edge):
        done = stops[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(stops, done + PAIRS_AT_ONCE)))
        first = np.repeat(np.arange(start, stop), num_others[start:stop])
        within = np.arange(len(first)) - np.repeat(
            stops[start:stop] - num_others[start:stop] - done, num_others[start:stop]
        )
        first, second = edge[first], edge[first + 1 + within]
        near = (low[first, 0] <= high[second, 0]) & (low[second, 0] <= high[first, 0])
        near &= simplified[first] | simplified[second]
        first, second = first[near], second[near]
        meets = _edges_meet(begin[first], end[first], begin[second], end[second])
        for index in (*first[meets], *second[meets]):
            if simplified[index]:
                found.add(int(owner[index]))
        start = stop
    return found


def _neighbours(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges in an order such that each has to be compared with so many that follow it; those of several strips recur.

    low, high: the corners of the edges' boxes.
    """
    first_strip = low[:, 0] // STRIP
    num_strips = high[:, 0] // STRIP - first_strip + 1
    edge = np.repeat(np.arange(len(low)), num_strips)
    strip = np.arange(len(edge)) - np.repeat(np.cumsum(num_strips) - num_strips - first_strip, num_strips)
    place = strip * (int(high[:, 1].max()) + 1)
    order = np.argsort(place + low[edge, 1], kind="stable")
    edge, place = edge[order], place[order]
    # Within a strip, those that begin below an edge's top, down to its bottom.
    last = np.searchsorted(place + low[edge, 1], place + high[edge, 1], side="right")
    return edge, last - np.arange(len(edge)) - 1


def _edges_meet(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Whether the edges a-b and c-d, whose boxes overlap, have a point in common that is not an end of both.

    Of edges with a common end: whether they run along each other.
    """
    crossing = (_side(a, b, c) * _side(a, b, d) <= 0) & (_side(c, d, a) * _side(c, d, b) <= 0)
    for near, far in ((a, b), (b, a)):
        for other_near, other_far in ((c, d), (d, c)):
            shared = (near == other_near).all(1)
            along = (_side(near, far, other_far) == 0) & (((far - near) * (other_far - other_near)).sum(1) > 0)
            crossing = np.where(shared, along, crossing)
    return crossing


def _side(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """On which side of the line from a to b the corner c lies: -1, 0 or 1."""
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    return np.sign(ux * vy - uy * vx)
