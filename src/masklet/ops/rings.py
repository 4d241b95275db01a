"""Rings: closed lines of corners (N, 2), x and y, the last corner being joined to the first."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Shaped

MOST_DISTANCES = 1 << 22
"""Rings times corners, up to which each ring is joined where it is nearest, in about half a second."""


def ring_area(ring: Shaped[np.ndarray, "N 2"]) -> float:
    """The signed area by the shoelace formula: positive where x, then y (down) is the sense of going round."""
    x, y = ring[:, 0], ring[:, 1]
    around = np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1]) + x[-1] * y[0] - x[0] * y[-1]
    return float(around) / 2


def fill_rings(rings: Sequence[Shaped[np.ndarray, "_ 2"]], size: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """The pixels whose centres lie inside an odd number of rings. size: (height, width).

    Pixel (0, 0) reaches from 0 to 1, its centre is at 0.5. A centre on a line belongs to the right and lower side, so
    that neighbours share no pixel and leave none out.
    """
    height, width = size
    begin = np.concatenate([np.zeros((0, 2)), *rings])
    end = np.concatenate([np.zeros((0, 2)), *(np.roll(ring, -1, axis=0) for ring in rings)])
    upper = np.where(begin[:, 1:] <= end[:, 1:], begin, end)
    lower = np.where(begin[:, 1:] <= end[:, 1:], end, begin)
    first = np.clip(np.ceil(upper[:, 1] - 0.5), 0, height).astype(np.int64)
    num_rows = np.clip(np.ceil(lower[:, 1] - 0.5), 0, height).astype(np.int64) - first
    crossed = np.repeat(np.arange(len(begin)), num_rows)
    row = np.arange(len(crossed)) - np.repeat(np.cumsum(num_rows) - num_rows, num_rows) + first[crossed]
    (x, y), (across, down) = upper[crossed].T, (lower - upper)[crossed].T
    column = np.ceil(x + (row + 0.5 - y) / down * across - 0.5)
    # In reading order, with one place more in a row, each second crossing ends what the one before it began.
    crossings = np.sort(row * (width + 1) + np.clip(column, 0, width).astype(np.int64))
    runs = np.diff(crossings, prepend=0, append=height * (width + 1))
    inside = np.arange(len(runs)) % 2 == 1
    return np.ascontiguousarray(np.repeat(inside, runs).reshape(height, width + 1)[:, :width])


def cut_at_repeats(ring: Shaped[np.ndarray, "N 2"]) -> list[np.ndarray]:
    """Cut a ring wherever it comes back to a corner, into rings that do so nowhere: they have its area together.

    A line that is gone along there and back becomes a ring of two corners, or of one.
    """
    corners = list(map(tuple, ring.tolist()))
    if len(set(corners)) == len(corners):
        return [ring]
    rings: list[np.ndarray] = []
    path: list[int] = []
    place: dict[tuple[float, ...], int] = {}
    for index, corner in enumerate(corners):
        if corner in place:
            loop = path[place[corner] :]
            rings.append(ring[loop])
            for passed in loop:
                del place[corners[passed]]
            del path[len(path) - len(loop) :]
        place[corner] = len(path)
        path.append(index)
    return [*rings, ring[path]]


def join_rings(rings: Sequence[Shaped[np.ndarray, "_ 2"]]) -> Shaped[np.ndarray, "M 2"]:
    """One ring of several, each joined by a short bridge of no width to those joined before it.

    What an even number of rings surround is outside, as before, if it is filled by the even-odd rule, and also by the
    nonzero rule if holes go round the other way. `cut_at_repeats` undoes it.
    """
    if len(rings) * sum(map(len, rings)) > MOST_DISTANCES:
        return _chain(_in_strips(rings))
    joined = rings[0]
    for ring in rings[1:]:
        here, there = _nearest(joined, ring)
        around = np.concatenate([ring[there:], ring[: there + 1]])
        joined = np.concatenate([joined[: here + 1], around, joined[here:]])
    return joined


def _in_strips(rings: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Rings in an order in which each is near the one before: to and fro along strips, about as many as have rings."""
    firsts = np.array([ring[0] for ring in rings])
    extent = np.ptp(firsts, axis=0)
    width = max(np.sqrt(extent.prod() / len(rings)), 1.0)
    strip = (firsts[:, 1] - firsts[:, 1].min()) // width
    along = np.where(strip % 2 == 0, firsts[:, 0], -firsts[:, 0])
    return [rings[index] for index in np.lexsort((along, strip))]


def _chain(rings: Sequence[np.ndarray]) -> np.ndarray:
    """One ring, in which each is joined to the one before it alone: in time that grows with the corners, not faster."""
    forth, back = [], []  # the way to the last ring, and from there
    enter = 0
    for ring, following in pairwise(rings):
        leave, there = _nearest(ring, following)
        around = np.concatenate([ring[enter:], ring[: enter + 1]])
        place = (leave - enter) % len(ring)
        forth.append(around[: place + 1])
        back.append(around[place:])
        enter = there
    last = rings[-1]
    # Without the end, which is the corner it began with.
    return np.concatenate([*forth, last[enter:], last[: enter + 1], *reversed(back)])[:-1]


def _nearest(joined: np.ndarray, ring: np.ndarray) -> tuple[int, int]:
    """The indices of a corner of each that are near each other: nearest to the ring's middle, and from there on."""
    here = _index_nearest(joined, ring.mean(0))
    there = _index_nearest(ring, joined[here])
    return _index_nearest(joined, ring[there]), there


def _index_nearest(ring: np.ndarray, corner: np.ndarray) -> int:
    return int(((ring - corner) ** 2).sum(1).argmin())
