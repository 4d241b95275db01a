"""How good a model is on clips that it does not learn from: one click in the middle, then it follows on its own.

Nothing is random, so numbers of one run can be compared, and those of two. IoU is measured at the model's pixels, as
means over objects; `masklet evaluate` measures at full size, by the protocols of the field.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from masklet.model import Sam2
from masklet.ops.masks import resize_logits
from masklet.tracking.memory_bank import MemoryBank
from masklet.tracking.policy import MemoryPolicy
from masklet.tracking.step import answer, look_back, remember
from masklet.training.data.collate import choose_objects
from masklet.training.data.loader import Destination, LoaderConfig, TrainingSource, batches
from masklet.training.data.plan import Plan, PlannedBatch, PlannedSource
from masklet.training.losses import true_iou
from masklet.training.precision import Precision, precision
from masklet.training.samples import Clip, ClipBatch, ClipSource
from masklet.training.step import encode_frames
from masklet.types import PointLabel, Points

MEASURES = ("best_iou", "chosen_iou", "tracked_iou")
"""Of the first frame's three candidates the best, and the one that the model rates best; and on all later frames."""


class FixedClips:
    """Some clips of a source, evenly chosen and always the same, of limited numbers of objects, as a `ClipSource`."""

    def __init__(self, clips: ClipSource, num_clips: int, max_objects: int | None) -> None:
        self.clips = clips
        self.items = np.linspace(0, len(clips) - 1, min(num_clips, len(clips))).round().astype(int).tolist()
        self.max_objects = max_objects

    def __len__(self) -> int:
        return len(self.items)

    def draw(self, index: int, rng: np.random.Generator) -> Clip:
        """The clip at a place, whatever the random state."""
        own = np.random.default_rng(self.items[index])
        clip = self.clips.draw(self.items[index], own)
        num_objects = clip.masks.shape[1]
        return choose_objects(clip, min(self.max_objects or num_objects, num_objects), own)


@dataclass(frozen=True, kw_only=True)
class Validator:
    """Measures a model on sources of `FixedClips`."""

    sources: tuple[TrainingSource, ...]
    precision: Precision
    loader: LoaderConfig

    def measure(self, run: Callable[[Callable[[Sam2], Tensor]], Tensor], destination: Destination) -> dict[str, float]:
        """Means of those of `MEASURES` that there are, of all sources together; each process measures a part.

        run: calls a function with the model, as `Trainer` does. All processes have to call this.
        """
        sums = torch.zeros(len(MEASURES), 2, device=destination.device)
        for source in self.sources:
            plan = _InOrder(len(source.clips), source.batch_size)
            with closing(batches(plan, [source], self.loader, destination=destination)) as made:
                for step, batch in enumerate(islice(made, plan.num_steps(destination.world_size))):
                    real = plan.num_real(step, destination)
                    with torch.no_grad(), precision(self.precision, destination.device):
                        sums += run(lambda model, batch=batch, real=real: measure_batch(model, batch, real))
        if destination.world_size > 1:
            torch.distributed.all_reduce(sums)
        return {name: total / count for name, (total, count) in zip(MEASURES, sums.tolist(), strict=True) if count}


def score(found: Mapping[str, float]) -> float:
    """By which of two models is better: the mean of the IoU of the chosen candidates and that of later frames."""
    ious = [found[name] for name in MEASURES[1:] if name in found]
    return sum(ious) / len(ious)


def measure_batch(model: Sam2, batch: ClipBatch, num_clips: int) -> Float[Tensor, "3 2"]:
    """Sum and number for each of `MEASURES`, over the objects of the first so many clips."""
    policy = MemoryPolicy.of_model(model.config.memory)
    bank = MemoryBank[Tensor, Tensor](policy)  # of all objects, as they are remembered on the same frames
    counted = batch.clip_of_object < num_clips
    frames = encode_frames(model, batch)
    labels = torch.full_like(batch.clip_of_object[:, None], int(PointLabel.POSITIVE))
    found = answer(model, look_back(model, frames[0], None), frames[0], Points(batch.centres[0][:, None], labels))
    candidates = found.candidates.logits[:, 1:].unbind(1)
    best = torch.stack([_ious(logits[:, None], batch, 0) for logits in candidates]).amax(0)
    sums = [_sum(best, counted), _sum(_ious(found.logits, batch, 0), counted), _sum(best, counted & False)]
    for frame in range(1, len(frames)):
        # As in inference, a memory of a prompted frame is made of its mask.
        tokens = remember(model, frames[frame - 1], found, binary=frame == 1)
        bank.add(frame - 1, tokens, found.pointers, conditioning=frame == 1)
        selection = bank.select(frame, num_frames=len(frames))
        found = answer(model, look_back(model, frames[frame], [selection]), frames[frame])
        sums[2] += _sum(_ious(found.logits, batch, frame), counted & batch.masks[frame].any((1, 2)))
    return torch.stack(sums)


def _ious(logits: Float[Tensor, "N 1 h w"], batch: ClipBatch, frame: int) -> Float[Tensor, "N"]:
    masks = batch.masks[frame]
    return true_iou(resize_logits(logits.float(), (masks.shape[1], masks.shape[2]))[:, 0], masks.float())


def _sum(values: Float[Tensor, "N"], counted: Bool[Tensor, "N"]) -> Float[Tensor, "2"]:
    return torch.stack(((values * counted).sum(), counted.sum().to(values)))


class _InOrder(Plan):
    """Each item once, in order. The last batches go on with the first items, so that all processes have as many."""

    def __init__(self, num_items: int, batch_size: int) -> None:
        super().__init__([PlannedSource(num_items=num_items, batch_size=batch_size)])
        self.num_items = num_items
        self.batch_size = batch_size

    def batch(self, step: int, rank: int = 0, world_size: int = 1) -> PlannedBatch:
        first = (step * world_size + rank) * self.batch_size
        return PlannedBatch(0, tuple((first + slot) % self.num_items for slot in range(self.batch_size)))

    def num_steps(self, world_size: int) -> int:
        return math.ceil(self.num_items / (self.batch_size * world_size))

    def num_real(self, step: int, destination: Destination) -> int:
        """How many clips of a batch were not there before."""
        first = (step * destination.world_size + destination.rank) * self.batch_size
        return min(max(self.num_items - first, 0), self.batch_size)
