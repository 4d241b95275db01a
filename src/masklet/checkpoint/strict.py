"""Strict loading: a checkpoint fits a model wholly, or one error names every tensor that does not, in the file's own
names."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from masklet.checkpoint.layouts import State, from_native, holds_memory, is_memory_part, to_native, with_copies
from masklet.checkpoint.names import Layout

_SHOWN = 8


@dataclass(frozen=True)
class Problems:
    """How tensors differ from a model's: names, and for each mis-shaped one the shape found and the one expected."""

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshapen: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    not_floating: tuple[str, ...] = ()
    """Tensors of integers or booleans, where all weights are floating-point numbers."""

    def __bool__(self) -> bool:
        return any((self.missing, self.unexpected, self.misshapen, self.not_floating))

    def __str__(self) -> str:
        shapes = (f"{name} is {found}, not {expected}" for name, found, expected in self.misshapen)
        lists = (
            ("missing", self.missing),
            ("unexpected", self.unexpected),
            ("of another shape", tuple(shapes)),
            ("not floating-point", self.not_floating),
        )
        return "; ".join(f"{len(names)} {kind}: {_shortened(names)}" for kind, names in lists if names)


class CheckpointMismatch(ValueError):
    """A checkpoint that does not fit the model. `problems` lists every difference."""

    def __init__(self, source: str | Path, problems: Problems) -> None:
        super().__init__(f"{source} does not fit the model. Tensors {problems}")
        self.problems = problems


class MemoryNotLoaded(nn.Module):
    """Stands in a model where memory parts would be that an image-only checkpoint does not hold."""

    def __init__(self, source: str | Path) -> None:
        super().__init__()
        self.source = str(source)

    def forward(self, *args: object, **kwargs: object) -> Tensor:
        raise ValueError(
            f"{self.source} holds the still-image parts of a model alone, so it cannot follow objects through a video: "
            "load a checkpoint with the memory parts"
        )


def compare(state: State, model_state: State, layout: Layout) -> Problems:
    """How a checkpoint's tensors differ from those of a model (native names), in the names of the checkpoint.

    One without any memory part is compared with the model's still-image parts; the official layout always has them.
    """
    if layout is not Layout.OFFICIAL and not holds_memory(state, layout):
        model_state = {name: tensor for name, tensor in model_state.items() if not is_memory_part(name)}
    expected = from_native(model_state, layout)
    found = with_copies(state, layout)
    return Problems(
        missing=tuple(name for name in expected if name not in found),
        unexpected=tuple(name for name in state if name not in expected),
        misshapen=tuple(
            (name, tuple(tensor.shape), tuple(expected[name].shape))
            for name, tensor in state.items()
            if name in expected and tensor.shape != expected[name].shape
        ),
        not_floating=tuple(name for name, tensor in state.items() if not tensor.is_floating_point()),
    )


def load_into(model: nn.Module, state: State, layout: Layout, source: str | Path = "the checkpoint") -> None:
    """Copy a checkpoint's tensors into a model, in the model's dtype and on its device.

    Strict: `CheckpointMismatch` where the two do not have the same tensors, and then nothing is loaded. A checkpoint
    without any memory part leaves a model whose memory parts say so when they are used, and which has none of their
    tensors.
    """
    if problems := compare(state, model.state_dict(), layout):
        raise CheckpointMismatch(source, problems)
    try:
        native = to_native(state, layout)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None
    if not holds_memory(state, layout):
        drop_memory(model, source)
    model.load_state_dict(native)


def drop_memory(model: nn.Module, source: str | Path) -> None:
    """Put stand-ins where the memory modules are, and nothing where single memory parameters are."""
    for name, _ in list(model.named_children()):
        if is_memory_part(f"{name}."):
            setattr(model, name, MemoryNotLoaded(source))
    for name, _ in list(model.named_parameters(recurse=False)):
        if is_memory_part(name):
            setattr(model, name, None)


def _shortened(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
