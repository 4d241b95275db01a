"""`masklet bench`: how fast models are on this machine, how much memory that takes, and where the time goes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from cyclopts import Parameter, validators

from masklet.cli.console import ERR, UsageError, say, show_rows
from masklet.evaluation.bench.machine import describe_machine, matmul_rate
from masklet.evaluation.bench.random_model import random_model
from masklet.evaluation.bench.run import BenchOptions, Measurement, WorkName, measure_model
from masklet.io.files import write_json
from masklet.model import Sam2
from masklet.runtime.load import find_device, load_model

COLUMNS = ("work", "objects", "median", "quartiles", "speed", "memory", "operations", "of matrix products")

_Positive = Annotated[int, Parameter(validator=validators.Number(gte=1))]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class BenchModels:
    """Which models, where and how."""

    model: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")] = ("nano",)
    """Names from `masklet models list`, or paths of checkpoints."""

    random_weights: Annotated[bool, Parameter(negative="", show_default=False)] = False
    """Take the named models with random weights, which are as fast as others and need no download. They are made to
    see every object."""

    image_size: int | None = None
    """Side in pixels of the square that the model sees, a multiple of 32. If not given, each model's own."""

    device: str | None = None
    """Where to run: cpu, cuda, mps. If not given, the fastest there is."""

    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """What the weights are held and the work is done in."""

    compile: Annotated[bool, Parameter(negative="", show_default=False)] = False
    """Compile the network first, which takes minutes."""

    def load(self, name: str) -> Sam2:
        """One of the models. UsageError for a device that is not here."""
        try:
            device = find_device(self.device)
        except ValueError as error:
            raise UsageError(str(error)) from None
        dtype: torch.dtype = getattr(torch, self.dtype)
        make = random_model if self.random_weights else load_model
        return make(name, image_size=self.image_size, device=device, dtype=dtype, compile=self.compile)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class BenchWorks:
    """What is measured."""

    what: Annotated[tuple[WorkName, ...], Parameter(consume_multiple=True, negative="")] = tuple(BenchOptions.works)
    """Encode a picture; predict from a click on it; decode the 1024 clicks of automatic masks; one frame of a video
    with full memory; a whole clip."""

    objects: Annotated[tuple[_Positive, ...], Parameter(consume_multiple=True, negative="")] = tuple(
        BenchOptions.objects
    )
    """How many objects are followed in videos and clips; each number is measured."""

    repeats: _Positive = BenchOptions.repeats
    """Runs that count; a quarter as many come before as warm-up, at least one. Short works are run more often."""

    video: Path | None = None
    """The video that the clip is; objects are pointed at side by side in the middle of its first frame. If not given,
    moving discs are followed for 32 frames."""


def bench(
    *,
    models: BenchModels = BenchModels(),
    works: BenchWorks = BenchWorks(),
    json: Path | None = None,
) -> None:
    """Measure how fast models are here: medians, memory, and each stage's share of the time.

    The last column is the rate of operations as a share of what large matrix products reach on this machine. Memory is
    the highest while the work runs, with all that the process has: on a GPU of tensors, on a CPU of RAM.

    For example:

        masklet bench
        masklet bench --model sam2.1_hiera_tiny --random-weights --image-size 512 --what encode video --objects 1 4
        masklet bench --what clip --video clip.mp4 --objects 1 --repeats 20 --json bench.json

    Parameters
    ----------
    json
        Write every number to this file.
    """
    options = BenchOptions(works=works.what, objects=works.objects, repeats=works.repeats, video=works.video)
    if works.video is not None and not works.video.exists():
        raise UsageError(f"there is no video {works.video}")
    if works.video is not None and "clip" not in works.what:
        raise UsageError("--video is what --what clip goes through: give both or none")
    if json is not None and not json.resolve().parent.is_dir():
        raise UsageError(f"there is no folder {json.resolve().parent} to write {json.name} to")
    reports: list[dict[str, Any]] = []
    device = rate = None
    for name in dict.fromkeys(models.model):
        model = models.load(name)
        if rate is None:
            device, rate = model.device, matmul_rate(model.device, model.dtype)
            say(f"{describe_machine(device)}; matrix products in {models.dtype}: {rate / 1e9:.0f} GFLOP/s")
        measurements = _measure(name, model, options)
        _show(name, model, measurements, rate)
        reports.append(_report(name, model, models, measurements, rate))
    if json is not None and device is not None:
        write_json(json, {"machine": asdict(describe_machine(device)), "models": reports})


def _measure(name: str, model: Sam2, options: BenchOptions) -> list[Measurement]:
    """All works, with a line on stderr that says which is being measured, where somebody can see it."""
    with ERR.status(name) as status:
        return list(measure_model(model, options, lambda work: status.update(f"{name}: {work}")))


def _show(name: str, model: Sam2, measurements: Sequence[Measurement], rate: float) -> None:
    """Two tables: times, and shares of the stages."""
    say(f"\n{name}, {model.config.image_size} px, {str(model.dtype).removeprefix('torch.')}")
    show_rows(COLUMNS, [_row(measured, rate) for measured in measurements])
    say("")
    stages = list(measurements[0].stages)
    rows = [
        (measured.work, _objects(measured), *(f"{measured.stages[stage]:.0%}" for stage in stages))
        for measured in measurements
    ]
    show_rows(("work", "objects", *stages), rows)


def _row(measured: Measurement, rate: float) -> tuple[str, ...]:
    lower, upper = measured.timing.quartiles
    memory = "unknown" if measured.peak_memory is None else f"{measured.peak_memory / 2**20:.0f} MiB"
    return (
        measured.work,
        _objects(measured),
        f"{measured.timing.median * 1000:.1f} ms",
        f"{lower * 1000:.1f} to {upper * 1000:.1f} ms",
        f"{measured.items_per_second:.4g} {measured.unit}/s",
        memory,
        f"{measured.num_operations / 1e9:.4g} G",
        f"{measured.share_of(rate):.0%}",
    )


def _objects(measured: Measurement) -> str:
    """How many were followed, and how many were seen if some were not."""
    if measured.num_objects is None:
        return "-"
    unseen = measured.num_visible != measured.num_objects
    return f"{measured.num_objects} ({measured.num_visible} seen)" if unseen else str(measured.num_objects)


def _report(
    name: str, model: Sam2, models: BenchModels, measurements: Sequence[Measurement], rate: float
) -> dict[str, Any]:
    return {
        "model": name,
        "image_size": model.config.image_size,
        "device": str(model.device),
        "dtype": models.dtype,
        "compiled": models.compile,
        "random_weights": models.random_weights,
        "matmul_operations_per_second": rate,
        "works": [measured.to_json(rate) for measured in measurements],
    }
