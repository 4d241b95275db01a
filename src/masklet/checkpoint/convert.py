"""From one checkpoint file to another, and what a file is."""

from dataclasses import dataclass
from pathlib import Path

import torch

from masklet.checkpoint import files
from masklet.checkpoint.layouts import State, copies, holds_memory, to_native
from masklet.checkpoint.names import Layout
from masklet.checkpoint.recognise import Recognised, UnknownArchitecture, find_layout, recognise_contents
from masklet.checkpoint.save import container, save
from masklet.checkpoint.strict import CheckpointMismatch, Problems, compare
from masklet.config import ModelConfig
from masklet.model import Sam2


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint file is.

    variant: the preset that it is of, or None. config: None where neither the file nor the shapes tell it.
    num_tensors: as the file counts them. num_parameters: numbers in all, those stored twice counted once. dtype: the
    tensors', or None where they differ. has_memory: False for a model of still images alone. problems: how the tensors
    differ from the model's; false if they do not.
    """

    path: Path
    layout: Layout
    variant: str | None
    config: ModelConfig | None
    num_tensors: int
    num_parameters: int
    dtype: torch.dtype | None
    has_memory: bool
    problems: Problems


def inspect(path: str | Path) -> CheckpointInfo:
    """Look at a checkpoint without loading it. ValueError where it is damaged, or not of a SAM 2 model."""
    contents = files.read(path)
    state = contents.state
    try:
        recognised = recognise_contents(contents)
    except UnknownArchitecture:
        recognised = None
    layout = recognised.layout if recognised else find_layout(state)
    twice = {copy for copy, original in copies(layout).items() if original in state}
    dtypes = {tensor.dtype for tensor in state.values()}
    return CheckpointInfo(
        path=Path(path),
        layout=layout,
        variant=recognised.variant if recognised else None,
        config=recognised.config if recognised else None,
        num_tensors=len(state),
        num_parameters=sum(tensor.numel() for name, tensor in state.items() if name not in twice),
        dtype=dtypes.pop() if len(dtypes) == 1 else None,
        has_memory=recognised.has_memory if recognised else holds_memory(state, layout),
        problems=_problems(state, recognised) if recognised else Problems(),
    )


def convert(
    source: str | Path,
    target: str | Path,
    layout: Layout | str,
    *,
    dtype: torch.dtype | None = None,
    config: ModelConfig | None = None,
) -> CheckpointInfo:
    """Write a checkpoint in another layout; see `save` for what `target` may be. Says what was written.

    dtype: None keeps every tensor's bits. config: of the model, where the source does not tell it. ValueError where
    the source is no whole SAM 2 model, or lacks the memory parts that the layout has.
    """
    layout = Layout(layout)
    container(Path(target), layout)  # before the work, not after it
    contents = files.read(source)
    recognised = recognise_contents(contents, config)
    if problems := _problems(contents.state, recognised):
        raise CheckpointMismatch(source, problems)
    native = to_native(contents.state, recognised.layout)
    written = save(target, native, recognised.config, layout, dtype=dtype)
    return inspect(written)


def _problems(state: State, recognised: Recognised) -> Problems:
    with torch.device("meta"):
        expected = Sam2(recognised.config).state_dict()
    return compare(state, expected, recognised.layout)
