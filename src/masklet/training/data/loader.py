"""Batches for training, made ahead in worker processes, and the same however many there are.

Every clip has a random state of its own, from the seed, the step, the process and its place in the batch, so a run that
is resumed goes on exactly. Where something cannot be read, the next item takes its place, with a warning, as upstream
draws another video: a run of hours must not die of one picture.
"""

import itertools
import signal
import warnings
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from masklet.training.data.collate import CollatedClips, choose_objects, collate
from masklet.training.data.plan import Plan, PlannedBatch, PlannedSource
from masklet.training.samples import Clip, ClipBatch, ClipSource

MAX_REPLACEMENTS = 100
"""So many items in a row may be unreadable before it is an error. Source: upstream."""

Transform: TypeAlias = Callable[[Clip, np.random.Generator], Clip]


@dataclass(frozen=True, kw_only=True)
class LoaderConfig:
    """How batches are made ahead. It changes the speed alone, never the batches."""

    num_workers: int = 4
    """Processes that make batches; 0: each is made when it is needed, and training waits for it."""
    prefetch: int = 2
    """Batches that each of them makes ahead."""

    def __post_init__(self) -> None:
        for name, least in (("num_workers", 0), ("prefetch", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}, but it must be at least {least}")


@dataclass(frozen=True, kw_only=True)
class TrainingSource:
    """A source of clips, and what becomes of them on the way to a batch."""

    clips: ClipSource
    name: str
    """What warnings and errors call it."""
    batch_size: int = 1
    weight: float | None = None
    """See `PlannedSource`."""
    transform: Transform | None = None
    """Brings clips to the model's size, perhaps changed at random; None: the source makes them so."""
    objects_per_clip: int | None = None
    """Exactly so many objects of each clip, repeated where there are fewer; None: as many as it has."""
    with_centres: bool = False
    """Whether the batches' centres are wanted; else they are NaN."""


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Whom batches are for: one of the processes that train together, and its device."""

    rank: int = 0
    world_size: int = 1
    device: torch.device | str = "cpu"


def plan_for(sources: Sequence[TrainingSource], seed: int) -> Plan:
    """The plan of a run over these sources. ValueError for one without items, or where weights are missing."""
    planned = []
    for source in sources:
        try:
            planned.append(
                PlannedSource(num_items=len(source.clips), batch_size=source.batch_size, weight=source.weight)
            )
        except ValueError as error:
            raise ValueError(f"{source.name}: {error}") from error
    return Plan(planned, seed)


def batches(
    plan: Plan,
    sources: Sequence[TrainingSource],
    config: LoaderConfig | None = None,
    *,
    start_step: int = 0,
    destination: Destination | None = None,
) -> Generator[ClipBatch, None, None]:
    """The batches of a plan from a step on, without end. Close it to end its workers.

    They follow from the plan's seed, the step and the rank alone: not from the number of workers, nor from what came
    before. An item that cannot be read (OSError or ValueError) is a warning that says why, and the next one takes its
    place. ValueError after 100 in a row, and for clips that do not fit together.
    """
    config, destination = config or LoaderConfig(), destination or Destination()
    rank, world_size = destination.rank, destination.world_size
    on_gpu = torch.device(destination.device).type == "cuda"
    loader = DataLoader(
        _Batches(sources, plan.seed, rank),
        batch_size=None,
        sampler=((step, plan.batch(step, rank, world_size)) for step in itertools.count(start_step)),
        num_workers=config.num_workers,
        prefetch_factor=config.prefetch if config.num_workers else None,
        worker_init_fn=_start_worker,
        pin_memory=on_gpu,
        generator=torch.Generator(),  # else it draws from the global one, on which others may count
    )
    for made in loader:
        if isinstance(made, ValueError):
            raise made
        for warning in made.warnings:
            warnings.warn(warning, stacklevel=2)
        yield made.clips.to_batch(destination.device)


class _Made(NamedTuple):
    clips: CollatedClips
    warnings: list[str]


class _Batches(Dataset):
    """Makes the batch of a step, in whichever process."""

    def __init__(self, sources: Sequence[TrainingSource], seed: int, rank: int) -> None:
        self.sources = tuple(sources)
        self.seed = seed
        self.rank = rank

    def __getitem__(self, order: tuple[int, PlannedBatch]) -> _Made | ValueError:
        """The batch, or the error, which is raised where it is read: it crosses processes without their tracebacks."""
        step, planned = order
        source, complaints = self.sources[planned.source], []
        try:
            clips = [
                _draw(source, item, [self.seed, step, self.rank, slot], complaints)
                for slot, item in enumerate(planned.items)
            ]
            return _Made(collate(clips, with_centres=source.with_centres), complaints)
        except ValueError as error:
            return error


def _draw(source: TrainingSource, item: int, seeds: list[int], complaints: list[str]) -> Clip:
    """A clip of an item, or of the next that can be read; why others could not is added to the complaints."""
    num_tries, reason = min(MAX_REPLACEMENTS, len(source.clips)), ""
    for attempt in range(num_tries):
        rng = np.random.default_rng(seeds)
        number = (item + attempt) % len(source.clips)
        try:
            clip = source.clips.draw(number, rng)
            if source.transform is not None:
                clip = source.transform(clip, rng)
            if clip.masks.shape[1] == 0:
                raise ValueError("no object is left on its first frame")
        except (OSError, ValueError) as error:
            reason = str(error)
            complaints.append(
                f"{source.name}: item {number} is replaced by the next, since it cannot be used: {reason}"
            )
            continue
        return clip if source.objects_per_clip is None else choose_objects(clip, source.objects_per_clip, rng)
    raise ValueError(f"{source.name}: {num_tries} items in a row cannot be used. The last: {reason}")


def _start_worker(_: int) -> None:
    cv2.setNumThreads(0)
    # Ctrl-C, and the signal of a cluster that wants its machine back, reach all processes at once. When to end is for
    # the one that trains to say: it needs its workers until then, to finish a step and save.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: signal.signal(signal.SIGTERM, signal.SIG_DFL))
