"""`masklet evaluate interactive`: how good masks of a video become when an annotator, simulated, corrects them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated

from cyclopts import Parameter, validators
from rich.progress import TimeElapsedColumn

from masklet.cli.console import complain, progress_bar, say, show_rows
from masklet.cli.evaluate_options import RunOptions, SequenceOptions, choose_model
from masklet.cli.options import ModelOptions
from masklet.evaluation.interactive import InteractiveOptions, Mode
from masklet.evaluation.interactive_report import interactive_page, summarise, write_results
from masklet.evaluation.interactive_run import InteractiveOutcome, InteractiveRun, run_interactive
from masklet.evaluation.report import write_page
from masklet.evaluation.run_folder import run_facts

_Count = Annotated[int, Parameter(validator=validators.Number(gte=1))]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class AnnotatorOptions:
    """What the annotator does."""

    mode: Mode = "offline"
    """Offline: correct the worst frame of the whole video, round by round. Online: go through the video once, and
    correct each frame that is bad."""

    max_frames: _Count = InteractiveOptions().max_frames
    """Frames that get clicks, at most."""

    clicks: _Count = InteractiveOptions().num_clicks
    """Clicks a frame, at most."""

    iou_threshold: Annotated[float, Parameter(validator=validators.Number(gte=0, lte=1))] = (
        InteractiveOptions().iou_threshold
    )
    """Online: a frame is bad below this IoU."""

    def collect(self) -> InteractiveOptions:
        """As the evaluation takes them."""
        return InteractiveOptions(
            mode=self.mode, max_frames=self.max_frames, num_clicks=self.clicks, iou_threshold=self.iou_threshold
        )


def interactive(
    dataset: Path,
    /,
    *,
    sequences: SequenceOptions = SequenceOptions(),  # noqa: B008 (frozen; cyclopts wants an instance)
    annotator: AnnotatorOptions = AnnotatorOptions(),
    model: ModelOptions = ModelOptions(),  # noqa: B008
    run: RunOptions = RunOptions(),  # noqa: B008
) -> int:
    """Measure how good masks of a video become when an annotator corrects them with clicks: J&F by effort.

    Each object on its own gets three clicks on its first frame, then three on one more frame in each round. Writes
    results.json, results.csv, report.html with the curves, and each sequence as it is done. After Ctrl-C or an error
    the same command goes on where it was.

    For example:

        masklet evaluate interactive DAVIS --kind davis2017 --mode online --output out

    Parameters
    ----------
    dataset
        The folder of a data set.
    """
    whole = InteractiveRun(
        model=choose_model(model), dataset=sequences.open(dataset), output=run.output, options=annotator.collect()
    )
    description = whole.describe()
    whole.folder.begin(description, overwrite=run.overwrite)
    outcome = _follow(whole, run.workers)
    for name, reason in outcome.failures.items():
        complain(f"{name}: {reason}")
    if outcome.failures:
        num_sequences = len(whole.dataset.sequences)
        complain(f"{len(outcome.failures)} of {num_sequences} sequences failed, so there is no score of all")
        return 1
    _report(whole, outcome, run_facts(description))
    return 0


def _follow(run: InteractiveRun, num_workers: int) -> InteractiveOutcome:
    num_objects = 0
    with progress_bar(TimeElapsedColumn()) as progress:
        task = progress.add_task("", total=len(run.dataset.sequences))

        def count() -> None:
            nonlocal num_objects
            num_objects += 1
            progress.update(task, description=f"{num_objects} object{'s' if num_objects > 1 else ''}")

        return run_interactive(
            run, num_workers=num_workers, on_object=count, on_sequence=lambda name: progress.advance(task)
        )


def _report(run: InteractiveRun, outcome: InteractiveOutcome, facts: Mapping[str, str]) -> None:
    """Write results and page, and show the means."""
    steps = summarise(outcome.scores, run.options.max_frames)
    counts = {"sequences": str(len(run.dataset.sequences)), "objects": str(len(outcome.scores))}
    write_results(run.output, outcome.scores, steps)
    title = f"Corrected {run.options.mode}: {run.dataset.name}"
    page = interactive_page(outcome.scores, steps, title=title, facts={**facts, **counts})
    write_page(run.output / "report.html", page)
    show_rows(
        ("frames", "clicks", "J&F", "J", "F"),
        [
            (str(step.num_frames), *(f"{value:.1f}" for value in (step.num_clicks, step.jf, step.j, step.f)))
            for step in steps
        ],
    )
    say(f"J&F, mean of 1 to {len(steps)} frames: {fmean(step.jf for step in steps):.1f}")
