"""How long a run takes and how much memory, measured before it starts by a few of its own steps.

Of each source a batch is really made and learned from, on one device; afterwards the weights are as before. With
several devices a step takes a little longer, as their gradients are joined.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice

import torch
from torch import Tensor

from masklet.model import Sam2
from masklet.training.run_config import RunConfig
from masklet.training.trial import Trial

LOOK_AHEAD = 200
"""Batches of the plan in which those of each source are counted."""

MAX_STEPS = 4
"""Steps to measure for a source, since what is asked about a batch differs; one more comes first, which is slower."""

MAX_SECONDS = 20.0
"""After so many for a source, no further step is measured."""


@dataclass(frozen=True)
class Estimate:
    """seconds_per_step: of the optimiser, without waiting for data. peak_bytes: of the device's memory; on a CPU of
    weights, gradients, the optimiser's moments and what is kept for the backward pass alone. text: a line to print."""

    seconds_per_step: float
    peak_bytes: int
    text: str


def estimate(trial: Trial, config: RunConfig, num_steps: int) -> Estimate:
    """Measure a run of so many steps on one device, which takes several of them."""
    numbers: dict[int, list[int]] = defaultdict(list)
    for number in range(LOOK_AHEAD):
        numbers[trial.lessons.plan.source(number)].append(number)
    seconds, peak = 0.0, 0
    with trial:
        for of_source in numbers.values():
            per_batch, memory = _measure(trial, of_source)
            seconds += per_batch * len(of_source) / LOOK_AHEAD
            peak = max(peak, memory)
        if config.average:
            peak += _num_bytes(trial.trained.values())
    seconds *= config.run.accumulate
    lower = "" if trial.device.type == "cuda" else "at least "
    text = (
        f"{num_steps:,} steps of about {seconds:.2g} s take {_in_words(num_steps * seconds)} on {trial.device}, and "
        f"{lower}{peak / 1e9:.2g} GB of its memory (measured: up to {MAX_STEPS} steps of each source, one process)"
    )
    return Estimate(seconds, peak, text)


def _measure(trial: Trial, numbers: list[int]) -> tuple[float, int]:
    """Seconds of a step on a source's first batch, with the prompts of several, and bytes of memory."""
    batch = trial.batch(numbers[0])
    on_gpu = trial.device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(trial.device)
    began, spent = 0.0, []
    kept: list[int] = []
    for count, number in enumerate(islice(cycle(numbers), MAX_STEPS + 1)):
        started = time.monotonic()
        began = began or started
        if on_gpu:
            trial.step(batch, number)
            torch.cuda.synchronize(trial.device)
        else:
            with _counting(kept, trial.model):
                trial.step(batch, number)
        if count:
            spent.append(time.monotonic() - started)
        if spent and time.monotonic() - began > MAX_SECONDS:
            break
    if on_gpu:
        return sum(spent) / len(spent), torch.cuda.max_memory_allocated(trial.device)
    learned = _num_bytes(trial.trained.values())
    held = _num_bytes(trial.model.state_dict().values()) + 3 * learned  # a gradient and two moments for each weight
    return sum(spent) / len(spent), held + max(kept)


@contextmanager
def _counting(kept: list[int], model: Sam2) -> Iterator[None]:
    """Appends how many bytes are kept for the backward pass of the step inside, but for weights."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    storages: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield
    kept.append(sum(size for place, size in storages.items() if place not in weights))


def _num_bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _in_words(seconds: float) -> str:
    for length, name in ((3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.1f} {name}"
    return f"{seconds:.0f} s"
