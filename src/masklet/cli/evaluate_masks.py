"""`masklet evaluate masks`: J&F of masks in a folder against true ones, as the evaluators of SA-V and DAVIS give it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter, validators
from rich.progress import TimeRemainingColumn

from masklet.cli.console import complain, progress_bar, show_rows
from masklet.datasets.rules import DAVIS_RULES, SAV_RULES, ScoreRules
from masklet.evaluation.results import (
    COLUMNS,
    STATISTICS_COLUMNS,
    result_rows,
    write_results_csv,
    write_scores_json,
)
from masklet.evaluation.score_folders import score_folders

RULES = {"sav": SAV_RULES, "davis": DAVIS_RULES}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """What counts."""

    rules: Literal["sav", "davis"] = "sav"
    """sav: an object counts from its first appearance on, as SA-V's evaluator and vos-benchmark have it, with which
    SAM 2's scores were published. davis: from the beginning, as DAVIS 2017's has it, with its recall and decay."""

    all_frames: Annotated[bool, Parameter(negative="", show_default=False)] = False
    """Count the first and the last annotated frame too."""

    lenient: Annotated[bool, Parameter(negative="", show_default=False)] = False
    """Leave out videos that one side lacks, and predicted objects that are not in the truth."""

    workers: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None
    """Processes that share the work. If not given, as many as are worth their while."""

    def to_rules(self) -> ScoreRules:
        """The rules that were chosen."""
        rules = RULES[self.rules]
        return replace(rules, skip_first_and_last=False) if self.all_frames else rules


def masks(
    truth: Path,
    predicted: Path,
    /,
    *,
    scoring: ScoreOptions = ScoreOptions(),
    output: Path | None = None,
) -> int:
    """Score masks of videos against true ones: region similarity J, contour accuracy F and their mean, J&F.

    Each folder has a folder for each video, with a label map a frame, or a folder an object with a black and white
    picture a frame. Frames without true masks do not count.

    For example:

        masklet evaluate masks DAVIS/Annotations/480p out/masks
        masklet evaluate masks sav_val/Annotations_6fps predictions --output scores.json

    Parameters
    ----------
    truth
        The folder with the true masks, or the root of a data set.
    predicted
        The folder with the masks to score.
    output
        Where to write the scores: as CSV, or, if it ends in .json, with those of each frame. If not given, results.csv
        in the folder with the masks to score.
    """
    with progress_bar(TimeRemainingColumn()) as progress:
        task = progress.add_task("scoring", total=None)
        scored = score_folders(
            truth,
            predicted,
            rules=scoring.to_rules(),
            strict=not scoring.lenient,
            num_workers=scoring.workers,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    statistics = scoring.rules == "davis"
    show_rows(STATISTICS_COLUMNS if statistics else COLUMNS, result_rows(scored.scores, statistics=statistics))
    for note in scored.notes:
        complain(f"left out: {note}")
    output = predicted / "results.csv" if output is None else output
    write = write_scores_json if output.suffix.lower() == ".json" else write_results_csv
    write(output, scored.scores)
    return 0
