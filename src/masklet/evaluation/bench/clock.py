"""Times of works: each is run several times, in turns with others if there are any, and its median told.

Medians, because on a machine with something else to do the mean is of that as well; quartiles say how much it was.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

MIN_SECONDS = 0.5
"""Works that take milliseconds are run more often than asked for, until they have taken so long."""

MAX_TURNS = 500
"""But not more often than this."""

Run = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long each run of a work took, in seconds, in order; warm-ups left out."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """In seconds."""
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The lower and the upper one, in seconds."""
        if len(self.seconds) == 1:
            return self.seconds[0], self.seconds[0]
        lower, _, upper = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return lower, upper


def num_warm_ups(repeats: int) -> int:
    """Runs before those that count: a quarter as many, at least one. Upstream's benchmark has 5 before 20."""
    return max(1, repeats // 4)


def interleave(
    works: Mapping[str, Run],
    *,
    repeats: int,
    device: torch.device | str = "cpu",
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Time works by taking turns, so that a noisy machine is noisy for all of them.

    repeats: how often each is run at least, after its warm-ups. device: what it is waited for before the clock is read.
    ValueError: no repeats.
    """
    if repeats < 1:
        raise ValueError(f"repeats is {repeats}, but at least one run is needed to time it")
    for _ in range(num_warm_ups(repeats)):
        for work in works.values():
            work()
    synchronise(device)
    seconds: dict[str, list[float]] = {name: [] for name in works}
    spent = 0.0
    for turn in range(max(repeats, MAX_TURNS)):
        if turn >= repeats and spent >= MIN_SECONDS:
            break
        for name, work in works.items():
            taken = time_once(work, device, clock)
            seconds[name].append(taken)
            spent += taken
    return {name: Timing(seconds=tuple(values)) for name, values in seconds.items()}


def measure(
    work: Run,
    *,
    repeats: int,
    device: torch.device | str = "cpu",
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Time one work; see `interleave`."""
    return interleave({"": work}, repeats=repeats, device=device, clock=clock)[""]


def time_once(work: Run, device: torch.device | str, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of one run, until the device has finished it. What was queued before is to be waited for first."""
    start = clock()
    work()
    synchronise(device)
    return clock() - start


def synchronise(device: torch.device | str) -> None:
    """Wait until an accelerator has done all that it was given; the CPU never lags behind."""
    place = torch.device(device)
    if place.type == "cuda":
        torch.cuda.synchronize(place)
    elif place.type == "mps":
        torch.mps.synchronize()
