"""Colours by object id, told apart by nearly everybody.

About one man in twelve sees fewer hues than others. The palette was searched for numerically, so that each two of its
colours differ clearly to people without red, green or blue cones as well; what they lack in hue, colours make up in
lightness. A colour depends on the id alone: an object keeps its own through a video, a run and across commands.
"""

import math
from functools import lru_cache
from typing import TypeAlias

import numpy as np

Colour: TypeAlias = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)

PALETTE: tuple[Colour, ...] = (
    (230, 97, 0),
    (30, 144, 255),
    (149, 255, 200),
    (191, 4, 154),
    (240, 228, 66),
    (255, 149, 201),
    (0, 113, 72),
    (5, 199, 132),
    (139, 0, 90),
    (12, 154, 102),
    (49, 38, 253),
    (150, 0, 0),
)
"""Whatever cones are missing, each two of the first eight are at least 13 apart (CIEDE2000), of all twelve 12, and
neighbours 20."""

GOLDEN_RATIO = (math.sqrt(5) - 1) / 2
LIGHTNESSES = (0.85, 0.52, 0.78, 0.45)
MAX_CHROMA = 0.17
"""Of colours beyond the palette, in Oklab. Steps of lightness are large, since those of hue alone are lost on some."""


@lru_cache(maxsize=4096)
def object_colour(object_id: int) -> Colour:
    """The colour (R, G, B) of an object, or of the mask at an index. Any integer has one.

    Beyond the palette, hues step round the circle by the golden ratio, which never comes back to one it was at.
    """
    if 0 <= object_id < len(PALETTE):
        return PALETTE[object_id]
    hue = 2 * math.pi * (object_id * GOLDEN_RATIO % 1)
    chroma = MAX_CHROMA
    linear = _oklch_to_linear(LIGHTNESSES[object_id % len(LIGHTNESSES)], chroma, hue)
    while linear.min() < 0 or linear.max() > 1:  # no screen shows it: a little less colourful
        chroma *= 0.97
        linear = _oklch_to_linear(LIGHTNESSES[object_id % len(LIGHTNESSES)], chroma, hue)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = np.rint(255 * encoded).astype(int).tolist()
    return red, green, blue


def is_light(colour: Colour) -> bool:
    """Whether dark letters on it are read more easily than white ones."""
    red, green, blue = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue > 150


def _oklch_to_linear(lightness: float, chroma: float, hue: float) -> np.ndarray:
    """Oklab (Ottosson, 2020), in which equal steps look equal, to linear sRGB; outside [0, 1] no screen shows it."""
    lab = np.array([lightness, chroma * math.cos(hue), chroma * math.sin(hue)])
    cones = np.array(
        [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.291485548]]
    )
    screen = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.707614701],
        ]
    )
    return screen @ (cones @ lab) ** 3
