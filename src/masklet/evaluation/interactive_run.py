"""Interactive evaluation of a whole data set, in a folder, so that a run that was stopped goes on.

    run.json               the data, the model and the options: what must be the same for a run to go on
    sequences/NAME.json    a sequence's objects with all their rounds, written anew after each object
    results.json, results.csv, report.html

Objects that are there already are not segmented again.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from masklet.datasets import check_sequence
from masklet.datasets.sequences import VideoDataset, VideoSequence
from masklet.evaluation.interactive import InteractiveOptions, InteractiveScores, Round, annotate_sequence
from masklet.evaluation.model_choice import ModelChoice
from masklet.evaluation.run_folder import RunFolder
from masklet.evaluation.scores import ObjectScores
from masklet.evaluation.workers import Advance, Failure, Work, work_through
from masklet.io.files import write_json

DIGITS = 6
"""Decimals of J and F that are kept."""


class InteractiveFolder(RunFolder):
    """The output folder of a run."""

    kept = ("sequences",)

    @property
    def sequences(self) -> Path:
        """A file a sequence."""
        return self.path / "sequences"

    def read(self, sequence: str) -> tuple[list[InteractiveScores], bool]:
        """The objects of a sequence that are done, and whether these are all. ValueError for a damaged file."""
        file = self._file(sequence)
        if not file.exists():
            return [], False
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
            return [_from_json(sequence, entry) for entry in known["objects"]], bool(known["complete"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{file} is damaged ({error!r}): remove it, and its objects are segmented anew") from error

    def write(self, sequence: str, scores: Iterable[InteractiveScores], *, complete: bool) -> None:
        """Write the objects of a sequence, whole or not at all."""
        objects = [_to_json(entry) for entry in scores]
        write_json(self._file(sequence), {"sequence": sequence, "complete": complete, "objects": objects})

    def _file(self, sequence: str) -> Path:
        return self.sequences / f"{sequence}.json"


@dataclass(frozen=True, kw_only=True)
class InteractiveRun:
    """What is segmented by whom, and where results are put. ValueError for data without true masks."""

    dataset: VideoDataset
    output: Path
    model: ModelChoice
    options: InteractiveOptions

    def __post_init__(self) -> None:
        if not self.dataset.has_truth:
            raise ValueError(f"{self.dataset.name} has masks to begin with alone: nothing tells where to correct")

    @property
    def folder(self) -> InteractiveFolder:
        """Where everything is put."""
        return InteractiveFolder(self.output)

    def describe(self) -> dict[str, Any]:
        """All that the results depend on, but for the sequences taken, as JSON."""
        known = {"masklet": version("masklet"), "dataset": self.dataset.name, **self.model.describe()}
        return {**known, **vars(self.options)}


@dataclass(frozen=True, kw_only=True)
class InteractiveOutcome:
    """All objects of the sequences that are whole, in the data set's order, and why others failed, by name."""

    scores: tuple[InteractiveScores, ...]
    failures: dict[str, str]


def run_interactive(
    run: InteractiveRun,
    *,
    num_workers: int = 1,
    on_object: Callable[[], None] = lambda: None,
    on_sequence: Callable[[str], None] = lambda name: None,
) -> InteractiveOutcome:
    """Segment the objects that are not there yet. The run's folder must have been begun.

    on_object, on_sequence: called when an object, a sequence is done, or a sequence has failed. ValueError for a
    damaged file of an earlier run.
    """
    known: dict[str, list[InteractiveScores]] = {}
    left = []
    for sequence in run.dataset.sequences:
        scores, complete = run.folder.read(sequence.name)
        if complete:
            known[sequence.name] = scores
            on_sequence(sequence.name)
        else:
            left.append(sequence)
    failures: dict[str, str] = {}
    job = _Job(run.model, run.options, run.folder)
    with closing(work_through(left, job.prepare, num_workers=num_workers, on_advance=on_object)) as outcomes:
        for sequence, outcome in outcomes:
            if isinstance(outcome, Failure):
                failures[sequence.name] = outcome.reason
            else:
                known[sequence.name] = outcome
            on_sequence(sequence.name)
    scores = [entry for sequence in run.dataset.sequences for entry in known.get(sequence.name, ())]
    return InteractiveOutcome(scores=tuple(scores), failures=failures)


@dataclass(frozen=True)
class _Job:
    """Segments the objects of sequences, in whatever process."""

    model: ModelChoice
    options: InteractiveOptions
    folder: InteractiveFolder

    def prepare(self, worker: int) -> Work[VideoSequence, list[InteractiveScores]]:
        model = self.model.load(worker)

        def work(sequence: VideoSequence, advance: Advance) -> list[InteractiveScores]:
            check_sequence(sequence)
            scores, _ = self.folder.read(sequence.name)
            done = frozenset(entry.object_id for entry in scores)
            for found in annotate_sequence(model, sequence, self.options, done):
                scores.append(found)
                self.folder.write(sequence.name, scores, complete=False)
                advance()
            self.folder.write(sequence.name, scores, complete=True)
            return scores

        return work


def _to_json(scores: InteractiveScores) -> dict[str, Any]:
    rounds = [
        {
            "frame": done.frame,
            "clicks": done.clicks,
            "j": [round(value, DIGITS) for value in done.scores.j],
            "f": [round(value, DIGITS) for value in done.scores.f],
        }
        for done in scores.rounds
    ]
    return {"object": scores.object_id, "frames": scores.rounds[0].scores.frames, "rounds": rounds}


def _from_json(sequence: str, entry: Mapping[str, Any]) -> InteractiveScores:
    object_id, frames = entry["object"], tuple(entry["frames"])
    rounds = tuple(
        Round(
            frame=done["frame"],
            clicks=tuple((x, y, label) for x, y, label in done["clicks"]),
            scores=ObjectScores(object_id=object_id, frames=frames, j=tuple(done["j"]), f=tuple(done["f"])),
        )
        for done in entry["rounds"]
    )
    return InteractiveScores(sequence=sequence, object_id=object_id, rounds=rounds)
