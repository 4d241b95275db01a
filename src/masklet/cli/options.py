"""Options that several commands share, and how their values are read from the command line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from cyclopts import Parameter, Token

from masklet.cli.console import UsageError
from masklet.model import Sam2
from masklet.runtime.load import find_device, load_model


class Click(NamedTuple):
    """A point in image pixels; label 1 is inside the object, 0 outside."""

    x: float
    y: float
    label: int = 1


class Box(NamedTuple):
    """Corners in image pixels: left, top, right, bottom."""

    x0: float
    y0: float
    x1: float
    y1: float


def parse_click(text: str) -> Click:
    """A click from "X,Y" or "X,Y,LABEL"."""
    values = _numbers(text)
    if len(values) not in (2, 3):
        raise ValueError(f"{text!r} is no point: write X,Y or X,Y,0 (outside) or X,Y,1 (inside), in pixels")
    label = values[2] if len(values) == 3 else 1
    if label not in (0, 1):
        raise ValueError(f"{text!r} has the label {label:g}, which must be 1 (inside the object) or 0 (outside)")
    return Click(values[0], values[1], int(label))


def parse_box(text: str) -> Box:
    """A box from "X0,Y0,X1,Y1"."""
    values = _numbers(text)
    if len(values) != 4:
        raise ValueError(f"{text!r} is no box: write X0,Y0,X1,Y1, its left, top, right and bottom in pixels")
    box = Box(*values)
    if box.x1 <= box.x0 or box.y1 <= box.y0:
        raise ValueError(f"{text!r} is an empty box: its left must be less than its right, its top than its bottom")
    return box


def _numbers(text: str) -> list[float]:
    """Finite numbers between commas; an empty list where one is none."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        return []
    return values if all(map(math.isfinite, values)) else []


def _clicks(type_: Any, tokens: Sequence[Token]) -> tuple[Click, ...]:
    return tuple(parse_click(token.value) for token in tokens)


def _boxes(type_: Any, tokens: Sequence[Token]) -> tuple[Box, ...]:
    return tuple(parse_box(token.value) for token in tokens)


def _repeated(converter: Any) -> Parameter:
    """An option that is given once for each value; values may begin with a minus sign."""
    return Parameter(
        converter=converter,
        n_tokens=1,
        accepts_keys=False,
        allow_leading_hyphen=True,
        negative="",
        show_default=False,
    )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PromptOptions:
    """What to look for. All points, with at most one box and a mask, are one prompt; several boxes are several."""

    point: Annotated[tuple[Click, ...], _repeated(_clicks)] = ()
    """X,Y or X,Y,1: a pixel of the object; X,Y,0: a pixel that is not of it. Repeat it for more points."""

    box: Annotated[tuple[Box, ...], _repeated(_boxes)] = ()
    """X0,Y0,X1,Y1: left, top, right and bottom of the object in pixels. Repeat it for several objects."""

    mask: Path | None = None
    """A rough mask to refine: a picture of the image's size, zero (black) outside the object."""

    @property
    def points(self) -> list[tuple[float, float]] | None:
        """Coordinates of the clicks; None if there are none."""
        return [(click.x, click.y) for click in self.point] or None

    @property
    def labels(self) -> list[int] | None:
        """Labels of the clicks; None if there are none."""
        return [click.label for click in self.point] or None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which model, where and how large."""

    model: str = "nano"
    """A name from `masklet models list`, or the path of a checkpoint."""

    device: str | None = None
    """Where to run: cpu, cuda, mps. If not given, the fastest there is."""

    image_size: int | None = None
    """Side in pixels of the square that the model sees, a multiple of 32. If not given, the model's own."""

    def load(self) -> Sam2:
        """The model. UsageError for a device that is not here."""
        try:
            device = find_device(self.device)
        except ValueError as error:
            raise UsageError(str(error)) from None
        return load_model(self.model, device=device, image_size=self.image_size)
