"""Overlays: masks, clicks and boxes drawn on a picture so that people see at once what was found.

Everything scales with the picture, so that 300 pixels and 6000 look alike. Colours belong to object ids, so an object
keeps its own through a video.
"""

import colorsys
import contextlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from masklet.types import PointLabel

Colour: TypeAlias = tuple[int, int, int]
Masks: TypeAlias = np.ndarray | Sequence[np.ndarray] | Mapping[int, np.ndarray]

PALETTE: tuple[Colour, ...] = (
    (30, 144, 255),
    (255, 112, 40),
    (22, 190, 120),
    (214, 64, 196),
    (255, 196, 0),
    (122, 92, 255),
    (0, 194, 214),
    (240, 62, 88),
    (140, 200, 40),
    (255, 130, 170),
    (150, 105, 60),
    (60, 110, 150),
)
"""Neighbours in the list differ in hue and in lightness. Later colours step round the hues by the golden ratio."""

GOLDEN_RATIO = (math.sqrt(5) - 1) / 2
FILL_OPACITY = 0.42
HALO_OPACITY = 0.85
WHITE: Colour = (255, 255, 255)
POSITIVE_COLOUR: Colour = (0, 184, 92)
NEGATIVE_COLOUR: Colour = (235, 40, 55)
_SUBPIXEL_BITS = 4
"""OpenCV draws at sixteenths of a pixel."""


@dataclass(frozen=True, kw_only=True)
class OverlayStyle:
    """How results are drawn. ValueError for an opacity outside [0, 1].

    fill_opacity: how much of the colour lies on an object's pixels; 0: none, contours alone. contours: lines along the
    masks' edges. captions: write those that are given. side_by_side: the picture itself on the left of the overlay.
    """

    fill_opacity: float = FILL_OPACITY
    contours: bool = True
    captions: bool = True
    side_by_side: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.fill_opacity <= 1:
            raise ValueError(f"fill_opacity is between 0 (contours alone) and 1, not {self.fill_opacity}")


@dataclass(frozen=True)
class _Pen:
    """Sizes in pixels that suit a picture."""

    line: float
    halo: float
    marker: float
    text: int

    @classmethod
    def for_size(cls, height: int, width: int) -> "_Pen":
        side = math.sqrt(height * width)
        return cls(
            line=max(1.0, side / 460),
            halo=max(0.6, side / 1100),
            marker=max(5.5, side / 75),
            text=max(10, round(side / 52)),
        )


