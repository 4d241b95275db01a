"""Cut-outs in the picture: placed, turned out of the plane, bent and waving, through one smooth map.

The map goes from the picture back to the cut-out, is computed on a coarse grid and made fine by interpolation, and
serves colours and masks alike, so that a mask is exactly what is seen. What spins shows other sides of itself: its
outline stays, and its colours go round as on a pillar whose back is the mirrored front.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from masklet.training.scenes.colours import spread_colours, times_alpha

STEP = 8
"""Pixels between points of the coarse grid."""

DISTANCE = 3.0
"""Of the eye from what is turned out of the plane, in halves of its longest side."""

MAX_YAW = 1.1
"""Radians that something is turned out of the plane at most. What turns on, over the edge from which there would be
nothing to see, shows its other side at once, the mirrored one."""

OPAQUE = 128
"""Alpha from which a pixel's colour is known well enough to be spread."""

BEND_WIDTH = 0.5
"""Over how much of a cut-out a joint bends, in halves of its longest side."""


class Pose(NamedTuple):
    """Where a cut-out is: x and y of its centre and its longest side in pixels; angle, yaw and spin in radians."""

    x: float
    y: float
    side: float
    angle: float = 0.0
    yaw: float = 0.0
    spin: float = 0.0


@dataclass(frozen=True)
class Wave:
    """A ripple that runs through a cut-out. Lengths are in halves of its longest side, phase and bend in radians."""

    shift: tuple[float, float]
    frequency: tuple[float, float]
    phase: float


@dataclass(frozen=True)
class Bend:
    """A joint across a cut-out, `at` -1..1 along its height if `upright`, beyond which it is turned by `angle`."""

    at: float
    angle: float
    upright: bool


@dataclass(frozen=True)
class Patch:
    """A piece of a picture, colours times alpha, that goes to (left, top). part: alpha of what is attached to it."""

    rgba: UInt8[np.ndarray, "h w 4"]
    left: int
    top: int
    part: UInt8[np.ndarray, "h w"] | None = None


