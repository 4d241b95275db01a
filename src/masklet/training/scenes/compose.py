"""Pictures made of other pictures: pasting cut-outs, and filling shapes with textures of photographs."""

from dataclasses import dataclass

import cv2
import numpy as np

ELLIPSES = 0.25
POLYGONS = 0.3
"""Shares of random shapes that are ellipses and polygons; the rest are wavy blobs."""

BLOB_POINTS = 48
"""Corners of a wavy blob's outline: enough to look smooth."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where and how a cut-out goes. centre in pixels (x, y); side is its longest side in pixels; angle in degrees."""

    centre: tuple[float, float]
    side: float
    angle: float = 0.0
    flip: bool = False
    stretch: float = 1.0
    shear: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Look:
    """Colour and edge treatment of a pasted cut-out. gains multiply RGB; harmony 0..1 pulls it to its backdrop."""

    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    harmony: float = 0.0
    blur: float = 0.0
    shadow: float = 0.0
    shadow_offset: tuple[int, int] = (0, 0)
    shadow_size: int = 15


@dataclass
class Canvas:
    """A scene in the making: rgb uint8 (H, W, 3) and layers uint8 (H, W), 0 the backdrop, n the n-th object."""

    rgb: np.ndarray
    layers: np.ndarray


def warp_cutout(cutout: np.ndarray, placement: Placement, size: int) -> tuple[np.ndarray, int, int] | None:
    """Place `cutout` (uint8 (h, w, 4), colour times alpha) on a canvas of `size`.

    Returns the warped RGBA patch clipped to the canvas, with its left and top, or None if it lies outside.
    """
    height, width = cutout.shape[:2]
    scale = placement.side / max(height, width)
    if scale < 0.6:  # warping samples bilinearly, so larger shrinks need the area filter before
        cutout = cv2.resize(cutout, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = cutout.shape[:2]
        scale = 1.0
    angle = np.deg2rad(placement.angle)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    wide = scale * placement.stretch * (-1.0 if placement.flip else 1.0)
    tall = scale / placement.stretch
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array([[wide, placement.shear * tall], [0.0, tall]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, height / 2) @ matrix.T + placement.centre
    left, top = np.floor(corners.min(0)).astype(int).clip(0, size)
    right, bottom = (np.ceil(corners.max(0)).astype(int) + 1).clip(0, size)
    if right - left < 3 or bottom - top < 3:
        return None
    shift = np.array(placement.centre) - (left, top) - matrix @ ((width - 1) / 2, (height - 1) / 2)
    affine = np.concatenate([matrix, shift[:, None]], 1)
    patch = cv2.warpAffine(cutout, affine, (int(right - left), int(bottom - top)), flags=cv2.INTER_LINEAR)
    return patch, int(left), int(top)


def paste(canvas: Canvas, cutout: np.ndarray, placement: Placement, look: Look, number: int) -> None:
    """Paste `cutout` as object `number`; its mask is where its alpha is above one half."""
    warped = warp_cutout(cutout, placement, canvas.rgb.shape[0])
    if warped is None:
        return
    patch, left, top = warped
    bottom, right = top + patch.shape[0], left + patch.shape[1]
    solid = patch[..., 3] > 127
    if look.shadow > 0.0:
        _cast_shadow(canvas.rgb, patch[..., 3], left, top, look)
    if look.blur > 0.0:
        patch = cv2.GaussianBlur(patch, (0, 0), look.blur)
    target = canvas.rgb[top:bottom, left:right]
    colour, alpha = patch[..., :3].astype(np.float32), patch[..., 3:].astype(np.float32)
    gains = np.array(look.gains, np.float32)
    if look.harmony > 0.0 and solid.any():
        inside = np.array(cv2.mean(patch, solid.astype(np.uint8))[:3], np.float32) + 8.0
        around = np.array(cv2.mean(target)[:3], np.float32) + 8.0
        gains = gains * (around / inside).clip(0.4, 2.5) ** look.harmony
    colour = np.minimum(colour * gains, alpha)
    target[:] = (target * (1.0 - alpha / 255.0) + colour + 0.5).astype(np.uint8)
    canvas.layers[top:bottom, left:right][solid] = number


def _cast_shadow(rgb: np.ndarray, alpha: np.ndarray, left: int, top: int, look: Look) -> None:
    size = rgb.shape[0]
    shade = np.zeros((size, size), np.uint8)
    dx, dy = look.shadow_offset
    x, y = left + dx, top + dy
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + alpha.shape[1], size), min(y + alpha.shape[0], size)
    if x1 <= x0 or y1 <= y0:
        return
    shade[y0:y1, x0:x1] = alpha[y0 - y : y1 - y, x0 - x : x1 - x]
    kernel = look.shadow_size | 1
    shade = cv2.blur(cv2.blur(shade, (kernel, kernel)), (kernel, kernel))
    table = (255.0 - look.shadow * np.arange(256)).astype(np.uint8)
    light = cv2.cvtColor(cv2.LUT(shade, table), cv2.COLOR_GRAY2RGB)
    cv2.multiply(rgb, light, dst=rgb, scale=1.0 / 255.0)


def smooth_field(rng: np.random.Generator, cells: int, size: int) -> np.ndarray:
    """Smooth random field, float32 (size, size), about standard normal, with `cells` bumps a side."""
    coarse = rng.standard_normal((cells + 3, cells + 3)).astype(np.float32)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def random_partition(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Split a square into `count` pieces with wavy borders; uint8 (size, size), values 0..count-1.

    Half are layers one above the other, as in a landscape; half are Voronoi cells.
    """
    grid = np.arange(size, dtype=np.float32) / size
    if rng.random() < 0.5:
        cuts = np.sort(rng.uniform(0.08, 0.92, count - 1))
        partition = np.zeros((size, size), np.uint8)
        slant = rng.normal(0.0, 0.25, count - 1)
        for cut, slope in zip(cuts, slant, strict=True):
            rough = rng.uniform(0.005, 0.08)
            line = rng.standard_normal((1, int(rng.integers(4, 24)))).astype(np.float32)
            wave = cv2.resize(line, (size, 1), interpolation=cv2.INTER_CUBIC)[0]
            partition += grid[:, None] > cut + rough * wave + slope * (grid - 0.5)
        return partition.T.copy() if rng.random() < 0.2 else partition
    warp = rng.uniform(0.0, 0.12)
    cells = int(rng.integers(2, 8))
    ys = grid[:, None] + warp * smooth_field(rng, cells, size)
    xs = grid[None] + warp * smooth_field(rng, cells, size)
    seeds = rng.uniform(0.0, 1.0, (count, 2)).astype(np.float32)
    distances = np.stack([(ys - y) ** 2 + (xs - x) ** 2 for y, x in seeds])
    return distances.argmin(0).astype(np.uint8)


def random_blob(rng: np.random.Generator, size: int) -> np.ndarray:
    """Alpha uint8 (size, size) of a random shape: ellipse, polygon, or wavy blob, some with a hole."""
    alpha = np.zeros((size, size), np.uint8)
    kind = rng.random()
    if kind < ELLIPSES:
        axes = (int(size * rng.uniform(0.2, 0.48)), int(size * rng.uniform(0.2, 0.48)))
        cv2.ellipse(alpha, (size // 2, size // 2), axes, float(rng.uniform(0, 180)), 0, 360, 255, -1, cv2.LINE_AA)
    elif kind < ELLIPSES + POLYGONS:
        count = int(rng.integers(3, 9))
        angles = np.sort(rng.uniform(0, 2 * np.pi, count))
        _fill_outline(alpha, angles, rng.uniform(0.25, 0.48, count))
    else:
        rng.random(BLOB_POINTS)  # unused: so that a seed keeps giving the scenes it gave
        angles = np.linspace(0, 2 * np.pi, BLOB_POINTS, endpoint=False)
        bumps = np.zeros(BLOB_POINTS)
        for wave in rng.integers(1, 7, 4):
            bumps += rng.normal(0, 0.35 / wave) * np.cos(wave * angles + rng.uniform(0, 6.3))
        _fill_outline(alpha, angles, (0.32 * (1.0 + 0.5 * bumps)).clip(0.08, 0.49))
    if rng.random() < 0.12:
        cv2.circle(alpha, (size // 2, size // 2), int(size * rng.uniform(0.06, 0.16)), 0, -1, cv2.LINE_AA)
    return alpha


def _fill_outline(alpha: np.ndarray, angles: np.ndarray, radii: np.ndarray) -> None:
    """Fill the polygon with corners at these angles (radians) and radii (shares of the side) around the middle."""
    size = alpha.shape[0]
    points = size / 2 + size * radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    cv2.fillPoly(alpha, [np.round(points).astype(np.int32)], 255, cv2.LINE_AA)
