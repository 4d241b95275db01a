"""Prompts drawn on a picture: boxes as rounded lines, clicks as discs with a plus or a minus."""

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from masklet.io.colours import WHITE, Colour
from masklet.io.strokes import Pen, stroke
from masklet.types import PointLabel, Prompt

POSITIVE_COLOUR: Colour = (0, 184, 92)
NEGATIVE_COLOUR: Colour = (235, 40, 55)
_SUBPIXEL_BITS = 4
"""OpenCV draws at sixteenths of a pixel."""


def draw_prompt(canvas: np.ndarray, prompt: Prompt, colours: Sequence[Colour], pen: Pen) -> None:
    """Draw the boxes and points of one prompt or several, in place; their masks are not drawn.

    colours: those of the objects; boxes have them where there is one an object. Points without labels are positive.
    ValueError for a number of labels other than that of the points.
    """
    if prompt.boxes is not None:
        corners = np.asarray(prompt.boxes, dtype=np.float64).reshape(-1, 4)
        suited = colours if len(colours) == len(corners) else [WHITE] * len(corners)
        for box, colour in zip(corners, suited, strict=True):
            _draw_box(canvas, box, colour, pen)
    coords = _flat(prompt.points).astype(np.float64).reshape(-1, 2)
    kinds = np.ones(len(coords), int) if prompt.labels is None else _flat(prompt.labels)
    if len(kinds) != len(coords):
        raise ValueError(f"there are {len(coords)} points and {len(kinds)} labels")
    for point, kind in zip(coords, kinds, strict=True):
        if kind in (PointLabel.POSITIVE, PointLabel.NEGATIVE):
            _draw_click(canvas, point, bool(kind == PointLabel.POSITIVE), pen)


def _flat(values: Any) -> np.ndarray:
    """All numbers of an array, or of a list of arrays of any lengths, one after another."""
    parts = [] if values is None else [np.ravel(part) for part in values]
    return np.concatenate(parts) if parts else np.empty(0)


def _draw_box(canvas: np.ndarray, box: np.ndarray, colour: Colour, pen: Pen) -> None:
    """A thin line with round corners, from the distance to a rounded rectangle, in the four bands that it crosses."""
    height, width = canvas.shape[:2]
    (left, right), (top, bottom) = sorted(box[[0, 2]]), sorted(box[[1, 3]])
    radius = min(4 * pen.line, (right - left) / 4, (bottom - top) / 4)
    reach = pen.line + pen.halo + 1
    band = math.ceil(reach + radius)
    x0, x1 = (int(np.clip(x, 0, width)) for x in (left - reach, right + reach + 2))
    y0, y1 = (int(np.clip(y, 0, height)) for y in (top - reach, bottom + reach + 2))
    above, below = min(y0 + 2 * band, y1), max(y1 - 2 * band, min(y0 + 2 * band, y1))
    before, after = min(x0 + 2 * band, x1), max(x1 - 2 * band, min(x0 + 2 * band, x1))
    under = (60, 60, 60) if colour == WHITE else WHITE
    for rows, columns in (
        (slice(y0, above), slice(x0, x1)),
        (slice(below, y1), slice(x0, x1)),
        (slice(above, below), slice(x0, before)),
        (slice(above, below), slice(after, x1)),
    ):
        y, x = np.mgrid[rows, columns].astype(np.float32)
        outward_x = np.abs(x - (left + right) / 2) - (right - left) / 2 + radius
        outward_y = np.abs(y - (top + bottom) / 2) - (bottom - top) / 2 + radius
        distance = np.hypot(np.maximum(outward_x, 0), np.maximum(outward_y, 0))
        distance += np.minimum(np.maximum(outward_x, outward_y), 0) - radius
        pixels = canvas[rows, columns].astype(np.float32)
        stroke(pixels, distance, colour, under, pen)
        canvas[rows, columns] = np.rint(pixels).astype(np.uint8)


def _draw_click(canvas: np.ndarray, point: np.ndarray, positive: bool, pen: Pen) -> None:
    """A white-rimmed disc, green with a plus or red with a minus: the sign helps those who see no such colours."""
    radius = pen.marker
    colour = POSITIVE_COLOUR if positive else NEGATIVE_COLOUR
    _draw_disc(canvas, point, radius * 1.1, (30, 30, 30))
    _draw_disc(canvas, point, radius, WHITE)
    _draw_disc(canvas, point, radius * 0.78, colour)
    arm, half = radius * 0.45, max(0.5, radius * 0.11)
    bars = [(arm, half), (half, arm)] if positive else [(arm, half)]
    for x, y in bars:
        corners = point + np.array([[-x, -y], [x, -y], [x, y], [-x, y]])
        cv2.fillPoly(canvas, [_subpixel(corners)], WHITE, cv2.LINE_AA, _SUBPIXEL_BITS)


def _draw_disc(canvas: np.ndarray, centre: np.ndarray, radius: float, colour: Colour) -> None:
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    circle = centre + radius * np.stack([np.cos(angle), np.sin(angle)], -1)
    cv2.fillPoly(canvas, [_subpixel(circle)], colour, cv2.LINE_AA, _SUBPIXEL_BITS)


def _subpixel(coords: np.ndarray) -> np.ndarray:
    """Coordinates as OpenCV's fixed-point numbers. Far outside, they are brought near: it counts in 32 bits."""
    return np.rint(np.clip(coords, -1e6, 1e6) * 2**_SUBPIXEL_BITS).astype(np.int32)