class Sprite:
    """A cut-out ready to be placed: colours times alpha, and smaller versions made when they are needed.

    form (2, 2): what is done to it before it is posed: mirroring, stretching, shearing.
    part (h, w): alpha of something attached, a part of the whole.
    """

    def __init__(
        self,
        rgba: UInt8[np.ndarray, "h w 4"],
        form: Float[np.ndarray, "2 2"] | None = None,
        part: UInt8[np.ndarray, "h w"] | None = None,
    ) -> None:
        self.form = np.eye(2) if form is None else form
        self._levels = [(rgba, part)]
        self._skins: dict[int, UInt8[np.ndarray, "h w 3"]] = {}

    @property
    def rgba(self) -> UInt8[np.ndarray, "h w 4"]:
        """At full size."""
        return self._levels[0][0]

    @property
    def part(self) -> UInt8[np.ndarray, "h w"] | None:
        """At full size."""
        return self._levels[0][1]

    def level(self, side: float) -> tuple[np.ndarray, np.ndarray | None]:
        """The smallest version that shows all there is to see at a side in pixels, for sampling that is bilinear."""
        number = self._number(side)
        while len(self._levels) <= number:
            rgba, part = self._levels[-1]
            size = (max(1, rgba.shape[1] // 2), max(1, rgba.shape[0] // 2))
            smaller = None if part is None else cv2.resize(part, size, interpolation=cv2.INTER_AREA)
            self._levels.append((cv2.resize(rgba, size, interpolation=cv2.INTER_AREA), smaller))
        return self._levels[number]

    def skin(self, side: float) -> UInt8[np.ndarray, "h w 3"]:
        """The colours of `level(side)`, not times alpha; they go on beyond the outline."""
        number = self._number(side)
        if number not in self._skins:
            rgba, _ = self.level(side)
            alpha = rgba[..., 3:]
            colours = np.minimum(rgba[..., :3] * (255.0 / np.maximum(alpha, 1)) + 0.5, 255.0).astype(np.uint8)
            self._skins[number] = spread_colours(colours, alpha[..., 0] >= min(OPAQUE, int(alpha.max())))
        return self._skins[number]

    def _number(self, side: float) -> int:
        return max(0, int(np.log2(max(self.rgba.shape[:2]) / max(side, 1.0)) + 0.3))


def render(
    sprite: Sprite, pose: Pose, canvas_size: int, waves: Sequence[Wave] = (), bend: Bend | None = None
) -> Patch | None:
    """The sprite as it is seen on a canvas, cut to what shows; None if nothing does."""
    rgba, part = sprite.level(pose.side)
    height, width = rgba.shape[:2]
    extent = np.array([width, height]) / max(width, height)
    box = _bounds(sprite.form, extent, pose, canvas_size, waves, bend)
    if box is None:
        return None
    left, top, right, bottom = box
    columns, rows = (-(-(end - start) // STEP) + 2 for start, end in ((left, right), (top, bottom)))
    # Points lie where resizing by STEP puts its samples, with a row to spare on each side.
    xs = left + STEP * (np.arange(columns) - 1) + (STEP - 1) / 2
    ys = top + STEP * (np.arange(rows) - 1) + (STEP - 1) / 2
    u, v = _to_cutout(*np.meshgrid(xs, ys), sprite.form, pose, waves, bend)
    half = max(width, height) / 2
    middle = (slice(STEP, STEP + bottom - top), slice(STEP, STEP + right - left))
    maps = [
        cv2.resize(
            (share * half + (length - 1) / 2).astype(np.float32), (columns * STEP, rows * STEP),
            interpolation=cv2.INTER_LINEAR,
        )[middle]
        for share, length in ((u, width), (v, height))
    ]  # fmt: skip
    seen = cv2.remap(rgba, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    if pose.spin and part is None:  # what is attached would slide off
        skin, spun = sprite.skin(pose.side), _spun(maps[0], width, pose.spin)
        around = cv2.remap(skin, spun, maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        seen = times_alpha(around, cv2.extractChannel(seen, 3))
    x, y, w, h = cv2.boundingRect(cv2.extractChannel(seen, 3))
    if min(w, h) < 2:
        return None
    shown = (slice(y, y + h), slice(x, x + w))
    attached = None
    if part is not None:
        attached = cv2.remap(part, maps[0][shown], maps[1][shown], cv2.INTER_LINEAR)
    return Patch(np.ascontiguousarray(seen[shown]), left + x, top + y, attached)


def _bounds(
    form: np.ndarray, extent: np.ndarray, pose: Pose, size: int, waves: Sequence[Wave], bend: Bend | None
) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of what a sprite may cover on the canvas; None if that is nothing."""
    margin = sum(float(np.hypot(*wave.shift)) for wave in waves)
    if bend is not None:
        margin += 2.0 * abs(np.sin(bend.angle / 2)) * (1.0 + abs(bend.at))
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (extent + margin) @ form.T
    yaw, side = _facing(pose.yaw)
    corners[:, 0] *= side
    depth = 1.0 + np.maximum(corners[:, 0] * np.sin(yaw) / DISTANCE, -0.7)
    flat = np.stack([corners[:, 0] * np.cos(yaw), corners[:, 1]], 1) / depth[:, None]
    cos, sin = np.cos(pose.angle), np.sin(pose.angle)
    placed = flat @ np.array([[cos, sin], [-sin, cos]]) * (pose.side / 2) + (pose.x, pose.y)
    left, top = np.floor(placed.min(0)).clip(0, size).astype(int)
    right, bottom = np.ceil(placed.max(0) + 1.0).clip(0, size).astype(int)
    if right - left < 2 or bottom - top < 2:
        return None
    return int(left), int(top), int(right), int(bottom)


def _to_cutout(
    x: np.ndarray, y: np.ndarray, form: np.ndarray, pose: Pose, waves: Sequence[Wave], bend: Bend | None
) -> tuple[np.ndarray, np.ndarray]:
    """What lies at canvas points, as points of the cut-out: 0 is its middle, 1 half of its longest side."""
    x, y = (x - pose.x) * (2 / pose.side), (y - pose.y) * (2 / pose.side)
    cos, sin = np.cos(pose.angle), np.sin(pose.angle)
    x, y = cos * x + sin * y, cos * y - sin * x
    if pose.yaw:
        yaw, side = _facing(pose.yaw)
        slope = np.sin(yaw) / DISTANCE
        x = x / np.maximum(np.cos(yaw) - x * slope, 0.05)
        y = y * (1.0 + x * slope)
        x = x * side
    inverse = np.linalg.inv(form)
    x, y = inverse[0, 0] * x + inverse[0, 1] * y, inverse[1, 0] * x + inverse[1, 1] * y
    if bend is not None:
        x, y = _unbend(x, y, bend)
    u, v = x, y
    for wave in waves:
        ripple = np.sin(wave.frequency[0] * x + wave.frequency[1] * y + wave.phase)
        u, v = u + wave.shift[0] * ripple, v + wave.shift[1] * ripple
    return u, v


def _unbend(x: np.ndarray, y: np.ndarray, bend: Bend) -> tuple[np.ndarray, np.ndarray]:
    along = (y if bend.upright else x) - bend.at
    turned = -bend.angle * _smooth(along / BEND_WIDTH)
    cos, sin = np.cos(turned), np.sin(turned)
    if bend.upright:
        return cos * x - sin * along, sin * x + cos * along + bend.at
    return cos * along - sin * y + bend.at, sin * along + cos * y


def _spun(x: Float[np.ndarray, "h w"], width: int, spin: float) -> Float[np.ndarray, "h w"]:
    """Columns of a cut-out whose colours are seen at columns `x` when it has spun around its upright middle."""
    half = width / 2
    sine = ((x - (width - 1) / 2) / half).clip(-1.0, 1.0)
    turned = sine * np.cos(spin) + np.sqrt(1.0 - sine * sine) * np.sin(spin)
    return (turned * half + (width - 1) / 2).astype(np.float32)


def _smooth(share: np.ndarray) -> np.ndarray:
    """From 0 to 1 without a kink where `share` goes from 0 to 1."""
    share = share.clip(0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


def _facing(yaw: float) -> tuple[float, float]:
    """How far a side is turned away, up to `MAX_YAW`, and which: 1 the front, -1 the back."""
    away = float(np.arctan(np.tan(yaw)))
    return max(-MAX_YAW, min(MAX_YAW, away)), 1.0 if np.cos(yaw) >= 0 else -1.0