def object_colour(object_id: int) -> Colour:
    """The colour (R, G, B) of an object, or of the mask at an index."""
    if 0 <= object_id < len(PALETTE):
        return PALETTE[object_id]
    hue = object_id * GOLDEN_RATIO % 1
    lightness = (0.45, 0.6, 0.52)[object_id % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.75)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_overlay(
    image: np.ndarray,
    masks: Masks,
    *,
    points: np.ndarray | Sequence | None = None,
    labels: np.ndarray | Sequence | None = None,
    boxes: np.ndarray | Sequence | None = None,
    captions: Sequence[str] | None = None,
) -> UInt8[np.ndarray, "H W 3"]:
    """A copy of the picture with masks, prompts and captions drawn on it.

    image: 8-bit RGB (H, W, 3). masks: boolean (H, W) or (M, H, W), a list of (H, W), or a dictionary of them by object
    id, which gives the colour. points: (N, 2) in image pixels, labels 1 (positive, the default) or 0. boxes: (4,) or
    (K, 4), XYXY. captions: one a mask. ValueError where shapes or numbers do not fit.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f"an overlay is drawn on uint8 (H, W, 3), not {image.dtype} {image.shape}: call read_image first"
        )
    height, width = image.shape[:2]
    planes = _planes(masks, (height, width))
    if captions is not None and len(captions) != len(planes):
        raise ValueError(f"there are {len(planes)} masks and {len(captions)} captions")
    canvas = image.copy(order="C")
    pen = _Pen.for_size(height, width)
    # Large masks first, so that what lies on them is seen.
    for object_id, mask in sorted(planes, key=lambda plane: -int(plane[1].sum())):
        _draw_mask(canvas, mask, object_colour(object_id), pen)
    if boxes is not None:
        corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
        colours = [object_colour(id_) for id_, _ in planes] if len(planes) == len(corners) else [WHITE] * len(corners)
        for box, colour in zip(corners, colours, strict=True):
            _draw_box(canvas, box, colour, pen)
    if points is not None:
        _draw_points(canvas, points, labels, pen)
    for (object_id, mask), caption in zip(planes, captions or [], strict=False):
        if caption and mask.any():
            _draw_caption(canvas, mask, caption, object_colour(object_id), pen)
    return canvas


def _planes(masks: Masks, size: tuple[int, int]) -> list[tuple[int, np.ndarray]]:
    """Object ids (or indices) and masks."""
    if isinstance(masks, Mapping):
        planes = [(int(id_), np.asarray(mask)) for id_, mask in masks.items()]
    else:
        single = isinstance(masks, np.ndarray) and masks.ndim == 2
        planes = [(index, np.asarray(mask)) for index, mask in enumerate([masks] if single else masks)]
    for _, mask in planes:
        if mask.shape != size or mask.dtype != np.bool_:
            raise ValueError(f"a mask is {mask.dtype} {mask.shape}, but bool {size} fits the picture")
    return planes


def _draw_mask(canvas: np.ndarray, mask: np.ndarray, colour: Colour, pen: _Pen) -> None:
    """Translucent fill, and a contour between two thin white halos, drawn from the distance to the mask's edge."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if len(rows) == 0:
        return
    margin = math.ceil(pen.line + pen.halo) + 2
    part = (
        slice(max(0, int(rows[0]) - margin), int(rows[-1]) + margin + 1),
        slice(max(0, int(columns[0]) - margin), int(columns[-1]) + margin + 1),
    )
    inside, region = mask[part], canvas[part]
    depth = _signed_distance(inside.astype(np.uint8))
    # Real numbers are for the pixels along the edge alone; the rest, nearly all, takes a table.
    edge = np.abs(depth) < margin
    pixels, depth = region[edge].astype(np.float32), depth[edge]
    np.copyto(region, cv2.LUT(region, _fill_table(colour)), where=inside[..., None])
    _blend(pixels, colour, FILL_OPACITY * np.clip(depth + 0.5, 0, 1))
    # The line lies on the inner side of the edge, so that neighbours do not cover each other's.
    _stroke(pixels, depth - pen.line / 2, colour, WHITE, pen)
    region[edge] = np.rint(pixels).astype(np.uint8)


def _fill_table(colour: Colour) -> UInt8[np.ndarray, "1 256 3"]:
    values = np.arange(256, dtype=np.float32)[:, None]
    return np.rint(values + FILL_OPACITY * (np.array(colour, np.float32) - values)).astype(np.uint8)[None]


def _stroke(pixels: np.ndarray, offset: np.ndarray, colour: Colour, under: Colour, pen: _Pen) -> None:
    """An antialiased line with a halo of the colour `under` on both sides; `offset` is the distance to its middle."""
    distance = np.abs(offset)
    _blend(pixels, under, HALO_OPACITY * np.clip(pen.line / 2 + pen.halo + 0.5 - distance, 0, 1))
    _blend(pixels, colour, np.clip(pen.line / 2 + 0.5 - distance, 0, 1))


