"""Pictures of what a model is taught and what it says: to see at a glance whether masks fit and clicks fall well."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from masklet.config import MASK_STRIDE
from masklet.io.colours import object_colour
from masklet.io.images import IMAGENET_MEAN, IMAGENET_STD
from masklet.io.overlay import draw_overlay
from masklet.io.picture_grid import draw_grid
from masklet.ops.masks import resize_logits
from masklet.training.samples import ClipBatch
from masklet.training.step import FramePrediction
from masklet.types import PointLabel, Prompt

MAX_CLIPS = 4
MAX_FRAMES = 4
"""Of a clip, evenly chosen, the first and the last among them."""

MAX_OBJECTS = 6
"""Of a clip. More would hide each other."""

CELL_SIDE = 384
BLACK, GREY = (0, 0, 0), (160, 160, 160)


def draw_step(batch: ClipBatch, predictions: tuple[FramePrediction, ...]) -> UInt8[np.ndarray, "H W 3"]:
    """A row for each clip: frame by frame the true masks, and beside them what was found, with what was said."""
    num_frames, num_clips = batch.pixels.shape[:2]
    frames = np.unique(np.linspace(0, num_frames - 1, min(num_frames, MAX_FRAMES)).round().astype(int)).tolist()
    cells = []
    for clip in range(min(num_clips, MAX_CLIPS)):
        objects = torch.nonzero(batch.clip_of_object == clip)[:MAX_OBJECTS, 0].cpu()
        for frame in frames:
            picture = _enlarged(to_picture(batch.pixels[frame, clip]))
            masks = batch.masks[frame].cpu()[objects].numpy()
            cells.append(draw_overlay(picture, [_enlarged(mask) for mask in masks]))
            cells.append(_draw_found(picture, predictions[frame], objects))
    return draw_grid(cells, columns=2 * len(frames), cell_size=(CELL_SIDE, CELL_SIDE), gap=6)


def draw_curve(values: Sequence[float], side: int = CELL_SIDE) -> UInt8[np.ndarray, "H W 3"]:
    """A curve of at least two values from zero up, with the first and the last written at it."""
    width, height, margin = 2 * side, side, side // 8
    canvas = np.full((height, width, 3), 255, np.uint8)
    top = max(max(values), np.finfo(float).tiny)
    xs = np.linspace(margin, width - margin, len(values))
    ys = height - margin - np.asarray(values) / top * (height - 2 * margin)
    corner = (margin, height - margin)
    for end in ((margin, margin), (width - margin, height - margin)):
        cv2.line(canvas, corner, end, GREY, 1, cv2.LINE_AA)
    line = np.rint(np.stack([xs, ys], 1)).astype(np.int32)
    cv2.polylines(canvas, [line], isClosed=False, color=object_colour(1), thickness=2, lineType=cv2.LINE_AA)
    for value, (x, y), shift in ((values[0], line[0], 8), (values[-1], line[-1], -64)):
        place = (int(x) + shift, max(int(y) - 8, 14))
        cv2.putText(canvas, f"{value:.3g}", place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, BLACK, 1, cv2.LINE_AA)
    return canvas


def to_picture(pixels: Float[Tensor, "3 S S"]) -> UInt8[np.ndarray, "S S 3"]:
    """The 8-bit RGB that normalised pixels were made of."""
    mean, std = (np.array(values, np.float32) for values in (IMAGENET_MEAN, IMAGENET_STD))
    unit = pixels.cpu().float().permute(1, 2, 0).numpy() * std + mean
    return np.rint(unit.clip(0, 1) * 255).astype(np.uint8)


def _enlarged(array: np.ndarray) -> np.ndarray:
    """A square that fills its cell as far as whole pixels do."""
    scale = max(1, CELL_SIDE // array.shape[0])
    return array.repeat(scale, 0).repeat(scale, 1)


def _draw_found(picture: np.ndarray, found: FramePrediction, objects: Tensor) -> UInt8[np.ndarray, "S S 3"]:
    side = picture.shape[0]
    scale = side / (found.logits.shape[-1] * MASK_STRIDE)
    masks = resize_logits(found.logits.cpu()[objects].float(), (side, side))[:, 0].numpy() > 0
    points = found.points
    if points is None:
        return draw_overlay(picture, masks)
    coords = (points.coords.cpu()[objects].float().numpy() + 0.5) * scale - 0.5
    labels = points.labels.cpu()[objects].numpy()
    clicks = (labels == PointLabel.POSITIVE) | (labels == PointLabel.NEGATIVE)
    boxes = coords[labels[:, 0] == PointLabel.BOX_TOP_LEFT, :2].reshape(-1, 4)
    return draw_overlay(picture, masks, prompt=Prompt(points=coords[clicks], labels=labels[clicks], boxes=boxes))
