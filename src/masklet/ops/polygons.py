"""Masks as polygons with holes, and back.

Polygons run along the edges of pixels: pixel (0, 0) reaches from (0, 0) to (1, 1), so that a polygon's area is the
number of pixels in it. A pixel is inside where its centre is. So nothing is lost on the way there and back, but for
what a tolerance leaves out. This differs from OpenCV's contours, which run through the centres of pixels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Shaped

from masklet.ops.outlines import trace_outlines
from masklet.ops.rings import fill_rings, ring_area
from masklet.ops.simplify import choose_corners, halve

TOLERANCE = 1.5
"""Pixels by which an outline may be moved, unless asked otherwise: staircases become lines, whatever their slope."""

LEAST_IOU = 0.985
"""Where a tolerance would make a mask less like itself than this, a smaller one is taken."""

MOST_CORNERS = 1 << 16
"""Masks with more corners are noise, of which hardly any could be spared: their outlines are kept as they are."""


@dataclass(frozen=True)
class Polygon:
    """An outline and its holes: corners (N, 2), x and y in pixels; the last is joined to the first, not repeated.

    Polygons of masks have the order that RFC 7946 wants: the signed area (`ring_area`) of an outline is positive, that
    of a hole negative. ValueError for rings of fewer than three corners and for numbers that are not finite.
    """

    outer: Shaped[np.ndarray, "_ 2"]
    holes: tuple[Shaped[np.ndarray, "_ 2"], ...] = ()

    def __post_init__(self) -> None:
        for ring in self.rings:
            if ring.ndim != 2 or ring.shape[1] != 2 or len(ring) < 3:
                raise ValueError(f"a ring has at least three corners of x and y, not the shape {ring.shape}")
            if not np.isfinite(ring).all():
                raise ValueError("a ring's corners are finite numbers")

    @property
    def rings(self) -> tuple[np.ndarray, ...]:
        """The outline, then the holes."""
        return (self.outer, *self.holes)

    @property
    def area(self) -> float:
        """Square pixels within the outline and not in a hole."""
        return abs(ring_area(self.outer)) - sum(abs(ring_area(hole)) for hole in self.holes)


def mask_to_polygons(
    mask: Bool[np.ndarray, "H W"], *, tolerance: int | float = TOLERANCE, inset: int | float = 0.0
) -> list[Polygon]:
    """The polygons of a mask, one for each part of it; none for an empty mask. Pixels that touch by a corner are parts.

    tolerance: how many pixels an outline may be moved to save corners; less where the mask would suffer (IoU below
    LEAST_IOU) or outlines would meet, and none where there are over MOST_CORNERS. 0: exactly. inset: how many pixels,
    below a half, all outlines are moved into the mask, for tools that fill each pixel a line goes through. The polygons
    do not cross or overlap; holes are kept.
    """
    if not tolerance >= 0 or not 0 <= inset < 0.5:
        raise ValueError(f"a tolerance is at least 0 pixels and an inset in [0, 0.5), not {tolerance} and {inset}")
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return []
    crop = np.ascontiguousarray(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    outlines, touching = trace_outlines(crop)
    kept = _choose(outlines, touching, crop, float(tolerance))
    origin = np.array([columns[0], rows[0]])
    rings = [
        (outline + inset * _inward(outline))[chosen] + origin for outline, chosen in zip(outlines, kept, strict=True)
    ]
    return [
        Polygon(rings[outer], tuple(rings[hole] for hole in holes)) for outer, holes in _group(outlines, crop).items()
    ]


def polygons_to_mask(polygons: Iterable[Polygon], size: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """The pixels whose centres are in any of the polygons. size: (height, width). What lies outside is left out."""
    mask = np.zeros(size, bool)
    for polygon in polygons:
        ends = np.array([polygon.outer.min(0), polygon.outer.max(0)])
        (left, top), (right, bottom) = np.clip([np.floor(ends[0]), np.ceil(ends[1])], 0, size[::-1]).astype(int)
        if left < right and top < bottom:
            rings = [ring - (left, top) for ring in polygon.rings]
            mask[top:bottom, left:right] |= fill_rings(rings, (int(bottom - top), int(right - left)))
    return mask


def _choose(
    outlines: Sequence[np.ndarray], touching: np.ndarray, crop: np.ndarray, tolerance: float
) -> list[np.ndarray]:
    """The indices of each outline's corners to keep."""
    everything = [np.arange(len(outline)) for outline in outlines]
    if tolerance == 0 or sum(map(len, outlines)) > MOST_CORNERS:
        return everything
    fixed = []
    for outline in outlines:
        # With the corners beside it, so that rings leave the place where they touch as they did.
        meets = touching[outline[:, 1], outline[:, 0]]
        fixed.append(meets | np.roll(meets, 1) | np.roll(meets, -1))
    area = np.count_nonzero(crop)
    while tolerance > 0:
        kept = choose_corners(outlines, fixed, tolerance)
        filled = fill_rings([outline[chosen] for outline, chosen in zip(outlines, kept, strict=True)], crop.shape)
        common = np.count_nonzero(filled & crop)
        if common >= LEAST_IOU * (area + np.count_nonzero(filled) - common):
            return kept
        tolerance = halve(tolerance)
    return everything


def _inward(outline: np.ndarray) -> Shaped[np.ndarray, "N 2"]:
    """For each corner of a traced outline, the step in x and y, 1 or -1 each, that leads into the mask."""
    ahead = np.sign(np.roll(outline, -1, axis=0) - outline)
    normals = np.stack([-ahead[:, 1], ahead[:, 0]], 1)
    return normals + np.roll(normals, 1, axis=0)


def _group(outlines: Sequence[np.ndarray], crop: np.ndarray) -> dict[int, list[int]]:
    """The indices of the holes by that of the outline they are in."""
    is_outer = [ring_area(outline) > 0 for outline in outlines]
    groups: dict[int, list[int]] = {index: [] for index, outer in enumerate(is_outer) if outer}
    if len(groups) == 1:
        groups[next(iter(groups))] = [index for index, outer in enumerate(is_outer) if not outer]
    elif len(groups) < len(outlines):
        _, components = cv2.connectedComponents(crop.view(np.uint8), connectivity=4)
        outer_of = {_component(outlines[index], components): index for index in groups}
        for index, outer in enumerate(is_outer):
            if not outer:
                groups[outer_of[_component(outlines[index], components)]].append(index)
    return groups


def _component(outline: np.ndarray, components: np.ndarray) -> int:
    """The component of the pixel beside the first corner's edge along a row."""
    begin, end = outline[:2] if outline[0, 1] == outline[1, 1] else outline[1:3]
    column = min(begin[0], end[0])
    return int(components[begin[1] if begin[0] < end[0] else begin[1] - 1, column])
