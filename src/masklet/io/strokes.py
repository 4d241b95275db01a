"""Antialiased lines with a halo, so that they are seen on any ground. Sizes scale with the picture."""

import math
from dataclasses import dataclass, replace

import numpy as np

from masklet.io.colours import Colour

HALO_OPACITY = 0.85

MANY = 12
"""Objects beyond so many are drawn with finer lines and letters."""


@dataclass(frozen=True)
class Pen:
    """Sizes in pixels that suit a picture: of lines, their halos, clicks and letters."""

    line: float
    halo: float
    marker: float
    text: int

    @classmethod
    def for_size(cls, height: int, width: int, num_objects: int = 1) -> "Pen":
        """The pen for a picture, so that 300 pixels and 6000 look alike; finer where there are many objects."""
        side = math.sqrt(height * width)
        fineness = min(1.0, max(0.5, (MANY / max(1, num_objects)) ** 0.3))
        return cls(
            line=max(1.0, fineness * side / 460),
            halo=max(0.6, side / 1100) * fineness,
            marker=max(5.5, side / 75),
            text=max(10, round(fineness * side / 52)),
        )

    def for_object(self, area: int) -> "Pen":
        """A finer one for an object of few pixels, which its own contour would hide."""
        share = min(1.0, math.sqrt(area) / (20 * self.line))
        return replace(self, line=max(1.0, share * self.line), halo=share * self.halo)


def blend(pixels: np.ndarray, colour: Colour, opacity: np.ndarray) -> None:
    """Lay a colour over float32 pixels (..., 3), in place."""
    pixels += opacity[..., None].astype(np.float32) * (np.array(colour, np.float32) - pixels)


def stroke(pixels: np.ndarray, offset: np.ndarray, colour: Colour, under: Colour, pen: Pen) -> None:
    """A line with a halo of the colour `under` on both sides; `offset` is the distance to its middle in pixels."""
    distance = np.abs(offset)
    blend(pixels, under, HALO_OPACITY * np.clip(pen.line / 2 + pen.halo + 0.5 - distance, 0, 1))
    blend(pixels, colour, np.clip(pen.line / 2 + 0.5 - distance, 0, 1))
