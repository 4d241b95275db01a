"""The plan of a run: which source each step learns from, and which of its items each process takes.

A batch is of one source, as upstream's `TorchTrainMixedDataset` has it: clips of images and of videos differ in length.
Of a source, every item is taken once before any is taken again, in a new random order each time.

Upstream draws the source of each step at random; here sources are interleaved as evenly as their weights allow, and go
on to their next pass when they are through, so that no part of a run lacks one. Nothing is remembered from step to
step: the plan of any step follows from the seed, and a run that is resumed goes on exactly.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True, kw_only=True)
class PlannedSource:
    """What the plan knows of a source."""

    num_items: int
    batch_size: int = 1
    """Clips that each process takes of it in a step."""
    weight: float | None = None
    """How often it has its turn, relative to the others. None, of all sources: in proportion to its batches, so that
    all are through at the same time."""

    def __post_init__(self) -> None:
        for name in ("num_items", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but it must be at least 1")
        if self.weight is not None and not 0 < self.weight < math.inf:
            raise ValueError(f"weight is {self.weight}, but it must be a number above 0: leave out sources not wanted")

    @property
    def num_batches(self) -> Fraction:
        """Batches of one process in a pass over the items."""
        return Fraction(self.num_items, self.batch_size)


class PlannedBatch(NamedTuple):
    """One process's part of a step: the number of a source, and those of its items."""

    source: int
    items: tuple[int, ...]


class Plan:
    """Steps without end over one or more sources. ValueError where some have a weight and others do not."""

    def __init__(self, sources: Sequence[PlannedSource], seed: int = 0) -> None:
        if not sources:
            raise ValueError("there is no source to learn from: name at least one")
        self.sources = tuple(sources)
        self.seed = seed
        # A source's share is of the steps that those before it leave.
        weights = _weights(self.sources)
        self._shares = [weight / sum(weights[index:]) for index, weight in enumerate(weights)]
        self._orders: dict[int, tuple[int, np.ndarray]] = {}

    def batch(self, step: int, rank: int = 0, world_size: int = 1) -> PlannedBatch:
        """What process `rank` of `world_size` takes in a step, counted from 0. All take of the same source."""
        if not (step >= 0 and 0 <= rank < world_size):
            raise ValueError(f"there is no batch of step {step}, process {rank} of {world_size}: both count from 0")
        source, turn = self._turn(step)
        size = self.sources[source].batch_size
        first = (turn * world_size + rank) * size
        return PlannedBatch(source, tuple(self._item(source, first + slot) for slot in range(size)))

    def source(self, step: int) -> int:
        """The number of the source that all processes take of in a step; without looking for items."""
        return self._turn(step)[0]

    def steps_per_epoch(self, world_size: int = 1) -> int:
        """Steps that are as many batches as the sources have together.

        Each source is then gone through once, unless weights say otherwise.
        """
        return math.ceil(sum(source.num_batches for source in self.sources) / world_size)

    def _turn(self, step: int) -> tuple[int, int]:
        """The source of a step, and how many turns it had before."""
        for source, share in enumerate(self._shares):
            before, after = _rounded(step * share), _rounded((step + 1) * share)
            if after > before:
                return source, before
            step -= before
        raise AssertionError("the last source takes all that is left")

    def _item(self, source: int, place: int) -> int:
        """The item at a place in the endless row of a source's items, pass after pass."""
        number, place = divmod(place, self.sources[source].num_items)
        kept = self._orders.get(source)
        if kept is None or kept[0] != number:
            # An order costs a moment where items are millions; the latest of each source is kept.
            rng = np.random.default_rng([self.seed, source, number])
            kept = self._orders[source] = (number, rng.permutation(self.sources[source].num_items))
        return int(kept[1][place])


def _weights(sources: Sequence[PlannedSource]) -> list[Fraction]:
    given = [source.weight for source in sources if source.weight is not None]
    if given and len(given) < len(sources):
        raise ValueError(f"{len(given)} of {len(sources)} sources have a weight: give one to each of them, or to none")
    # Exact as they are written, 0.1 being a tenth: rounding would add up over a long run.
    return [Fraction(str(weight)) for weight in given] or [source.num_batches for source in sources]


def _rounded(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))
