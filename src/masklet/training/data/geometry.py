"""Where the pixels of a clip go: crop, turn, shear, scale, move, flip, and a square of the model's size.

All frames of a clip go the same way, and masks go with their pixels. A mask is carried as its coverage, 0 to 255, and
cut at a half once, at the end: what upstream's two steps aim at (affine with the nearest pixel, then resizing bilinear
bytes), without their staircases. Shrinking averages over areas, growing is bilinear. Unlike upstream, which turns the
original and then resizes, pictures are shrunk first: large ones cost less, and come out the same.
"""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from masklet.io.images import IMAGENET_MEAN
from masklet.training.samples import Clip

FILL = tuple(round(255 * value) for value in IMAGENET_MEAN)
"""Colour beyond the border: ImageNet's mean, which the model sees as nearly 0."""

HALF = 128
"""Coverage, 0 to 255, from which on a pixel is inside."""

Window = tuple[slice, slice]


@dataclass(frozen=True, kw_only=True)
class AffineConfig:
    """A random turn about the centre, shear, scaling and shift. Each is drawn evenly from its range."""

    degrees: float = 0.0
    """Largest turn, either way."""
    shear: float = 0.0
    """Largest horizontal shear in degrees, either way."""
    scale: tuple[float, float] = (1.0, 1.0)
    translate: tuple[float, float] = (0.0, 0.0)
    """Largest shift, either way, as shares of the width and of the height."""

    def __post_init__(self) -> None:
        if not 0 <= self.degrees <= 180:
            raise ValueError(f"degrees is the largest turn, 0 to 180, not {self.degrees}")
        if not 0 <= self.shear < 90:
            raise ValueError(f"shear is the largest angle, 0 to less than 90 degrees, not {self.shear}")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale is a range of factors above 0, the smaller first, not {self.scale}")
        if not all(0 <= share <= 1 for share in self.translate):
            raise ValueError(f"translate is two shares, of the width and the height, 0 to 1, not {self.translate}")

    def draw(self, size: tuple[int, int], rng: np.random.Generator) -> Float[np.ndarray, "2 3"] | None:
        """A random map of points (x, y) in units of the picture's sides; size: its (height, width) in pixels.

        None where the ranges leave nothing to draw.
        """
        if self == AffineConfig():
            return None
        angle, shear = np.deg2rad(rng.uniform(-1, 1, 2) * (self.degrees, self.shear))
        scale = rng.uniform(*self.scale)
        shift = rng.uniform(-1, 1, 2) * self.translate
        cosine, sine = math.cos(angle), math.sin(angle)
        linear = scale * np.array([[cosine, -sine], [sine, cosine]]) @ np.array([[1, -math.tan(shear)], [0, 1]])
        height, width = size
        linear *= [[1, height / width], [width / height, 1]]  # a turn is one of pixels, not of the square
        return np.column_stack((linear, 0.5 - linear @ (0.5, 0.5) + shift))


