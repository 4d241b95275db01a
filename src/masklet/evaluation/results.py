"""Scores as people and programs read them: the table and the CSV file of the original evaluators, and JSON.

The CSV file is that of `vos-benchmark` and of the SA-V evaluator to the letter. The JSON file holds what it has not:
each frame's J and F, and the statistics of DAVIS.
"""

import json
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from masklet.evaluation.scores import ObjectScores, SequenceScores, VideoScores
from masklet.io.files import write_csv, write_json

GLOBAL = "Global score"
COLUMNS = ("sequence", "obj", "J&F", "J", "F")
STATISTICS_COLUMNS = (*COLUMNS, "J recall", "J decay", "F recall", "F decay")

FORMAT = "masklet scores 1"
"""What a file of scores says that it is."""

RECALL_THRESHOLD = 0.5
NUM_BINS = 4
"""Of recall and decay (DAVIS)."""


def recall(values: tuple[float, ...]) -> float:
    """The share of frames with more than one half, in [0, 100], of the J or F of each frame, as DAVIS has it."""
    return 100 * fmean(value > RECALL_THRESHOLD for value in values)


def decay(values: tuple[float, ...]) -> float:
    """How much less the last quarter of frames has than the first, in [-100, 100], as DAVIS has it.

    Neighbouring quarters share a frame, as in DAVIS's own; there the numbers of frames are 8-bit, so that in videos of
    more than 256 frames other frames are taken, which is not done here.
    """
    ends = np.round(np.linspace(1, len(values), NUM_BINS + 1) + 1e-10).astype(int) - 1  # halves up
    first, last = values[ends[0] : ends[1] + 1], values[ends[-2] : ends[-1] + 1]
    return 100 * (fmean(first) - fmean(last))


def result_rows(scores: VideoScores, *, statistics: bool = False) -> list[tuple[str, ...]]:
    """The rows of a table: the mean of all objects, then each object. statistics: with DAVIS's own.

    The columns are COLUMNS, or STATISTICS_COLUMNS.
    """
    objects = scores.objects
    means = [f"{value:.1f}" for value in (scores.mean_jf, scores.mean_j, scores.mean_f)]
    if statistics:
        each = zip(*(_statistics(one) for _, one in objects), strict=True)
        means += [f"{fmean(values):.1f}" for values in each]
    rows = [(GLOBAL, "", *means)]
    for name, one in objects:
        values = (one.mean_jf, one.mean_j, one.mean_f, *(_statistics(one) if statistics else ()))
        rows.append((name, f"{one.object_id:03}", *(f"{value:.1f}" for value in values)))
    return rows


def write_results_csv(path: str | Path, scores: VideoScores) -> None:
    """Write results.csv as the original evaluators do: padded columns, J&F, J and F with one decimal."""
    rows = [COLUMNS, *result_rows(scores)]
    width = max(len(row[0]) for row in rows)
    padded = []
    for name, id_, *values in rows:
        digits = 0 if name == GLOBAL else 4
        padded.append((f"{name:<{width}}", f"{id_:>3}", *(f" {value:>{digits}}" for value in values)))
    write_csv(path, padded)


def write_scores_json(path: str | Path, scores: VideoScores) -> None:
    """Write all there is to know of scores: the means, each object's, DAVIS's statistics, and each frame's J and F."""
    write_json(
        path,
        {
            "format": FORMAT,
            **_summary(scores),
            "sequences": [
                {"name": sequence.name, "objects": [_object_to_json(one) for one in sequence.objects]}
                for sequence in scores.sequences
            ],
        },
    )


def read_scores_json(path: str | Path) -> VideoScores:
    """Scores that `write_scores_json` has written. FileNotFoundError; ValueError, naming the file, for other files."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path} of scores")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']!r}")
        return VideoScores(sequences=tuple(_sequence_from_json(sequence) for sequence in content["sequences"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} does not hold scores ({error}): a file {FORMAT!r} was expected") from error


def _statistics(scores: ObjectScores) -> tuple[float, float, float, float]:
    return recall(scores.j), decay(scores.j), recall(scores.f), decay(scores.f)


def _summary(scores: VideoScores | ObjectScores) -> dict[str, float]:
    """Means in [0, 100] by the names of the CSV file's columns."""
    return {"J&F": scores.mean_jf, "J": scores.mean_j, "F": scores.mean_f}


def _object_to_json(scores: ObjectScores) -> dict[str, Any]:
    return {
        "id": scores.object_id,
        **_summary(scores),
        **dict(zip(STATISTICS_COLUMNS[len(COLUMNS) :], _statistics(scores), strict=True)),
        "frames": scores.frames,
        "J of frames": scores.j,
        "F of frames": scores.f,
    }


def _sequence_from_json(sequence: dict[str, Any]) -> SequenceScores:
    objects = tuple(
        ObjectScores(
            object_id=one["id"],
            frames=tuple(one["frames"]),
            j=tuple(one["J of frames"]),
            f=tuple(one["F of frames"]),
        )
        for one in sequence["objects"]
    )
    return SequenceScores(name=sequence["name"], objects=objects)
