"""Carrying a set of tensors from one checkpoint layout to another, by the tables of `names`.

Nothing is computed: tensors are renamed, and the rows of the label table stacked or taken apart, so a conversion there
and back returns the same bits, whatever the dtype. Meta tensors work too, which is how expected names and shapes are
found without weights.
"""

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from masklet.checkpoint.names import MEMORY_PARTS, TABLES, Layout

State = dict[str, Tensor]
"""Tensors by name."""


def to_native(state: State, layout: Layout) -> State:
    """Tensors of a foreign layout under native names.

    Tensors the layout does not know keep their names. ValueError where two copies of one tensor differ, or where a
    part of a stacked tensor is missing.
    """
    if layout is Layout.MASKLET:
        return dict(state)
    table = TABLES[layout]
    rest = _without_copies(state, layout)
    native: State = {}
    for name, parts in table.stacks.items():
        rows = [rest.pop(part, None) for part, _ in parts]
        if present := [row for row in rows if row is not None]:
            if len(present) < len(parts):
                missing = ", ".join(part for (part, _), row in zip(parts, rows, strict=True) if row is None)
                raise ValueError(f"a part of the label embeddings is missing: {missing}")
            native[name] = torch.cat(present)
    for name, tensor in rest.items():
        native[_native_or_same(name, layout)] = tensor
    return native


def from_native(state: State, layout: Layout) -> State:
    """Native tensors under a foreign layout's names. The image layout leaves the memory parts out.

    ValueError names a tensor that no SAM 2 model has.
    """
    if layout is Layout.MASKLET:
        return dict(state)
    table = TABLES[layout]
    foreign: State = {}
    for name, tensor in state.items():
        if layout is Layout.HF_IMAGE and is_memory_part(name):
            continue
        if name in table.stacks:
            parts = table.stacks[name]
            rows = tensor.split([count for _, count in parts])
            foreign.update((part, row) for (part, _), row in zip(parts, rows, strict=True))
        elif renamed := foreign_name(name, layout):
            foreign[renamed] = tensor
        else:
            raise ValueError(f"no tensor of a SAM 2 model is named {name!r}")
    for copy, original in table.copies.items():
        if original in foreign:
            foreign[copy] = foreign[original]
    return foreign


@cache
def native_name(name: str, layout: Layout) -> str | None:
    """The native name of a foreign tensor; None for one the layout does not know or that has no native one alone."""
    for renaming in _renamings(layout):
        if match := renaming.foreign.fullmatch(name):
            return match.expand(renaming.to_native)
    return None


@cache
def foreign_name(name: str, layout: Layout) -> str | None:
    """The foreign name of a native tensor; None for an unknown one or one that is several there."""
    for renaming in _renamings(layout):
        if match := renaming.native.fullmatch(name):
            return match.expand(renaming.to_foreign)
    return None


def knows(name: str, layout: Layout) -> bool:
    """Whether a layout has tensors of this (foreign) name in some model."""
    if layout is Layout.MASKLET:
        return name in TABLES[Layout.OFFICIAL].stacks or foreign_name(name, Layout.OFFICIAL) is not None
    table = TABLES[layout]
    parts = {part for stack in table.stacks.values() for part, _ in stack}
    return name in parts or name in table.copies or native_name(name, layout) is not None


def is_memory_part(native: str) -> bool:
    """Whether a native tensor serves video alone."""
    return native.startswith(MEMORY_PARTS)


def holds_memory(names: Iterable[str], layout: Layout) -> bool:
    """Whether any of a layout's tensor names is of the memory parts."""
    return any(is_memory_part(_native_or_same(name, layout)) for name in names)


def native_shapes(state: State, layout: Layout) -> dict[str, tuple[int, ...]]:
    """Shapes under native names, of those tensors that have one of their own."""
    return {_native_or_same(name, layout): tuple(tensor.shape) for name, tensor in state.items()}


def copies(layout: Layout) -> dict[str, str]:
    """Second names, in the layout, of tensors that are stored twice, each with the first."""
    return {} if layout is Layout.MASKLET else TABLES[layout].copies


def with_copies(state: State, layout: Layout) -> State:
    """The tensors, those stored under two names being there under both."""
    both = dict(state)
    for copy, original in copies(layout).items():
        for here, there in ((copy, original), (original, copy)):
            if here in both:
                both.setdefault(there, both[here])
    return both


def _native_or_same(name: str, layout: Layout) -> str:
    return name if layout is Layout.MASKLET else native_name(name, layout) or name


def _without_copies(state: State, layout: Layout) -> State:
    rest = dict(state)
    for copy, original in copies(layout).items():
        if copy not in rest:
            continue
        tensor = rest.pop(copy)
        kept = rest.setdefault(original, tensor)
        if not kept.is_meta and not (kept.shape == tensor.shape and torch.equal(kept, tensor)):
            raise ValueError(f"{copy} and {original} are the same tensor in a SAM 2 model, but differ here")
    return rest


@dataclass(frozen=True)
class _Renaming:
    """One pair of names without alternatives, as a pattern for each side and what a match becomes on the other."""

    native: re.Pattern[str]
    foreign: re.Pattern[str]
    to_native: str
    to_foreign: str


@cache
def _renamings(layout: Layout) -> tuple[_Renaming, ...]:
    pairs = []
    for native, foreign in TABLES[layout].rules:
        pairs += zip(_alternatives(native), _alternatives(foreign), strict=True)
    return tuple(
        _Renaming(re.compile(_pattern(native)), re.compile(_pattern(foreign)), _template(native), _template(foreign))
        for native, foreign in pairs
    )


def _alternatives(rule: str) -> list[str]:
    """Every reading of the braces in one side of a rule, the last brace varying fastest."""
    pieces = re.split(r"\{(.*?)\}", rule)
    choices = [piece.split(",") if place % 2 else [piece] for place, piece in enumerate(pieces)]
    return ["".join(reading) for reading in itertools.product(*choices)]


def _pattern(name: str) -> str:
    return re.escape(name).replace(r"\#", r"(\d+)").replace(r"\*", "(weight|bias)")


def _template(name: str) -> str:
    groups = itertools.count(1)
    return re.sub(r"[#*]", lambda _: rf"\g<{next(groups)}>", name)
