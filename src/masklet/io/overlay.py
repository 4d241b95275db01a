"""Overlays: masks, prompts and captions drawn on a picture so that people see at once what was found.

Everything scales with the picture, so that 300 pixels and 6000 look alike. Colours belong to object ids, so an object
keeps its own through a video. A pixel that several masks cover has the colour of the smallest: however many masks lie
on each other, the photograph shines through.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from masklet.io.captions import STRIDE, Caption, Rectangle, draw_captions
from masklet.io.colours import WHITE, Colour, object_colour
from masklet.io.picture_grid import draw_side_by_side
from masklet.io.prompt_marks import draw_prompt
from masklet.io.strokes import Pen, stroke
from masklet.ops.mask_record import MaskRecord
from masklet.ops.rle import RLE, decode_rle, rle_area
from masklet.types import Prompt

MaskLike: TypeAlias = np.ndarray | RLE | MaskRecord
Masks: TypeAlias = np.ndarray | Sequence[MaskLike] | Mapping[int, MaskLike]

FILL_OPACITY = 0.42


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


DEFAULT_STYLE = OverlayStyle()


@dataclass(frozen=True)
class _Layer:
    """A mask to draw. index: its place in what was given."""

    index: int
    object_id: int
    mask: np.ndarray | RLE
    area: int


def draw_overlay(
    image: np.ndarray,
    masks: Masks,
    *,
    prompt: Prompt | None = None,
    captions: Sequence[str] | None = None,
    style: OverlayStyle = DEFAULT_STYLE,
) -> UInt8[np.ndarray, "H W 3"]:
    """A copy of the picture with masks, prompts and captions drawn on it.

    image: 8-bit RGB (H, W, 3). masks: boolean (H, W) or (M, H, W), or a list of boolean masks, RLEs or `MaskRecord`s,
    or a dictionary of them by object id, which gives the colour. RLEs and records are decoded one at a time, which
    saves memory where there are many. prompt: its boxes and points are drawn. captions: one a mask, left out where
    there is no room for it. With `style.side_by_side` the result is wider. ValueError where shapes or numbers do not
    fit.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f"an overlay is drawn on uint8 (H, W, 3), not {image.dtype} {image.shape}: call read_image first"
        )
    height, width = image.shape[:2]
    layers = _layers(masks, (height, width))
    if captions is not None and len(captions) != len(layers):
        raise ValueError(f"there are {len(layers)} masks and {len(captions)} captions")
    canvas = image.copy(order="C")
    pen = Pen.for_size(height, width, len(layers))
    written, seen = [], np.full(image[::STRIDE, ::STRIDE].shape[:2], -1, np.int32)
    # Large masks first, so that what lies on them is seen.
    for layer in sorted(layers, key=lambda layer: -layer.area):
        if not layer.area:
            continue
        colour, text = object_colour(layer.object_id), captions[layer.index] if captions else ""
        mask = layer.mask if isinstance(layer.mask, np.ndarray) else decode_rle(layer.mask)
        box = _draw_mask(canvas, image, mask, colour, pen.for_object(layer.area), style)
        seen[mask[::STRIDE, ::STRIDE]] = len(written) if text else -1
        if text:
            written.append(Caption(text, colour, box))
    if prompt is not None:
        draw_prompt(canvas, prompt, [object_colour(layer.object_id) for layer in layers], pen)
    if style.captions:
        draw_captions(canvas, written, seen, pen.text)
    return draw_side_by_side(image, canvas) if style.side_by_side else canvas


def _layers(masks: Masks, size: tuple[int, int]) -> list[_Layer]:
    """The masks with object ids, or their indices."""
    if isinstance(masks, np.ndarray) and masks.ndim == 2:
        masks = [masks]
    pairs = masks.items() if isinstance(masks, Mapping) else enumerate(masks)
    return [_layer(index, int(object_id), mask, size) for index, (object_id, mask) in enumerate(pairs)]


def _layer(index: int, object_id: int, mask: MaskLike, size: tuple[int, int]) -> _Layer:
    rle = mask.rle if isinstance(mask, MaskRecord) else mask
    if _is_rle(rle):
        if tuple(rle["size"]) != size:
            raise ValueError(f"an RLE is of a mask of {tuple(rle['size'])}, but {size} fits the picture")
        return _Layer(index, object_id, rle, rle_area(rle))
    plane = np.asarray(mask)
    if plane.shape != size or plane.dtype != np.bool_:
        raise ValueError(f"a mask is {plane.dtype} {plane.shape}, but bool {size} fits the picture")
    return _Layer(index, object_id, plane, int(np.count_nonzero(plane)))


def _is_rle(value: object) -> TypeGuard[RLE]:
    return isinstance(value, Mapping) and "counts" in value


def _draw_mask(
    canvas: np.ndarray, image: np.ndarray, mask: np.ndarray, colour: Colour, pen: Pen, style: OverlayStyle
) -> Rectangle:
    """Fill, and a contour between two thin halos, drawn from the distance to the mask's edge; returns its box."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    margin = math.ceil(pen.line + pen.halo) + 2
    part = (
        slice(max(0, top - margin), top + height + margin),
        slice(max(0, left - margin), left + width + margin),
    )
    inside, region = mask[part].view(np.uint8), canvas[part]
    depth = _signed_distance(inside)
    # Real numbers are for the pixels along the edge alone; the rest, nearly all, takes a table.
    edge = np.abs(depth) < margin
    # Smoothing must not wipe out what is one pixel wide.
    depth = np.maximum(depth[edge], np.where(inside[edge], np.float32(0.2), np.float32(-margin)))
    pixels = region[edge].astype(np.float32)
    if style.fill_opacity:
        tinted = cv2.LUT(image[part], _fill_table(colour, style.fill_opacity))
        cv2.copyTo(tinted, inside, region)
        pixels += np.clip(depth + 0.5, 0, 1)[:, None] * (tinted[edge] - pixels)
    if style.contours:
        # The line lies on the inner side of the edge, so that neighbours do not cover each other's.
        stroke(pixels, depth - pen.line / 2, colour, WHITE, pen)
    region[edge] = np.rint(pixels).astype(np.uint8)
    return left, top, left + width, top + height


def _fill_table(colour: Colour, opacity: float) -> UInt8[np.ndarray, "1 256 3"]:
    values = np.arange(256, dtype=np.float32)[:, None]
    return np.rint(values + opacity * (np.array(colour, np.float32) - values)).astype(np.uint8)[None]


def _signed_distance(inside: np.ndarray) -> Float32[np.ndarray, "H W"]:
    """Distance in pixels to the mask's edge: positive inside, smoothed a little so that stairs do not show."""
    rim = inside - cv2.erode(inside, np.ones((3, 3), np.uint8))
    if not rim.any():  # the mask fills all that is looked at
        return np.full(inside.shape, sum(inside.shape), np.float32)
    # The edge runs half a pixel outside the middles of the outermost pixels.
    distance = cv2.distanceTransform(1 - rim, cv2.DIST_L2, cv2.DIST_MASK_5)
    distance *= inside * np.float32(2) - 1
    return cv2.GaussianBlur(distance + np.float32(0.5), (5, 5), 0.8)
