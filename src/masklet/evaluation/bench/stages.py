"""Where a work's time goes: the shares of the network's parts.

Measured in runs of their own, since reading the clock around every part makes a GPU wait. Parts are put in frames that
read it, and not given hooks, which compiled parts do not call.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from masklet.evaluation.bench.clock import Run, synchronise, time_once
from masklet.model import Sam2

PREPROCESS, REST = "preprocess", "rest"

STAGES = {
    "trunk": ("trunk",),
    "neck": ("neck",),
    "memory attention": ("memory_attention",),
    "decoder": (
        "prompt_encoder",
        "mask_decoder",
        "mask_decoder.stride4_projection",  # called for the image, outside of the decoder's own call
        "mask_decoder.stride8_projection",
    ),
    "memory encoder": ("memory_encoder",),
}
"""Stage -> the submodules of `Sam2` that make it up."""


def stage_shares(
    model: Sam2,
    run: Run,
    *,
    prepare: Run | None = None,
    repeats: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """The share of each stage in a work's time; they sum to one, `REST` being what is in none of them.

    prepare: the preprocessing that is part of `run`, which is timed by itself, as it is no part of the network.
    """
    device = model.device
    prepared = 0.0 if prepare is None else sum(time_once(prepare, device, clock) for _ in range(repeats))
    with timed_stages(model, clock) as seconds:
        total = sum(time_once(run, device, clock) for _ in range(repeats))
    stages = {PREPROCESS: prepared, **seconds}
    known = sum(stages.values())
    stages[REST] = max(0.0, total - known)
    whole = known + stages[REST]
    return {name: value / whole for name, value in stages.items()}


@contextmanager
def timed_stages(model: Sam2, clock: Callable[[], float] = time.perf_counter) -> Iterator[dict[str, float]]:
    """Seconds by stage, which grow as the model is used in the block."""
    seconds = dict.fromkeys(STAGES, 0.0)

    def add(stage: str, taken: float) -> None:
        seconds[stage] += taken

    replaced: list[tuple[nn.Module, str, nn.Module]] = []
    try:
        for stage, paths in STAGES.items():
            for path in reversed(paths):  # inner parts before those that hold them, which get another place
                parent, _, name = path.rpartition(".")
                owner, part = model.get_submodule(parent), model.get_submodule(path)
                replaced.append((owner, name, part))
                setattr(owner, name, _Timed(part, stage, add, model.device, clock))
        yield seconds
    finally:
        for owner, name, part in reversed(replaced):
            setattr(owner, name, part)


class _Timed(nn.Module):
    """Calls a part and says how long it took; everything else is asked of the part itself."""

    def __init__(
        self,
        part: nn.Module,
        stage: str,
        add: Callable[[str, float], None],
        device: torch.device,
        clock: Callable[[], float],
    ) -> None:
        super().__init__()
        self.part = part
        self._stage, self._add, self._device, self._clock = stage, add, device, clock

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        synchronise(self._device)
        start = self._clock()
        result = self.part(*args, **kwargs)
        synchronise(self._device)
        self._add(self._stage, self._clock() - start)
        return result

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("part"), name)