def _signed_distance(inside: np.ndarray) -> np.ndarray:
    """Distance in pixels to the mask's edge: positive inside, smoothed a little so that stairs do not show."""
    far = float(sum(inside.shape))  # where there is no edge, OpenCV answers with nonsense
    within = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) if not inside.all() else far
    beyond = cv2.distanceTransform(1 - inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    distance = np.where(inside, np.minimum(within, far) - 0.5, 0.5 - beyond).astype(np.float32)
    return cv2.GaussianBlur(distance, (0, 0), 0.8)


def _blend(pixels: np.ndarray, colour: Colour, opacity: np.ndarray) -> None:
    pixels += opacity[..., None].astype(np.float32) * (np.array(colour, np.float32) - pixels)


def _draw_box(canvas: np.ndarray, box: np.ndarray, colour: Colour, pen: _Pen) -> None:
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
        _stroke(pixels, distance, colour, under, pen)
        canvas[rows, columns] = np.rint(pixels).astype(np.uint8)


def _draw_points(canvas: np.ndarray, points: Iterable, labels: Iterable | None, pen: _Pen) -> None:
    coords = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    kinds = np.ones(len(coords), int) if labels is None else np.asarray(labels).reshape(-1)
    if len(kinds) != len(coords):
        raise ValueError(f"there are {len(coords)} points and {len(kinds)} labels")
    for point, kind in zip(coords, kinds, strict=True):
        if kind in (PointLabel.POSITIVE, PointLabel.NEGATIVE):
            _draw_click(canvas, point, bool(kind == PointLabel.POSITIVE), pen)


def _draw_click(canvas: np.ndarray, point: np.ndarray, positive: bool, pen: _Pen) -> None:
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


def _draw_caption(canvas: np.ndarray, mask: np.ndarray, caption: str, colour: Colour, pen: _Pen) -> None:
    """A pill in the object's colour, above the mask where there is room."""
    label = _caption_label(caption, colour, pen.text)
    height, width = canvas.shape[:2]
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top = int(rows[0]) - label.shape[0] - round(2 * pen.line)
    left = (int(columns[0]) + int(columns[-1]) - label.shape[1]) // 2
    gap = round(2 * pen.line)
    top = max(gap, min(top, height - label.shape[0] - gap))
    left = max(gap, min(left, width - label.shape[1] - gap))
    label = label[: height - top, : width - left]
    region = canvas[top : top + label.shape[0], left : left + label.shape[1]]
    opacity = label[..., 3:].astype(np.float32) / 255
    region[:] = np.rint(region + opacity * (label[..., :3] - region.astype(np.float32))).astype(np.uint8)


def _caption_label(caption: str, colour: Colour, text_size: int) -> UInt8[np.ndarray, "H W 4"]:
    """The pill as RGBA, drawn large and scaled down, which smooths its corners."""
    scale = 3
    font = _font(caption, text_size * scale)
    left, top, right, bottom = font.getbbox(caption)
    pad_x, pad_y = round(text_size * scale * 0.55), round(text_size * scale * 0.32)
    ascent_top, ascent_bottom = font.getbbox("Ag")[1::2]
    top, bottom = min(top, ascent_top), max(bottom, ascent_bottom)  # pills of one size, whatever the letters
    size = (int(right - left) + 2 * pad_x, int(bottom - top) + 2 * pad_y)
    label = Image.new("RGBA", size, (*colour, 0))
    draw = ImageDraw.Draw(label)
    draw.rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), radius=size[1] // 2, fill=(*colour, 240))
    red, green, blue = colour
    dark_text = 0.299 * red + 0.587 * green + 0.114 * blue > 150
    draw.text((pad_x - left, pad_y - top), caption, font=font, fill=(20, 20, 20, 255) if dark_text else (*WHITE, 255))
    small = (max(1, size[0] // scale), max(1, size[1] // scale))
    return np.asarray(label.resize(small, Image.Resampling.LANCZOS))


def _font(text: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, which has few letters beyond ASCII; for others a font of the system's, if there is one."""
    if not text.isascii():
        for name in ("DejaVuSans.ttf", "Arial Unicode.ttf", "Arial.ttf", "NotoSans-Regular.ttf"):
            with contextlib.suppress(OSError):
                return ImageFont.truetype(name, size)
    return ImageFont.load_default(size)


def draw_grid(
    images: Sequence[np.ndarray], columns: int | None = None, *, cell_size: tuple[int, int] = (360, 480), gap: int = 12
) -> UInt8[np.ndarray, "H W 3"]:
    """A contact sheet on white: each picture is fitted, whole, into a cell of (height, width) and centred there.

    images: 8-bit RGB of any sizes. columns: as near to a square as it goes, if not given. Smaller pictures are not
    enlarged.
    """
    if len(images) == 0:
        raise ValueError("there are no images for a grid")
    if columns is not None and columns < 1:
        raise ValueError(f"a grid has at least one column, not {columns}")
    columns = min(columns or math.ceil(math.sqrt(len(images))), len(images))
    cells = [_fit(image, cell_size) for image in images]
    cell_height = max(cell.shape[0] for cell in cells)
    cell_width = max(cell.shape[1] for cell in cells)
    num_rows = math.ceil(len(cells) / columns)
    sheet = np.full((num_rows * (cell_height + gap) + gap, columns * (cell_width + gap) + gap, 3), 255, dtype=np.uint8)
    for index, cell in enumerate(cells):
        row, column = divmod(index, columns)
        top = gap + row * (cell_height + gap) + (cell_height - cell.shape[0]) // 2
        left = gap + column * (cell_width + gap) + (cell_width - cell.shape[1]) // 2
        sheet[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return sheet


def _fit(image: np.ndarray, cell_size: tuple[int, int]) -> np.ndarray:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"a grid shows uint8 (H, W, 3), not {image.dtype} {image.shape}")
    scale = min(cell_size[0] / image.shape[0], cell_size[1] / image.shape[1], 1.0)
    if scale == 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
