"""From what a person says to what the model takes: prompts checked, scaled to model pixels, and grouped.

Prompts with the same number of points form one group and run as one batch. Nothing is padded, because a padding point
is a token that the model sees: a ragged set of prompts gives the numbers that each prompt gives alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from masklet.ops.coordinates import to_model_pixels
from masklet.ops.masks import mask_to_logits
from masklet.types import PointLabel, Points, Prompt

LABELS = tuple(int(label) for label in PointLabel)


@dataclass(frozen=True)
class PromptGroup:
    """Prompts of one image that run as one batch. `rows` says which prompts they are; `mask` holds low-res logits."""

    rows: list[int]
    points: Points | None
    mask: Tensor | None


@dataclass(frozen=True)
class ParsedPrompt:
    """Groups of an image's `num_prompts` prompts; `single` says that one came without the axis P."""

    groups: list[PromptGroup]
    num_prompts: int
    single: bool


def parse_prompt(prompt: Prompt, image_size: tuple[int, int], model_side: int, mask_side: int) -> ParsedPrompt:
    """Check a prompt for an image of `image_size` (height, width) and bring it to model pixels, on the CPU.

    ValueError names what is wrong: no prompt at all, points without labels, shapes that disagree, labels that mean
    nothing, coordinates that are not numbers, boxes with corners in the wrong order, masks of another size. Points
    outside the image are allowed.
    """
    points, labels = _parse_points(prompt.points, prompt.labels)
    boxes = None if prompt.boxes is None else _parse_boxes(prompt.boxes)
    mask = None if prompt.mask is None else _parse_mask(prompt.mask, image_size, mask_side)
    parts = {"points": points, "boxes": boxes, "mask": mask}
    lengths = {name: len(value) for name, value in parts.items() if value is not None}
    if not lengths:
        raise ValueError("an empty prompt: give points with labels, boxes or a mask")
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} for {count}" for name, count in lengths.items())
        raise ValueError(f"the parts of a prompt are for different numbers of objects: {found}")

    num_prompts = next(iter(lengths.values()))
    rows: list[tuple[np.ndarray, np.ndarray]] = []
    for row in range(num_prompts):
        coords, kinds = np.zeros((0, 2), np.float32), np.zeros(0, np.int64)
        if boxes is not None:  # a box goes first, as in the released models' training
            coords = boxes[row]
            kinds = np.array([PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT], np.int64)
        if points is not None:
            coords, kinds = np.concatenate((coords, points[row])), np.concatenate((kinds, labels[row]))
        if not len(kinds) and mask is None:
            raise ValueError(f"an empty prompt: number {row} has neither points, nor a box, nor a mask")
        rows.append((coords, kinds))

    groups = []
    for count in sorted({len(kinds) for _, kinds in rows}):
        members = [row for row, (_, kinds) in enumerate(rows) if len(kinds) == count]
        coords = torch.from_numpy(np.stack([rows[row][0] for row in members]))
        kinds = torch.from_numpy(np.stack([rows[row][1] for row in members]))
        group_points = Points(to_model_pixels(coords, image_size, model_side), kinds) if count else None
        groups.append(PromptGroup(members, group_points, None if mask is None else mask[members]))
    return ParsedPrompt(groups, num_prompts, _is_single(prompt, image_size))


def _is_single(prompt: Prompt, image_size: tuple[int, int]) -> bool:
    """Whether no part of the prompt has the axis P. Logits of one prompt are (1, h, w), a binary mask is (H, W)."""
    if prompt.boxes is not None:
        return np.ndim(_to_numpy(prompt.boxes)) == 1
    if prompt.points is not None:
        return not _is_list_of_prompts(prompt.points)
    shape = np.shape(_to_numpy(prompt.mask))
    return len(shape) == 2 or (len(shape) == 3 and shape[0] == 1 and shape[1:] != image_size)


