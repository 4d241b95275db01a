"""A benchmark of one model: its works one after another, and for each its time, memory, stages and arithmetic."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from masklet.evaluation.bench.clock import MIN_SECONDS, Run, Timing, measure
from masklet.evaluation.bench.memory import watch_peak
from masklet.evaluation.bench.stages import stage_shares
from masklet.evaluation.bench.works import IMAGE_WORKS, Work, clip_work, video_work
from masklet.model import Sam2
from masklet.types import FrameMasks

WorkName = Literal["encode", "predict", "automatic", "video", "clip"]
"""See `masklet.evaluation.bench.works`."""


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """What is measured of a model."""

    works: Sequence[WorkName] = ("encode", "predict", "automatic", "video")
    objects: Sequence[int] = (1, 4, 16)
    """Numbers of objects that are followed, one measurement each."""
    repeats: int = 5
    """Runs that count, of each work; short ones get more."""
    video: Path | None = None
    """What `clip` goes through. None: a clip of moving discs."""

    def __post_init__(self) -> None:
        if unknown := set(self.works) - set(get_args(WorkName)):
            raise ValueError(f"{', '.join(sorted(unknown))} cannot be measured: {', '.join(get_args(WorkName))} can")
        if wrong := [number for number in self.objects if number < 1]:
            raise ValueError(f"objects is {wrong[0]}, but at least one object must be followed")
        if self.repeats < 1:
            raise ValueError(f"repeats is {self.repeats}, but at least one run is needed to time it")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What is known of a work after it was measured."""

    work: str
    num_objects: int | None
    num_visible: int | None
    """Objects that the model saw on the last frame, of those that it followed."""
    num_items: int
    unit: str
    timing: Timing
    peak_memory: int | None
    """In bytes; see `masklet.evaluation.bench.memory` for what that is."""
    stages: dict[str, float]
    """Share of the time by stage; see `masklet.evaluation.bench.stages`."""
    num_operations: int
    """Multiplications and additions in matrix products, convolutions and attention."""

    @property
    def items_per_second(self) -> float:
        """By the median."""
        return self.num_items / self.timing.median

    def share_of(self, matmul_rate: float) -> float:
        """The rate of operations as a share of that of large matrix products, in operations a second."""
        return self.num_operations / self.timing.median / matmul_rate

    def to_json(self, matmul_rate: float) -> dict[str, Any]:
        """All of it, as plain values; seconds, bytes, shares."""
        lower, upper = self.timing.quartiles
        return {
            "work": self.work,
            "num_objects": self.num_objects,
            "num_visible": self.num_visible,
            "num_items": self.num_items,
            "unit": self.unit,
            "median_seconds": self.timing.median,
            "lower_quartile_seconds": lower,
            "upper_quartile_seconds": upper,
            "seconds": list(self.timing.seconds),
            "items_per_second": self.items_per_second,
            "peak_memory_bytes": self.peak_memory,
            "stages": self.stages,
            "num_operations": self.num_operations,
            "share_of_matmul_rate": self.share_of(matmul_rate),
        }


def measure_model(
    model: Sam2, options: BenchOptions, on_progress: Callable[[str], None] = lambda _: None
) -> Iterator[Measurement]:
    """Measure a model's works, one after another; each is told to `on_progress` as it begins."""
    for name, make in _works(model, options):
        on_progress(name)
        yield measure_work(model, make(), options.repeats)


def measure_work(model: Sam2, work: Work, repeats: int) -> Measurement:
    """Time a work and watch its memory; then, in runs of their own, look at its stages and count its operations."""
    peak = watch_peak(model.device)
    timing = measure(work.run, repeats=repeats, device=model.device)
    peak_memory = peak()
    passes = min(len(timing.seconds), max(1, round(MIN_SECONDS / timing.median)))
    stages = stage_shares(model, work.run, prepare=work.prepare, repeats=passes)
    num_operations, result = count_operations(work.run)
    return Measurement(
        work=work.name,
        num_objects=work.num_objects,
        num_visible=sum(result.visible.values()) if isinstance(result, FrameMasks) else None,
        num_items=work.num_items,
        unit=work.unit,
        timing=timing,
        peak_memory=peak_memory,
        stages=stages,
        num_operations=num_operations,
    )


def count_operations(run: Run) -> tuple[int, object]:
    """Operations of a run in matrix products, convolutions and attention, and what the run gives back.

    Compiled parts are run as they were written, since what they have become cannot be counted.
    """
    # The counter knows attention on GPUs alone.
    on_cpu = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_operations}
    # Before torch 2.6 there is no such stance: there compiled parts are left out of the count.
    eager = torch.compiler.set_stance("force_eager") if hasattr(torch.compiler, "set_stance") else nullcontext()
    with eager, FlopCounterMode(display=False, custom_mapping=on_cpu) as counter:
        result = run()
    return counter.get_total_flops(), result


def _attention_operations(q: torch.Size, k: torch.Size, v: torch.Size, *rest: object, **options: object) -> int:
    return sdpa_flop_count(q, k, v)


def _works(model: Sam2, options: BenchOptions) -> Iterator[tuple[str, Callable[[], Work]]]:
    """What each work is called, and what makes it ready."""
    for name in dict.fromkeys(options.works):
        if name in IMAGE_WORKS:
            yield name, lambda make=IMAGE_WORKS[name]: make(model)
            continue
        for number in dict.fromkeys(options.objects):
            label = f"{name}, {number} object{'s' if number > 1 else ''}"
            if name == "video":
                yield label, lambda number=number: video_work(model, number)
            else:
                yield label, lambda number=number: clip_work(model, number, options.video)
