"""Prompts on a video's frames: checked, and brought to model pixels."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor

from masklet.ops.masks import resize_logits
from masklet.predictors.prompts import parse_prompt
from masklet.tracking.tracked_object import FramePrompt
from masklet.types import Points, Prompt

MASK_THRESHOLD = 0.5
"""Coverage from which a model pixel is inside a mask of another size (released predictors)."""


def parse_points(
    points: ArrayLike | None,
    labels: ArrayLike | None,
    box: ArrayLike | None,
    frame_size: tuple[int, int],
    model_side: int,
) -> FramePrompt:
    """Clicks, a box, or both, on a frame of `frame_size` (height, width), for one object.

    ValueError as in `parse_prompt`; also for points outside the frame, and a box that lies outside it altogether.
    """
    if points is None and labels is None and box is None:
        raise ValueError("an empty prompt: give points with labels, a box, or both")
    points, box = _off_device(points), _off_device(box)
    corners = clicks = None
    if box is not None:
        if np.shape(box) != (4,):
            raise ValueError(f"box is {box!r}, but one object has one box: x0, y0, x1, y1")
        corners = _parse(Prompt(boxes=box), frame_size, model_side)
        _require_overlap(np.asarray(box, dtype=np.float64), frame_size)
    if points is not None or labels is not None:
        _require_inside(points, frame_size)
        clicks = _parse(Prompt(points=points, labels=labels), frame_size, model_side)
    return FramePrompt(box=corners, clicks=clicks)


def parse_mask(mask: ArrayLike | Tensor, frame_size: tuple[int, int], model_side: int, mask_side: int) -> FramePrompt:
    """A mask of one object: binary, of the frame's size, or logits of that size or the low-res one (inside above 0)."""
    values = torch.as_tensor(mask if isinstance(mask, Tensor) else np.asarray(mask)).detach().cpu()
    if values.ndim == 3 and len(values) == 1:
        values = values[0]
    size = tuple(values.shape)
    is_low_res = size == (mask_side, mask_side) and values.is_floating_point()
    if size != tuple(frame_size) and not is_low_res:
        raise ValueError(
            f"a mask of {values.dtype} and shape {size} fits nothing: it has the frame's size {tuple(frame_size)}, "
            f"or, as logits, {(mask_side, mask_side)}"
        )
    if values.is_floating_point() and not values.isfinite().all():
        raise ValueError("a mask prompt's logits hold NaN or infinity")
    if size != tuple(frame_size):
        values = resize_logits(values[None, None].float(), (model_side, model_side))[0, 0]
    return FramePrompt(mask=to_model_mask(values > 0, model_side))


def to_model_mask(mask: Tensor, model_side: int) -> Tensor:
    """A boolean mask (H, W) as (1, 1, S, S): inside where at least half of a model pixel is covered."""
    values = mask[None, None].float()
    if values.shape[2:] != (model_side, model_side):
        values = F.interpolate(values, (model_side, model_side), mode="bilinear", align_corners=False, antialias=True)
    return values >= MASK_THRESHOLD


def _off_device(values: ArrayLike | None) -> ArrayLike | None:
    """Tensors as arrays, wherever they are; anything else as it is."""
    return values.detach().cpu().float().numpy() if isinstance(values, Tensor) else values


def _parse(prompt: Prompt, frame_size: tuple[int, int], model_side: int) -> Points | None:
    parsed = parse_prompt(prompt, frame_size, model_side, model_side)
    if parsed.num_prompts > 1:
        raise ValueError(f"points of {parsed.num_prompts} objects were given, but they are prompted one at a time")
    return parsed.groups[0].points


def _require_inside(points: ArrayLike | None, frame_size: tuple[int, int]) -> None:
    height, width = frame_size
    try:
        coords = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    except (TypeError, ValueError):
        return  # parse_prompt says what is wrong
    outside: list[list[float]] = coords[((coords < 0) | (coords > (width, height))).any(1)].tolist()
    if outside:
        raise ValueError(f"point {outside[0]} is outside the frame, which is {width} wide and {height} high, in pixels")


def _require_overlap(box: np.ndarray, frame_size: tuple[int, int]) -> None:
    height, width = frame_size
    if box[0] >= width or box[1] >= height or box[2] <= 0 or box[3] <= 0:
        raise ValueError(f"box {box.tolist()} is outside the frame, which is {width} wide and {height} high, in pixels")