def _parse_points(points: object, labels: object) -> tuple[list[np.ndarray] | None, list[np.ndarray]]:
    if points is None and labels is None:
        return None, []
    if points is None or labels is None:
        given, missing = ("labels", "points") if points is None else ("points", "labels")
        raise ValueError(f"{given} came without {missing}: every point needs a label, 1 in the object, 0 outside it")
    several = _is_list_of_prompts(points)
    point_rows = list(points) if several else [points]  # type: ignore[arg-type]
    if several and (not isinstance(labels, Sequence | np.ndarray | Tensor) or len(labels) != len(point_rows)):
        raise ValueError(f"points of {len(point_rows)} prompts need as many rows of labels, but labels are {labels!r}")
    label_rows = list(labels) if several else [labels]  # type: ignore[call-overload]
    pairs = [_parse_point_row(p, kinds) for p, kinds in zip(point_rows, label_rows, strict=True)]
    return [coords for coords, _ in pairs], [kinds for _, kinds in pairs]


def _parse_point_row(points: object, labels: object) -> tuple[np.ndarray, np.ndarray]:
    coords = _numbers(points, "points")
    kinds = _numbers(labels, "labels")
    if coords.size == kinds.size == 0:
        return np.zeros((0, 2), np.float32), np.zeros(0, np.int64)
    if coords.ndim != 2 or coords.shape[1] != 2:
        raise ValueError(f"points of a prompt have the shape {coords.shape}, but it must be (N, 2): a row (x, y) each")
    if kinds.shape != (len(coords),):
        raise ValueError(f"{len(coords)} points need labels of the shape ({len(coords)},), not {kinds.shape}")
    if unknown := sorted(set(kinds.tolist()) - set(LABELS)):
        raise ValueError(f"labels {unknown} mean nothing: 1 is in the object, 0 outside it, -1 is padding")
    return coords, kinds.astype(np.int64)


def _parse_boxes(boxes: object) -> np.ndarray:
    corners = _numbers(boxes, "boxes")
    if corners.ndim not in (1, 2) or corners.shape[-1] != 4:
        raise ValueError(f"boxes have the shape {corners.shape}, but it must be (4,) or (P, 4): x0, y0, x1, y1")
    corners = corners.reshape(-1, 4)
    crossed = (corners[:, 2:] < corners[:, :2]).any(1)
    if crossed.any():
        box = corners[crossed][0].tolist()
        raise ValueError(
            f"box {box} has its corners in the wrong order: it must be x0, y0, x1, y1 with x0 <= x1, y0 <= y1"
        )
    return corners.reshape(-1, 2, 2)


def _parse_mask(mask: object, image_size: tuple[int, int], mask_side: int) -> Tensor:
    values = torch.as_tensor(_to_numpy(mask))
    if values.ndim == 4 and values.shape[1] == 1:
        values = values[:, 0]
    elif values.ndim == 2:
        values = values[None]
    size = tuple(values.shape[1:])
    binary = size == image_size and bool(not values.is_floating_point() or ((values == 0) | (values == 1)).all())
    logits = size == (mask_side, mask_side) and values.is_floating_point()
    if values.ndim != 3 or not (binary or logits):
        raise ValueError(
            f"a mask prompt of the shape {tuple(np.shape(_to_numpy(mask)))} fits nothing: a binary mask has the "
            f"image's size {image_size}, low-res logits are {mask_side} x {mask_side}"
        )
    if binary:
        return mask_to_logits(values != 0, mask_side)[:, None]
    if not values.isfinite().all():
        raise ValueError("a mask prompt's logits hold NaN or infinity")
    return values.float()[:, None]


def _is_list_of_prompts(points: object) -> bool:
    if isinstance(points, np.ndarray | Tensor):
        return points.ndim == 3
    if not isinstance(points, Sequence) or not points:
        return False
    return any(isinstance(row, Sequence | np.ndarray | Tensor) and np.ndim(_to_numpy(row)) == 2 for row in points)


def _to_numpy(values: object) -> np.ndarray:
    if isinstance(values, Tensor):
        return values.detach().cpu().float().numpy() if values.is_floating_point() else values.detach().cpu().numpy()
    return np.asarray(values)


def _numbers(values: object, what: str) -> np.ndarray:
    try:
        array = _to_numpy(values).astype(np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} are not numbers in rows of equal length: {values!r}") from error
    if not np.isfinite(array).all():
        raise ValueError(f"{what} hold NaN or infinity: {array.tolist()}")
    return array
