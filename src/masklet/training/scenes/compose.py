"""Pasting: what is seen of a cut-out is blended into a scene, and its mask is where its alpha is above one half."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from masklet.training.scenes.warp import Patch

HARMONY_LIMITS = (0.4, 2.5)
"""By how much a cut-out is darkened or brightened at most to fit its surroundings."""


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """A soft shadow: strength 0..1, where it falls in pixels (x, y), and over how many pixels its rim is soft."""

    strength: float
    offset: tuple[int, int]
    softness: int


@dataclass(frozen=True, kw_only=True)
class Look:
    """Colour and edge of a pasted cut-out. gains multiply RGB; harmony 0..1 pulls them to what is around it.

    blur: sigma in pixels.
    """

    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    harmony: float = 0.0
    blur: float = 0.0
    shadow: Shadow | None = None


@dataclass
class Canvas:
    """A scene in the making.

    layers: 0 the backdrop, n the n-th object. attached: where what is seen of an object is the part attached to it.
    """

    rgb: UInt8[np.ndarray, "H W 3"]
    layers: UInt8[np.ndarray, "H W"] = field(init=False)
    attached: Bool[np.ndarray, "H W"] = field(init=False)

    def __post_init__(self) -> None:
        self.layers = np.zeros(self.rgb.shape[:2], np.uint8)
        self.attached = np.zeros(self.rgb.shape[:2], bool)


def random_look(rng: np.random.Generator, blur: float) -> Look:
    """How a cut-out may be pasted. blur: a sigma that is added where its edge is soft."""
    draws = rng.random(4)
    gain = float(np.exp(rng.normal(0.0, 0.2)))
    red, green, blue = gain * np.exp(rng.normal(0.0, 0.08, 3))
    reach = int(rng.integers(2, 14))
    shadow = Shadow(
        strength=float(rng.uniform(0.15, 0.6)),
        offset=(int(rng.integers(-reach, reach + 1)), int(rng.integers(0, reach + 1))),
        softness=int(rng.integers(3, 15)) * 2 + 1,
    )
    return Look(
        gains=(float(red), float(green), float(blue)),
        harmony=float(rng.uniform(0.2, 0.8)) if draws[0] < 0.5 else 0.0,
        blur=0.4 + blur if draws[1] < 0.7 else 0.0,
        shadow=shadow if draws[2] < 0.45 else None,
    )


def toned(rgba: UInt8[np.ndarray, "h w 4"], look: Look, around: UInt8[np.ndarray, "H W 3"]) -> np.ndarray:
    """A cut-out's colours after its look and what is around it; colours stay multiplied by alpha."""
    gains = np.array(look.gains)
    alpha = cv2.extractChannel(rgba, 3)
    if look.harmony > 0.0 and alpha.any():
        inside = np.array(cv2.mean(rgba, (alpha > 127).view(np.uint8))[:3]) + 8.0
        outside = np.array(cv2.mean(around)[:3]) + 8.0
        gains = gains * (outside / inside).clip(*HARMONY_LIMITS) ** look.harmony
    table = (np.arange(256)[:, None] * gains + 0.5).clip(0, 255).astype(np.uint8)[None]
    colour = cv2.LUT(cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB), table)
    return np.dstack([cv2.min(colour, cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB)), alpha])


def paste(canvas: Canvas, patch: Patch, number: int, *, blurred: Patch | None = None) -> None:
    """Paste a patch as object `number`, with its mask. blurred: what is seen of it, where that is not sharp."""
    _blend(canvas.rgb, blurred or patch)
    rows, columns, inner = _overlap(canvas.layers.shape, patch.rgba.shape, patch.left, patch.top)
    solid = patch.rgba[(*inner, 3)] > 127
    canvas.layers[rows, columns][solid] = number
    attached = False if patch.part is None else patch.part[inner][solid] > 127
    canvas.attached[rows, columns][solid] = attached


def soften(patch: Patch, sigma: float) -> Patch:
    """A patch out of focus, and larger by as much as it spreads."""
    margin = int(np.ceil(2.5 * sigma))
    wide = cv2.copyMakeBorder(patch.rgba, margin, margin, margin, margin, cv2.BORDER_CONSTANT)
    return Patch(cv2.GaussianBlur(wide, (0, 0), sigma), patch.left - margin, patch.top - margin)


def cast_shadow(rgb: UInt8[np.ndarray, "H W 3"], patch: Patch, shadow: Shadow) -> None:
    """Darken what lies behind and below a patch."""
    margin = shadow.softness
    alpha = cv2.extractChannel(patch.rgba, 3)
    shade = cv2.copyMakeBorder(alpha, margin, margin, margin, margin, cv2.BORDER_CONSTANT)
    shade = cv2.blur(cv2.blur(shade, (margin, margin)), (margin, margin))
    left, top = patch.left + shadow.offset[0] - margin, patch.top + shadow.offset[1] - margin
    rows, columns, inner = _overlap(rgb.shape, shade.shape, left, top)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    light = cv2.LUT(shade[inner], (255.0 - shadow.strength * np.arange(256)).astype(np.uint8))
    target = rgb[rows, columns]
    cv2.multiply(target, cv2.cvtColor(light, cv2.COLOR_GRAY2RGB), dst=target, scale=1.0 / 255.0)


def _blend(rgb: UInt8[np.ndarray, "H W 3"], patch: Patch) -> None:
    rows, columns, inner = _overlap(rgb.shape, patch.rgba.shape, patch.left, patch.top)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    rgba, target = patch.rgba[inner], rgb[rows, columns]
    clear = cv2.cvtColor(cv2.bitwise_not(cv2.extractChannel(rgba, 3)), cv2.COLOR_GRAY2RGB)
    behind = cv2.multiply(target, clear, scale=1.0 / 255.0)
    cv2.add(behind, cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB), dst=target)


def _overlap(
    canvas: tuple[int, ...], patch: tuple[int, ...], left: int, top: int
) -> tuple[slice, slice, tuple[slice, slice]]:
    """Rows and columns of the canvas that a patch at (left, top) covers, and the same in the patch."""
    first_row, first_column = max(top, 0), max(left, 0)
    end_row = max(min(top + patch[0], canvas[0]), first_row)
    end_column = max(min(left + patch[1], canvas[1]), first_column)
    inner = (slice(first_row - top, end_row - top), slice(first_column - left, end_column - left))
    return slice(first_row, end_row), slice(first_column, end_column), inner
