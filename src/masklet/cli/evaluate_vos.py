"""`masklet evaluate vos`: objects of a data set's videos, shown once, followed and scored (semi-supervised)."""

import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.progress import TimeElapsedColumn

from masklet.cli.console import UsageError, complain, progress_bar, remark, show_rows
from masklet.cli.evaluate_options import RunOptions, SequenceOptions, choose_model
from masklet.cli.options import ModelOptions
from masklet.datasets.sequences import VideoDataset
from masklet.evaluation.baselines import Baseline
from masklet.evaluation.model_choice import ModelChoice, Precision
from masklet.evaluation.prediction_folder import write_submission_zip
from masklet.evaluation.protocols import Protocol
from masklet.evaluation.report import write_page
from masklet.evaluation.results import COLUMNS, result_rows, write_results_csv, write_scores_json
from masklet.evaluation.run_folder import run_facts
from masklet.evaluation.score_folders import score_dataset
from masklet.evaluation.vos import VosOptions
from masklet.evaluation.vos_report import vos_page
from masklet.evaluation.vos_run import VosOutcome, VosRun, run_vos

_Flag = Annotated[bool, Parameter(negative="", show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FollowOptions:
    """What is shown of objects, and how they are followed."""

    protocol: Protocol = "first-mask"
    """What is given of each object on its first frame. Further clicks fall on what is still wrong there."""

    baseline: Baseline | None = None
    """Instead of a model, a floor to compare with. static: the first mask stays; flow: optical flow moves it."""

    score_threshold: float = 0.0
    """Logit above which a pixel is in an object."""

    use_all_masks: _Flag = False
    """Give all masks there are, not the first of each object alone."""

    appearing_later: Annotated[bool | None, Parameter(show_default=False)] = None
    """Whether objects may appear after the first frame. If not given, as the data set has it."""

    postprocess: _Flag = False
    """Fill holes, replace masks that waver, and remember prompted frames as masks, as when masklet is used. Published
    scores are without."""

    per_object: Annotated[bool | None, Parameter(show_default=False)] = None
    """Whether to write a picture an object and frame, where objects may overlap; else they may not. If not given, as
    the data set has it."""

    dtype: Precision = "float32"
    """Number type of the weights."""

    compile: _Flag = False
    """Compile the model, which takes a minute or more and pays off over many videos."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ResultOptions:
    """What is made of the masks."""

    submission: Path | None = None
    """A zip to write, as the data set's server takes it."""

    lenient: _Flag = False
    """Score what there is, also if sequences failed."""

    no_report: _Flag = False
    """Do not write report.html."""


def vos(
    dataset: Path,
    /,
    *,
    sequences: SequenceOptions = SequenceOptions(),  # noqa: B008 (frozen; cyclopts wants an instance)
    model: ModelOptions = ModelOptions(),  # noqa: B008
    follow: FollowOptions = FollowOptions(),
    run: RunOptions = RunOptions(),  # noqa: B008
    results: ResultOptions = ResultOptions(),
) -> int:
    """Follow the objects of videos from where they are first shown, and score the masks: J&F.

    Writes masks/SEQUENCE/FRAME.png (or, by object, masks/SEQUENCE/OBJECT/FRAME.png) and, where the true masks are
    known, results.csv, scores.json and report.html. After Ctrl-C or an error the same command goes on where it was.

    For example:

        masklet evaluate vos DAVIS --kind davis2017 --model sam2.1_hiera_large --output out
        masklet evaluate vos MOSE --split valid --workers 4 --submission mose.zip
        masklet evaluate vos DAVIS --baseline flow --output floor

    Parameters
    ----------
    dataset
        The folder of a data set.
    """
    data = sequences.open(dataset)
    if results.submission is not None:
        _check_submission(results.submission, follow, data)
    whole = VosRun(
        dataset=data,
        output=run.output,
        method=choose_method(model, follow),
        options=to_options(follow, data),
        per_object=by_object(follow, data),
    )
    description = whole.describe()
    whole.folder.begin(description, overwrite=run.overwrite)
    outcome = _follow(whole, run.workers)
    _complain_of_failures(whole, outcome, results)
    if results.submission is not None and not outcome.failures:
        write_submission_zip(results.submission, whole.folder.masks, data)
    if not data.has_truth:
        remark(f"masks are in {whole.folder.masks}; {data.name} has no true masks to score them by")
    elif results.lenient or not outcome.failures:
        _score(whole, results, run_facts(description))
    return 1 if outcome.failures else 0


def choose_method(model: ModelOptions, follow: FollowOptions) -> ModelChoice | Baseline:
    """Who follows objects. UsageError for a device that is not here, and for what a baseline has no use for."""
    if follow.baseline is not None:
        _refuse_unused(model, follow)
        return follow.baseline
    return choose_model(model, follow.dtype, compile=follow.compile)


def to_options(follow: FollowOptions, data: VideoDataset) -> VosOptions:
    """How objects of this data are followed. UsageError for options that do not go together."""
    try:
        return VosOptions(
            protocol=follow.protocol,
            score_threshold=follow.score_threshold,
            use_all_masks=follow.use_all_masks,
            appearing_later=data.appearing_later if follow.appearing_later is None else follow.appearing_later,
            apply_postprocessing=follow.postprocess,
            non_overlapping=not by_object(follow, data),
        )
    except ValueError as error:
        raise UsageError(str(error)) from None


def by_object(follow: FollowOptions, data: VideoDataset) -> bool:
    """Whether masks are written object by object."""
    return data.per_object if follow.per_object is None else follow.per_object


def _check_submission(path: Path, follow: FollowOptions, data: VideoDataset) -> None:
    """UsageError for a zip that cannot be written, and for masks in a layout that the data's server does not read."""
    if not path.resolve().parent.is_dir():
        raise UsageError(f"--submission {path} is to be in a folder that is not there")
    if path.is_dir():
        raise UsageError(f"--submission {path} is a folder: name a zip file to write")
    if by_object(follow, data) != data.per_object:
        layout = "--per-object: a folder an object" if data.per_object else "--no-per-object: a label map a frame"
        raise UsageError(f"--submission of {data.name} wants {layout}, as the data itself is")


def _refuse_unused(model: ModelOptions, follow: FollowOptions) -> None:
    of_model = ("score_threshold", "postprocess", "dtype", "compile")
    asked = [
        f"--{field.name.replace('_', '-')}"
        for options in (model, follow)
        for field in fields(options)
        if (options is model or field.name in of_model) and getattr(options, field.name) != field.default
    ]
    if asked:
        raise UsageError(f"--baseline {follow.baseline} has no model, so {', '.join(asked)} would have no effect")
    if follow.protocol != "first-mask":
        raise UsageError(f"--baseline {follow.baseline} begins with masks, so --protocol cannot be {follow.protocol}")


def _follow(run: VosRun, num_workers: int) -> VosOutcome:
    began, num_frames = time.monotonic(), 0
    with progress_bar(TimeElapsedColumn()) as progress:
        task = progress.add_task("", total=len(run.dataset.sequences))

        def count() -> None:
            nonlocal num_frames
            num_frames += 1
            speed = num_frames / (time.monotonic() - began)
            progress.update(task, description=f"{num_frames} frames, {speed:.1f} a second")

        outcome = run_vos(run, num_workers=num_workers, on_frame=count, on_sequence=lambda name: progress.advance(task))
    if outcome.resumed:
        remark(f"{len(outcome.resumed)} of {len(run.dataset.sequences)} sequences were there before")
    if num_frames:
        seconds = time.monotonic() - began
        done = f"{len(outcome.done)} sequences, {num_frames} frames in {seconds:.1f} s"
        remark(f"{done}: {len(outcome.done) / seconds:.2f} sequences, {num_frames / seconds:.1f} frames a second")
    return outcome


def _complain_of_failures(run: VosRun, outcome: VosOutcome, results: ResultOptions) -> None:
    if not outcome.failures:
        return
    for name, reason in outcome.failures.items():
        complain(f"{name}: {reason}")
    num_sequences = len(run.dataset.sequences)
    complain(f"{len(outcome.failures)} of {num_sequences} sequences failed; the same command tries them anew")
    if results.submission is not None:
        complain(f"{results.submission} is not written, since it would not be complete")
    if run.dataset.has_truth and not results.lenient:
        complain("there is no score of fewer sequences than were asked for; --lenient gives one")


def _score(run: VosRun, results: ResultOptions, facts: dict[str, str]) -> None:
    """Score what there is, write the scores and the report, and show the table."""
    folder = run.folder
    scored = score_dataset(run.dataset, folder.masks, strict=not results.lenient)
    for note in scored.notes:
        complain(f"left out: {note}")
    write_results_csv(folder.table, scored.scores)
    write_scores_json(folder.scores, scored.scores)
    if not results.no_report:
        write_page(folder.report, vos_page(run.dataset, scored.scores, folder.masks, facts=facts))
    show_rows(COLUMNS, result_rows(scored.scores))
