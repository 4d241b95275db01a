"""Semi-supervised evaluation of a whole data set: every sequence followed, its masks written, then scored.

A sequence whose masks are there already is not followed again, so a run that was stopped goes on. One that fails is
named with the reason, and the others go on; a score of fewer sequences than asked for must be asked for itself.

    run.json               see `run_folder`
    masks/                 see `prediction_folder`
    timings/NAME.json      a sequence's frames, objects and seconds
    scores.json, results.csv, report.html
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from masklet.datasets import check_sequence
from masklet.datasets.annotations import Masks
from masklet.datasets.sequences import VideoDataset, VideoSequence
from masklet.evaluation.baselines import Baseline, follow_baseline
from masklet.evaluation.model_choice import ModelChoice
from masklet.evaluation.prediction_folder import PredictionFolder, palette_of
from masklet.evaluation.run_folder import RunFolder
from masklet.evaluation.vos import VosOptions, follow_sequence
from masklet.evaluation.workers import Advance, Failure, Work, work_through
from masklet.io.files import write_json


class VosFolder(RunFolder):
    """The output folder of a run."""

    kept = ("masks", "timings")

    @property
    def masks(self) -> Path:
        """Predicted masks, a folder a sequence."""
        return self.path / "masks"

    @property
    def timings(self) -> Path:
        """How long each sequence took."""
        return self.path / "timings"

    @property
    def scores(self) -> Path:
        """J and F of each object and frame."""
        return self.path / "scores.json"

    @property
    def table(self) -> Path:
        """Scores of each object, as evaluators write them."""
        return self.path / "results.csv"

    @property
    def report(self) -> Path:
        """What is there to look at."""
        return self.path / "report.html"


@dataclass(frozen=True, kw_only=True)
class VosRun:
    """What is followed by whom, and where the masks are put. method: a model, or a baseline by its name."""

    dataset: VideoDataset
    output: Path
    method: ModelChoice | Baseline
    options: VosOptions
    per_object: bool = False

    @property
    def folder(self) -> VosFolder:
        """Where everything is put."""
        return VosFolder(self.output)

    @property
    def predictions(self) -> PredictionFolder:
        """Where masks are put."""
        return PredictionFolder(root=self.folder.masks, per_object=self.per_object)

    def describe(self) -> dict[str, Any]:
        """All that the masks depend on, but for the sequences taken, as JSON."""
        of_method = self.method.describe() if isinstance(self.method, ModelChoice) else {"baseline": self.method}
        return {
            "masklet": version("masklet"),
            "dataset": self.dataset.name,
            **of_method,
            **vars(self.options),
            "per_object": self.per_object,
        }


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long a sequence took, reading and writing included."""

    frames: int
    objects: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class VosOutcome:
    """What became of the sequences, by name. resumed: those whose masks were there before."""

    done: dict[str, Timing]
    resumed: tuple[str, ...]
    failures: dict[str, str]


def run_vos(
    run: VosRun,
    *,
    num_workers: int = 1,
    on_frame: Callable[[], None] = lambda: None,
    on_sequence: Callable[[str], None] = lambda name: None,
) -> VosOutcome:
    """Follow the sequences whose masks are not there yet. The run's folder must have been begun.

    on_frame, on_sequence: called when a frame, a sequence is done, or a sequence has failed.
    """
    predictions = run.predictions
    left = [sequence for sequence in run.dataset.sequences if not predictions.has(sequence.name)]
    resumed = tuple(sequence.name for sequence in run.dataset.sequences if predictions.has(sequence.name))
    job = _Job(run.method, run.options, predictions, run.folder.timings)
    done: dict[str, Timing] = {}
    failures: dict[str, str] = {}
    try:
        with closing(work_through(left, job.prepare, num_workers=num_workers, on_advance=on_frame)) as outcomes:
            for sequence, outcome in outcomes:
                if isinstance(outcome, Failure):
                    failures[sequence.name] = outcome.reason
                else:
                    done[sequence.name] = outcome
                on_sequence(sequence.name)
    finally:
        for sequence in left:  # processes are ended in the midst of their work
            predictions.remove_partial(sequence.name)
    return VosOutcome(done=done, resumed=resumed, failures=failures)


@dataclass(frozen=True)
class _Job:
    """Follows sequences, in whatever process."""

    method: ModelChoice | Baseline
    options: VosOptions
    predictions: PredictionFolder
    timings: Path

    def prepare(self, worker: int) -> Work[VideoSequence, Timing]:
        follow = self._follower(worker)

        def work(sequence: VideoSequence, advance: Advance) -> Timing:
            check_sequence(sequence)
            began = time.perf_counter()
            num_objects = 0
            with self.predictions.write(sequence.name, palette_of(sequence.annotations)) as write:
                for name, masks in zip(sequence.frame_names, follow(sequence), strict=True):
                    write(name, masks)
                    num_objects = len(masks)
                    advance()
            seconds = round(time.perf_counter() - began, 3)
            timing = Timing(frames=len(sequence.frame_names), objects=num_objects, seconds=seconds)
            write_json(self.timings / f"{sequence.name}.json", vars(timing))
            return timing

        return work

    def _follower(self, worker: int) -> Callable[[VideoSequence], Iterator[Masks]]:
        method = self.method
        if isinstance(method, ModelChoice):
            model = method.load(worker)
            return lambda sequence: follow_sequence(model, sequence, self.options)
        return lambda sequence: follow_baseline(method, sequence, self.options)
