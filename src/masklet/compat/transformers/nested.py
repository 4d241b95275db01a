"""Prompts as nested lists, the way `transformers` takes them: a level for images, objects, points and coordinates.

Lists may be ragged: where an image has fewer objects than another, or an object fewer points, the tensors are filled up
with `PAD_VALUE`. Boxes cannot be filled up. Coordinates are given in pixels of the original images, and come out in
those of the square that the model sees.

What differs from `transformers`, on purpose: every entry of a list is checked, not the first alone; tuples are lists;
an object with more labels than points is an error, not a label for a point that is not there; a single size counts for
all images; and a point is padding where both of its coordinates are, so that (-10, 40) is a point.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

PAD_VALUE = -10
"""Coordinate and label of what fills up ragged prompts (transformers)."""

Nested: TypeAlias = Sequence[Any] | np.ndarray | Tensor
"""Numbers in lists of lists of lists, or an array or tensor with as many axes."""


@dataclass(frozen=True)
class Nesting:
    """What the levels of an argument mean. example: how the smallest looks. num_coords: entries of the last level."""

    argument: str
    levels: tuple[str, ...]
    example: str
    num_coords: int | None = None

    @property
    def depth(self) -> int:
        """How many levels there are."""
        return len(self.levels)


POINTS = Nesting("input_points", ("image", "object", "point", "coordinate"), "[[[[x, y]]]]", num_coords=2)
LABELS = Nesting("input_labels", ("image", "object", "point"), "[[[1]]]")
BOXES = Nesting("input_boxes", ("image", "box", "coordinate"), "[[[x_min, y_min, x_max, y_max]]]", num_coords=4)


@dataclass(frozen=True)
class Canvas:
    """What prompts lie on. sizes: (height, width) in pixels of each original image, or of all. target_size: the side
    of the square that the model sees. pad_value: see `PAD_VALUE`."""

    sizes: Sequence[tuple[int, int]]
    target_size: int
    pad_value: int = PAD_VALUE


def encode_prompts(
    points: Nested | None, labels: Nested | None, boxes: Nested | None, canvas: Canvas
) -> dict[str, Tensor]:
    """What the models take, of what is given: `input_points` (B, P, N, 2) float32, `input_labels` (B, P, N) int64 and
    `input_boxes` (B, P, 4) float32, in model pixels.

    Without labels, points may lack the level of objects, as in an example of transformers' documentation: they are of
    one object an image. ValueError: other depths (the message shows the one that was expected and the one there is),
    labels that do not go with the points, different numbers of boxes, another number of images than of sizes.
    TypeError: an entry that is no number.
    """
    encoded: dict[str, Tensor] = {}
    kinds, labelled = (None, None) if labels is None else _read(labels, LABELS, canvas.pad_value)
    if points is not None:
        coords, given = _read(_with_objects(points) if labels is None else points, POINTS, canvas.pad_value)
        if kinds is not None and labelled is not None:
            _check_labels(given[..., 0], kinds, labelled)
        encoded["input_points"] = _scale_points(coords, canvas)
    if kinds is not None:
        if (kinds != kinds.round()).any():
            raise ValueError(f"input_labels holds {kinds[kinds != kinds.round()][0]:g}, but labels are whole numbers")
        encoded["input_labels"] = kinds.long()
    if boxes is not None:
        corners, given = _read(boxes, BOXES, canvas.pad_value)
        if not given.all():
            raise ValueError(
                f"the images have {_listing(given[..., 0].sum(1).tolist())} boxes in input_boxes, but must have "
                "equally many, for boxes cannot be filled up: give each image the same number, or run the images apart"
            )
        scales = _scales(len(corners), canvas, "input_boxes").repeat(1, 2)
        encoded["input_boxes"] = corners.float() * scales[:, None]
    return encoded


def read_sizes(sizes: Any, argument: str = "original_sizes") -> list[tuple[int, int]]:
    """(height, width) of each image, of a list, an array or a tensor (B, 2). ValueError names what is no size."""
    rows = list(_plain(sizes, argument)) if isinstance(sizes, Sequence | np.ndarray | Tensor) else [sizes]
    for row in rows:
        if not isinstance(row, list) or len(row) != 2 or not all(side >= 1 for side in row):
            raise ValueError(
                f"{argument} holds {row!r}, but must be a list of (height, width), one an image, in pixels"
            )
    return [(int(height), int(width)) for height, width in rows]


def _with_objects(points: Nested) -> Nested:
    """Points with the level of objects, where that alone is lacking."""
    if isinstance(points, np.ndarray | Tensor):
        return points[:, None] if points.ndim == POINTS.depth - 1 else points
    plain = _plain(points, POINTS.argument)
    return [[image] for image in plain] if set(_depths(plain)) == {POINTS.depth - 1} else plain


def _read(data: Nested, nesting: Nesting, pad_value: int) -> tuple[Float[Tensor, "*shape"], Bool[Tensor, "*shape"]]:
    """The numbers, filled up to one tensor (float64), and where they were given."""
    if isinstance(data, np.ndarray | Tensor):
        numbers = (data if isinstance(data, Tensor) else torch.tensor(data)).detach().cpu().double()
        _check_depth([numbers.ndim], nesting)
        if nesting.num_coords is not None and numbers.shape[-1] != nesting.num_coords:
            raise ValueError(
                f"{nesting.argument} has the shape {tuple(numbers.shape)}, but its last axis must be "
                f"{nesting.num_coords} long: {nesting.example}"
            )
        given = torch.ones_like(numbers, dtype=torch.bool)
    else:
        nested = _plain(data, nesting.argument)
        _check_depth(sorted(set(_depths(nested))), nesting)
        if nesting.num_coords is not None:
            _check_coords(nested, nesting)
        shape = _shape(nested, nesting.depth)
        numbers = torch.full(shape, pad_value, dtype=torch.float64)
        given = torch.zeros(shape, dtype=torch.bool)
        _fill(numbers, given, nested)
    if not numbers.isfinite().all():
        raise ValueError(f"{nesting.argument} holds NaN or infinity, but must be finite numbers")
    return numbers, given


def _plain(data: Any, argument: str) -> Any:
    """Lists of numbers of whatever holds them."""
    if isinstance(data, Tensor):
        return data.detach().cpu().tolist()
    if isinstance(data, np.ndarray | np.generic):
        return data.tolist()
    if isinstance(data, list | tuple):
        return [_plain(entry, argument) for entry in data]
    if isinstance(data, int | float):
        return data
    raise TypeError(f"{argument} holds {data!r}, which is {type(data).__name__}: numbers in lists were expected")


def _depths(nested: Any, depth: int = 0) -> Iterator[int]:
    """The levels above each number."""
    if not isinstance(nested, list):
        yield depth
        return
    for entry in nested:
        yield from _depths(entry, depth + 1)


def _check_depth(depths: list[int], nesting: Nesting) -> None:
    if depths != [nesting.depth]:
        found = f"{_listing(depths)} were given" if depths else "nothing is in the lists given"
        raise ValueError(
            f"{nesting.argument} takes {nesting.depth} levels of nesting ([{' level, '.join(nesting.levels)} level]), "
            f"but {found}: the smallest is {nesting.argument}={nesting.example}"
        )


def _check_coords(nested: list[Any], nesting: Nesting, depth: int = 1) -> None:
    for entry in nested:
        if depth + 1 < nesting.depth:
            _check_coords(entry, nesting, depth + 1)
        elif len(entry) != nesting.num_coords:
            raise ValueError(
                f"{nesting.argument} holds {entry} where {nesting.num_coords} coordinates were expected: "
                f"{nesting.example}"
            )


def _shape(nested: list[Any], depth: int) -> tuple[int, ...]:
    """The longest list of each level."""
    shape, level = [], [nested]
    for _ in range(depth):
        shape.append(max(len(entry) for entry in level))
        level = [inner for entry in level for inner in entry]
    return tuple(shape)


def _fill(numbers: Tensor, given: Tensor, nested: list[Any]) -> None:
    if numbers.ndim == 1:
        numbers[: len(nested)] = torch.tensor(nested, dtype=numbers.dtype)
        given[: len(nested)] = True
        return
    for index, entry in enumerate(nested):
        _fill(numbers[index], given[index], entry)


def _check_labels(
    points: Bool[Tensor, "B P N"], labels: Float[Tensor, "B P N2"], labelled: Bool[Tensor, "B P N2"]
) -> None:
    """Each point needs a label, and each label a point, but for those that say that there is none."""
    if points.shape != labels.shape:
        raise ValueError(
            "input_points and input_labels differ in their numbers of (images, objects, points): at most "
            f"{tuple(points.shape)} and {tuple(labels.shape)}; each point has one label"
        )
    wrong = (points & ~labelled) | (~points & labelled & (labels >= 0))
    if wrong.any():
        image, item, _ = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"object {item} of image {image} has {int(points[image, item].sum())} points in input_points and "
            f"{int(labelled[image, item].sum())} labels in input_labels; each point has one label"
        )


def _scale_points(coords: Tensor, canvas: Canvas) -> Float[Tensor, "B P N 2"]:
    coords = coords.float()
    scales = _scales(len(coords), canvas, "input_points")
    is_padding = (coords == canvas.pad_value).all(-1, keepdim=True)
    return torch.where(is_padding, coords, coords * scales[:, None, None])


def _scales(num_images: int, canvas: Canvas, argument: str) -> Float[Tensor, "B 2"]:
    """Model pixels an original pixel, in x and y, rounded to float32 before anything is multiplied (transformers)."""
    sizes = list(canvas.sizes) * num_images if len(canvas.sizes) == 1 else canvas.sizes
    if len(sizes) != num_images:
        raise ValueError(f"{argument} is for {num_images} images, but there are {len(sizes)}: give prompts for each")
    rows = [(canvas.target_size / width, canvas.target_size / height) for height, width in sizes]
    return torch.tensor(rows, dtype=torch.float32)


def _listing(counts: Sequence[int]) -> str:
    return " and ".join(str(count) for count in counts)
