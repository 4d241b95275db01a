"""What is learned from, batch by batch: the clips of the plan, and what is asked about them.

A batch and its losses follow from the seed, the batch's number and the process alone. Decisions that shape the work,
such as which frames are prompted, are the same in all processes; where clicks fall is each process's own.
"""

from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np
import torch

from masklet.model import Sam2
from masklet.training.data.loader import Destination, LoaderConfig, TrainingSource, batches
from masklet.training.data.plan import Plan
from masklet.training.drift import DriftConfig
from masklet.training.losses import LossConfig
from masklet.training.precision import Precision, precision
from masklet.training.prompts import PromptConfig
from masklet.training.samples import ClipBatch
from masklet.training.step import StepConfig, StepLosses, train_step

DECISIONS, CLICKS = 1, 2
"""Streams of random numbers of a batch, apart from those that its clips are drawn with."""


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """The batches of a run and their losses. prompts: for each of the sources, those of its clips."""

    plan: Plan
    sources: tuple[TrainingSource, ...]
    prompts: tuple[PromptConfig, ...]
    loss: LossConfig
    drift: DriftConfig = field(default_factory=DriftConfig)
    precision: Precision = "float32"
    loader: LoaderConfig = field(default_factory=LoaderConfig)

    def batches(self, start: int, destination: Destination) -> Generator[ClipBatch, None, None]:
        """The batches from number `start` on, without end; close it to end its workers."""
        return batches(self.plan, self.sources, self.loader, start_step=start, destination=destination)

    def losses(self, model: Sam2, batch: ClipBatch, number: int, rank: int = 0) -> StepLosses:
        """The losses on a batch, by its number."""
        seed = self.plan.seed
        clicks = np.random.SeedSequence([seed, number, rank, CLICKS]).generate_state(1, np.uint64)
        with precision(self.precision, batch.pixels.device):
            return train_step(
                model,
                batch,
                StepConfig(prompts=self.prompts[self.plan.source(number)], drift=self.drift, loss=self.loss),
                np.random.default_rng([seed, number, DECISIONS]),
                torch.Generator().manual_seed(int(clicks[0])),
            )

    def describe(self, number: int, rank: int = 0, world_size: int = 1) -> str:
        """Which clips a batch has, for messages."""
        source, items = self.plan.batch(number, rank, world_size)
        return f"items {', '.join(map(str, items))} of {self.sources[source].name}"
