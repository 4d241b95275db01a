"""Clicks and boxes as the original's video predictor takes them, for one object."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from masklet.ops.coordinates import to_model_pixels
from masklet.predictors.prompts import LABELS
from masklet.types import Points


def read_points(points: Any, labels: Any, box: Any, size: tuple[int, int], image_size: int) -> Points:
    """Points in model pixels, those of the box first. size: height and width in whose units the prompts are.

    ValueError names what is wrong. Points may lie anywhere, and a box may have its corners in any order.
    """
    if (points is None) != (labels is None):
        raise ValueError("points and labels must be given together")
    if points is None and box is None:
        raise ValueError("give points with labels, or a box")
    parts = []
    if box is not None:
        parts.append(Points.of_boxes(to_model_pixels(_read_corners(box), size, image_size)))
    if points is not None:
        kinds = _read_labels(labels)
        coords = _read_coords(points)
        if kinds.shape[1] != coords.shape[1]:
            raise ValueError(f"there are {coords.shape[1]} points and {kinds.shape[1]} labels: each point has one")
        parts.append(Points(to_model_pixels(coords, size, image_size), kinds))
    return parts[0] if len(parts) == 1 else parts[0].join(parts[1])


def _read_corners(box: Any) -> Tensor:
    """The box of one object as its corners (1, 2, 2)."""
    values = _numbers(box, "a box").float()
    if values.numel() != 4 or not values.isfinite().all():
        raise ValueError(f"a box is four finite numbers x0, y0, x1, y1, not {values.tolist()}")
    return values.reshape(1, 2, 2)


def _read_coords(points: Any) -> Tensor:
    """The points of one object (1, N, 2)."""
    coords = _numbers(points, "points").float()
    coords = coords[None] if coords.ndim == 2 else coords
    if coords.ndim != 3 or len(coords) != 1 or coords.shape[2] != 2 or not coords.isfinite().all():
        raise ValueError(f"points of one object are (N, 2), and finite numbers, not {coords.tolist()}")
    return coords


def _read_labels(labels: Any) -> Tensor:
    """The labels of one object's points (1, N)."""
    kinds = _numbers(labels, "labels").reshape(1, -1)
    if not torch.isin(kinds.float(), torch.tensor(LABELS)).all():
        raise ValueError(f"labels are 1 in the object, 0 outside it, not {kinds.flatten().tolist()}")
    return kinds.long()


def _numbers(values: Any, what: str) -> Tensor:
    if isinstance(values, Tensor):
        return values.detach().cpu()
    try:
        return torch.as_tensor(np.asarray(values))
    except (TypeError, ValueError):
        raise ValueError(f"{what} must be made of numbers, in rows of one length, not {values!r}") from None
