"""What a report shows, before it is HTML: numbers, tables, curves and pictures, in sections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Headline:
    """A few values, named, to see before all else."""

    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of cells; numbers stand to the right, texts to the left."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str | float]]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line of a chart."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Curves over the same axes. y_range: None: what the curves span."""

    title: str
    x_label: str
    y_label: str
    curves: Sequence[Curve]
    y_range: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image, 8-bit RGB (H, W, 3), and what is seen on it."""

    image: np.ndarray
    caption: str


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Pictures side by side."""

    pictures: Sequence[Picture]


Part: TypeAlias = Headline | Table | Chart | Gallery


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading, perhaps a sentence, and what there is to see."""

    heading: str
    text: str = ""
    parts: Sequence[Part] = ()


@dataclass(frozen=True, kw_only=True)
class Page:
    """A whole report. facts: what was measured, with what, where: names and values."""

    title: str
    facts: Mapping[str, str] = field(default_factory=dict)
    sections: Sequence[Section] = ()