@dataclass(frozen=True, kw_only=True)
class CropConfig:
    """A random part of the picture, in which a random pixel of a random object stays.

    aspect: how much wider than the picture the part is, relative to its height; 1 keeps the picture's shape, as the
    model's square does. (Torchvision's is the aspect in pixels.)
    """

    area: tuple[float, float] = (1.0, 1.0)
    """Share of the picture, 0..1."""
    aspect: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise ValueError(f"area is a range of shares of the picture, above 0 to 1, not {self.area}")
        if not 0 < self.aspect[0] <= self.aspect[1]:
            raise ValueError(f"aspect is a range of ratios above 0, the smaller first, not {self.aspect}")

    def draw(self, masks: Bool[np.ndarray, "K H W"], rng: np.random.Generator) -> Window | None:
        """Rows and columns to keep; masks: those of the first frame. None keeps all."""
        if self == CropConfig():
            return None
        area = rng.uniform(*self.area)
        aspect = math.exp(rng.uniform(*np.log(self.aspect)))
        inside = np.flatnonzero(masks[rng.integers(len(masks))])
        anchor = divmod(int(inside[rng.integers(len(inside))]), masks.shape[2])
        shares = math.sqrt(area / aspect), math.sqrt(area * aspect)
        window = []
        for side, share, place in zip(masks.shape[1:], shares, anchor, strict=True):
            length = max(1, min(side, round(side * share)))
            start = int(rng.integers(max(0, place - length + 1), min(place, side - length) + 1))
            window.append(slice(start, start + length))
        return window[0], window[1]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """How pictures get to a square of side `side`: what is cut out, turned, and flipped, in this order.

    affine: see `AffineConfig.draw`; None turns nothing.
    """

    side: int
    window: Window | None = None
    affine: np.ndarray | None = None
    flip: bool = False
    vertical_flip: bool = False

    def place_frames(self, frames: UInt8[np.ndarray, "T H W 3"]) -> UInt8[np.ndarray, "T S S 3"]:
        """The frames on the square, FILL where nothing of them lies."""
        placed = np.empty((len(frames), self.side, self.side, 3), np.uint8)
        for index, frame in enumerate(frames):
            placed[index] = self._place(self._cut(frame), FILL)
        return placed

    def place_masks(self, masks: Bool[np.ndarray, "*batch H W"]) -> Bool[np.ndarray, "*batch S S"]:
        """Masks on the square: where at least half of a pixel is inside. They may vanish."""
        placed = np.empty((*masks.shape[:-2], self.side, self.side), bool)
        for index in np.ndindex(masks.shape[:-2]):
            coverage = self._cut(masks[index]).view(np.uint8) * np.uint8(255)
            np.greater_equal(self._place(coverage, (0,)), HALF, out=placed[index])
        return placed

    def place_thin_masks(self, masks: Bool[np.ndarray, "*batch H W"]) -> Bool[np.ndarray, "*batch S S"]:
        """Masks on the square, not turned, but with every pixel that they touch, so that no thin one vanishes."""
        placed = np.zeros((*masks.shape[:-2], self.side, self.side), bool)
        for index in np.ndindex(masks.shape[:-2]):
            mask = self._cut(masks[index])
            rows, columns = np.nonzero(mask)
            placed[index][rows * self.side // mask.shape[0], columns * self.side // mask.shape[1]] = True
            placed[index] = self._flip(placed[index].view(np.uint8)).view(bool)
        return placed

    def _cut(self, plane: np.ndarray) -> np.ndarray:
        return plane if self.window is None else plane[self.window]

    def _place(self, plane: np.ndarray, fill: tuple[int, ...]) -> np.ndarray:
        height, width = min(plane.shape[0], self.side), min(plane.shape[1], self.side)
        if (height, width) != plane.shape[:2]:
            plane = cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA)
        square = (self.side, self.side)
        if self.affine is not None:
            matrix = _in_pixels(self.affine, (height, width), self.side)
            plane = cv2.warpAffine(plane, matrix, square, flags=cv2.INTER_LINEAR, borderValue=fill)
        elif plane.shape[:2] != square:
            plane = cv2.resize(plane, square, interpolation=cv2.INTER_LINEAR)
        return self._flip(plane)

    def _flip(self, plane: np.ndarray) -> np.ndarray:
        if not (self.flip or self.vertical_flip):
            return plane
        return cv2.flip(plane, -1 if self.flip and self.vertical_flip else int(self.flip))


def _in_pixels(affine: np.ndarray, size: tuple[int, int], side: int) -> np.ndarray:
    """The map from pixels of a picture of (height, width) to those of the square, whose centres are whole numbers."""
    linear = side * affine[:, :2] / (size[1], size[0])
    return np.column_stack((linear, side * affine[:, 2] + linear @ (0.5, 0.5) - 0.5))


def place(clip: Clip, placement: Placement) -> Clip:
    """The clip on the square.

    Where a turn would take an object of the first frame out of sight, nothing is turned, as upstream has it. An object
    that the crop or the size leaves nothing of is dropped; if that were all, what they touch is theirs.
    """
    place_masks = placement.place_masks
    first = place_masks(clip.masks[0])
    seen = first.any((1, 2))
    if placement.affine is not None and not seen.all():
        upright = replace(placement, affine=None)
        straight = upright.place_masks(clip.masks[0])
        if not seen.any() or (straight.any((1, 2)) & ~seen).any():
            placement, place_masks, first = upright, upright.place_masks, straight
            seen = first.any((1, 2))
    if not seen.any():
        place_masks = placement.place_thin_masks
        first = place_masks(clip.masks[0])
        seen = first.any((1, 2))
    masks = np.concatenate((first[None, seen], place_masks(clip.masks[1:, seen])))
    return Clip(frames=placement.place_frames(clip.frames), masks=masks)


def tile(clip: Clip, rng: np.random.Generator) -> Clip:
    """A mosaic of two by two copies of a square clip of even side, its objects in one of them, look-alikes around."""
    half = clip.frames.shape[1] // 2
    small = place(clip, Placement(side=half))
    row, column = rng.integers(0, 2, 2) * half
    masks = np.zeros((*small.masks.shape[:2], 2 * half, 2 * half), bool)
    masks[:, :, row : row + half, column : column + half] = small.masks
    return Clip(frames=np.tile(small.frames, (1, 2, 2, 1)), masks=masks)
