"""Random shapes: blobs, and images split into pieces."""

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

ELLIPSES = 0.25
POLYGONS = 0.3
"""Shares of random shapes that are ellipses and polygons; the rest are wavy blobs."""

BLOB_POINTS = 48
"""Corners of a wavy blob's outline: enough to look smooth."""

HOLES = 0.12
"""Share of random shapes that have a hole."""


def largest_piece(mask: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """The largest connected piece of a mask."""
    count, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=8, ltype=cv2.CV_16U)
    if count <= 2:
        return mask
    return labels == 1 + int(np.bincount(labels.ravel())[1:].argmax())


def smooth_field(rng: np.random.Generator, cells: int, size: int) -> Float32[np.ndarray, "size size"]:
    """Smooth random field, about standard normal, with `cells` bumps a side."""
    coarse = rng.standard_normal((cells + 3, cells + 3)).astype(np.float32)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def random_partition(rng: np.random.Generator, count: int, size: int) -> UInt8[np.ndarray, "size size"]:
    """Split a square into `count` pieces, 0..count - 1, with wavy borders.

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


def random_blob(rng: np.random.Generator, size: int) -> UInt8[np.ndarray, "size size"]:
    """Alpha of a random shape: ellipse, polygon, or wavy blob, some with a hole."""
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
        angles = np.linspace(0, 2 * np.pi, BLOB_POINTS, endpoint=False)
        bumps = np.zeros(BLOB_POINTS)
        for wave in rng.integers(1, 7, 4):
            bumps += rng.normal(0, 0.35 / wave) * np.cos(wave * angles + rng.uniform(0, 6.3))
        _fill_outline(alpha, angles, (0.32 * (1.0 + 0.5 * bumps)).clip(0.08, 0.49))
    if rng.random() < HOLES:
        cv2.circle(alpha, (size // 2, size // 2), int(size * rng.uniform(0.06, 0.16)), 0, -1, cv2.LINE_AA)
    return alpha


def random_slab(rng: np.random.Generator, size: int) -> UInt8[np.ndarray, "size size"]:
    """Alpha of a plump shape that covers all but the rim of its square: good to hide something behind."""
    alpha = np.zeros((size, size), np.uint8)
    angles = np.linspace(0, 2 * np.pi, BLOB_POINTS, endpoint=False)
    roundness = rng.uniform(1.6, 6.0)  # of a superellipse: 2 is a circle, more come close to a square
    radii = (np.abs(np.cos(angles)) ** roundness + np.abs(np.sin(angles)) ** roundness) ** (-1 / roundness)
    bumps = 1.0 + rng.uniform(0.0, 0.06) * np.cos(rng.integers(2, 9) * angles + rng.uniform(0, 6.3))
    _fill_outline(alpha, angles, 0.46 * radii * bumps)
    return alpha


def _fill_outline(alpha: np.ndarray, angles: np.ndarray, radii: np.ndarray) -> None:
    """Fill the polygon with corners at these angles (radians) and radii (shares of the side) around the middle."""
    size = alpha.shape[0]
    points = size / 2 + size * radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    cv2.fillPoly(alpha, [np.round(points).astype(np.int32)], 255, cv2.LINE_AA)
