"""Captions: pills in the objects' colours, written where they do not cover each other."""

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from masklet.io.colours import WHITE, Colour, is_light

Rectangle: TypeAlias = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; the latter two are just outside."""

NEARLY_BLACK = (20, 20, 20)

FEW = 12
"""Up to so many captions stand beside their objects, which they leave to be seen; for more there is no room."""

STRIDE = 4
"""Room is looked for at every fourth pixel."""


@dataclass(frozen=True)
class Caption:
    """What is written on an object. box: the object's."""

    text: str
    colour: Colour
    box: Rectangle


def draw_captions(canvas: np.ndarray, captions: Sequence[Caption], seen: np.ndarray, text_size: int) -> None:
    """Write captions in place: at their objects, never on each other. Where there is no room, they are left out.

    seen: integers (H / STRIDE, W / STRIDE), at every `STRIDE`-th pixel the index of the caption whose object is on top
    there, or -1.
    """
    free = np.ones(seen.shape, bool)
    for index, caption in enumerate(captions):
        size = _pill(caption.text, caption.colour, text_size).shape[:2]
        inside = _find_inside(caption.box, (seen == index) & free, size)
        places = [inside]
        if len(captions) <= FEW:
            above, below = _places_beside(caption.box, size, canvas.shape[:2])
            places = [above, inside, below]
        for left, top in filter(None, places):
            cells = free[top // STRIDE : _ceil(top + size[0]), left // STRIDE : _ceil(left + size[1])]
            if cells.all():
                cells[:] = False
                draw_pill(canvas, caption.text, caption.colour, (left, top), text_size)
                break


def draw_pill(canvas: np.ndarray, text: str, colour: Colour, corner: tuple[int, int], text_size: int) -> None:
    """Draw a pill with a line of text in place; `corner` (left, top) is in the picture. Beyond its edge it is cut."""
    left, top = corner
    region = canvas[top:, left:]
    pill = _pill(text, colour, text_size)[: region.shape[0], : region.shape[1]]
    region = region[: pill.shape[0], : pill.shape[1]]
    opacity = pill[..., 3:].astype(np.float32) / 255
    region[:] = np.rint(region + opacity * (pill[..., :3] - region.astype(np.float32))).astype(np.uint8)


def _places_beside(
    box: Rectangle, size: tuple[int, int], frame: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """The corners of a pill of (height, width) above an object and below it, moved into the picture."""
    (x0, y0, x1, y1), (height, width) = box, size
    gap = height // 4
    left = max(gap, min((x0 + x1 - width) // 2, frame[1] - width - gap))
    above, below = (max(gap, min(top, frame[0] - height - gap)) for top in (y0 - height - gap, y1 + gap))
    return (left, above), (left, below)


def _find_inside(box: Rectangle, own: np.ndarray, size: tuple[int, int]) -> tuple[int, int] | None:
    """The corner of a pill of (height, width) as deep in an object as it goes; None if it is too large for that.

    own: boolean, at every `STRIDE`-th pixel whether it is the object that is seen there.
    """
    rows, columns = slice(box[1] // STRIDE, _ceil(box[3])), slice(box[0] // STRIDE, _ceil(box[2]))
    cells = np.pad(own[rows, columns].astype(np.uint8), 1)
    # Of odd size, so that the pill lies around the middle of a cell.
    kernel = np.ones([2 * _ceil(side / 2) + 1 for side in size], np.uint8)
    depth = cv2.distanceTransform(cells, cv2.DIST_L2, cv2.DIST_MASK_5) * cv2.erode(cells, kernel, borderValue=0)
    _, deepest, _, (x, y) = cv2.minMaxLoc(depth)
    if not deepest:
        return None
    left = (columns.start + x - 1) * STRIDE - size[1] // 2
    return max(0, left), max(0, (rows.start + y - 1) * STRIDE - size[0] // 2)


def _ceil(pixels: float) -> int:
    """Cells that so many pixels need."""
    return math.ceil(pixels / STRIDE)


@lru_cache(maxsize=512)
def _pill(text: str, colour: Colour, text_size: int) -> UInt8[np.ndarray, "H W 4"]:
    """The pill as RGBA, drawn large and scaled down, which smooths its corners."""
    scale = 3
    font = _font(text.isascii(), text_size * scale)
    left, top, right, bottom = font.getbbox(text)
    pad_x, pad_y = round(text_size * scale * 0.55), round(text_size * scale * 0.32)
    ascent_top, ascent_bottom = font.getbbox("Ag")[1::2]
    top, bottom = min(top, ascent_top), max(bottom, ascent_bottom)  # pills of one size, whatever the letters
    size = (int(right - left) + 2 * pad_x, int(bottom - top) + 2 * pad_y)
    pill = Image.new("RGBA", size, (*colour, 0))
    draw = ImageDraw.Draw(pill)
    draw.rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), radius=size[1] // 2, fill=(*colour, 240))
    letters = NEARLY_BLACK if is_light(colour) else WHITE
    draw.text((pad_x - left, pad_y - top), text, font=font, fill=(*letters, 255))
    small = (max(1, size[0] // scale), max(1, size[1] // scale))
    return np.asarray(pill.resize(small, Image.Resampling.LANCZOS))


@lru_cache(maxsize=32)
def _font(is_ascii: bool, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, which has few letters beyond ASCII; for others a font of the system's, if there is one."""
    if not is_ascii:
        for name in ("DejaVuSans.ttf", "Arial Unicode.ttf", "Arial.ttf", "NotoSans-Regular.ttf"):
            with contextlib.suppress(OSError):
                return ImageFont.truetype(name, size)
    return ImageFont.load_default(size)
