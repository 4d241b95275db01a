"""`masklet track`: objects that are pointed at in a video, followed through all of it, as files.

What is written, and how a stopped run goes on, is said in `track_output`.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter, validators
from rich.progress import ProgressColumn, Task, TimeRemainingColumn
from rich.text import Text

from masklet.cli.console import complain, progress_bar, show_rows
from masklet.cli.draw_options import DrawOptions
from masklet.cli.options import ModelOptions
from masklet.cli.track_output import ResultWriter, RunFolder, draw_video, open_whole, summarise
from masklet.cli.track_prompts import ObjectPrompt, TrackPrompts, check_frames, give_prompts
from masklet.io.masklets import read_masklets
from masklet.io.overlay import OverlayStyle
from masklet.model import Sam2
from masklet.predictors.passes import plan_passes
from masklet.predictors.video import SessionOptions, VideoSession
from masklet.tracking.policy import RELEASED_POLICY
from masklet.types import FrameSource

STOPS = (KeyboardInterrupt, Exception)
"""What may end a run midway: the user, a frame that cannot be read, a full disk, too little memory. It is raised again,
after what was found is safe."""

COLUMNS = ("object", "frames", "visible", "score", "first", "last")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TrackOptions:
    """Where to follow objects, and how clean."""

    direction: Literal["forward", "backward", "both"] = "both"
    """Forward from the first prompt, backward from the last, or from each object's own first prompt both ways."""

    max_frames: Annotated[int | None, Parameter(validator=validators.Number(gte=1))] = None
    """How many frames to go through each way, from the first prompt, backward from the last. If not given, all."""

    non_overlapping: Annotated[bool, Parameter(negative="", show_default=False)] = False
    """A pixel belongs to one object at most."""

    hole_area: Annotated[float, Parameter(validator=validators.Number(gte=0))] = RELEASED_POLICY.max_hole_area
    """Fill holes of at most this many low-res pixels (each is 4 x 4 pixels of what the model sees)."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """What is written where."""

    output: Path = Path("out")
    """Folder for what is written; made if it is not there. Results of an earlier run in it are replaced."""

    resume: Annotated[bool, Parameter(negative="", show_default=False)] = False
    """Go on with a run that was stopped: the same command again."""

    no_masks: Annotated[bool, Parameter(negative="", show_default=False)] = False
    """Do not write the mask pictures; the masks are in masklets.jsonl all the same."""


def track(
    video: str,
    /,
    *,
    prompts: TrackPrompts = TrackPrompts(),  # noqa: B008 (frozen; cyclopts wants an instance)
    tracking: TrackOptions = TrackOptions(),
    model: ModelOptions = ModelOptions(),  # noqa: B008
    drawing: DrawOptions = DrawOptions(),  # noqa: B008
    output: OutputOptions = OutputOptions(),
) -> int:
    """Follow objects through a video from where they are pointed at.

    Writes masklets.jsonl (masks as RLE, and scores), masks/OBJECT/FRAME.png and a video to look at, overlay.mp4. After
    Ctrl-C or an error, what was found so far is there, and the same command with --resume goes on.

    For example:

        masklet track clip.mp4 --point 210,350 --output out
        masklet track frames/ --object 1 --point 10,20 --object 2 --at 5 --box 1,2,30,40

    Parameters
    ----------
    video
        A video file, or a folder of pictures.
    """
    given = prompts.collect()
    folder = RunFolder(output.output, Path(video))
    source = open_whole(video, folder)
    try:
        check_frames(given, len(source))
        run = describe_run(folder, given, tracking, output)
        resume = output.resume and folder.can_resume(run)
        if output.resume and not resume:
            complain(f"{folder.path} holds no run that was stopped: starting anew")
        session = make_session(model.load(), source, tracking, given, folder if resume else None)
        if not resume:
            folder.begin(run)
        stop = _work(
            session,
            folder,
            lambda: follow(session, folder, given, tracking, resume=resume, pictures=not output.no_masks),
            None if drawing.no_overlay else lambda: draw(session, folder, given, drawing.style()),
        )
    finally:
        source.close()
    records = read_masklets(folder.masklets)[1]
    if records:
        show_rows(COLUMNS, summarise(records))
    if stop is None:
        folder.session.unlink(missing_ok=True)
        return 0
    done = f"{len(records)} of {len(source)} frames are in {folder.path}"
    complain(f"{done}; the same command with --resume goes on" if folder.session.exists() else done)
    raise stop


def describe_run(
    folder: RunFolder, prompts: list[ObjectPrompt], tracking: TrackOptions, output: OutputOptions
) -> dict[str, Any]:
    """What must be the same for a run to go on, as JSON."""
    return {
        "video": folder.video.as_posix(),
        "prompts": [prompt.to_json() for prompt in prompts],
        "direction": tracking.direction,
        "non_overlapping": tracking.non_overlapping,
        "hole_area": tracking.hole_area,
        "no_masks": output.no_masks,
    }


def make_session(
    model: Sam2, source: FrameSource, tracking: TrackOptions, prompts: list[ObjectPrompt], resume: RunFolder | None
) -> VideoSession:
    """A session that knows the prompts: a new one, or that of a run which was stopped."""
    options = SessionOptions(non_overlapping=tracking.non_overlapping, state="cpu")
    if resume is not None:
        return VideoSession.load(resume.session, model, source, options=options)
    policy = replace(RELEASED_POLICY, max_hole_area=tracking.hole_area)
    session = VideoSession(model, source, policy=policy, options=options)
    give_prompts(session, prompts)
    return session


def _work(
    session: VideoSession, folder: RunFolder, follow: Callable[[], None], draw: Callable[[], None] | None
) -> BaseException | None:
    """Follow the objects, then draw. What ended it midway, after the state was saved; None if nothing did."""
    stop = _attempt(follow)
    if stop:
        _save(session, folder)
    if draw:
        trouble = _attempt(draw)
        if trouble and stop:
            complain(f"{folder.overlay} is not complete: {trouble}" if str(trouble) else f"{folder.overlay} is cut")
        elif trouble:
            _save(session, folder)
        stop = stop or trouble
    return stop


def follow(
    session: VideoSession,
    folder: RunFolder,
    prompts: list[ObjectPrompt],
    tracking: TrackOptions,
    *,
    resume: bool,
    pictures: bool,
) -> None:
    """Go through the frames and write what is found on each."""
    assert session.source is not None
    by_object: dict[int, set[int]] = {}
    for prompt in prompts:
        by_object.setdefault(prompt.object_id, set()).add(prompt.frame)
    passes = plan_passes(by_object, len(session.source), None, tracking.max_frames, tracking.direction)
    left = sum(len(leg.frames) for leg in passes)
    writer = ResultWriter(folder, session.source, resume=resume, pictures=pictures)
    try:
        with progress_bar(_Speed(), TimeRemainingColumn()) as progress:
            task = progress.add_task("", total=left)
            for frame in session.propagate(max_frames=tracking.max_frames, direction=tracking.direction):
                count = f"{len(frame.masks)} object{'s' if len(frame.masks) > 1 else ''}"
                if writer.write(frame):
                    progress.update(task, description=count, advance=1)
                else:  # no work was done for it, so it says nothing of the speed
                    left -= 1
                    progress.update(task, description=count, total=left)
    finally:
        writer.close()


def draw(session: VideoSession, folder: RunFolder, prompts: list[ObjectPrompt], style: OverlayStyle) -> None:
    """Draw the overlay video of all frames that have results."""
    assert session.source is not None
    records = read_masklets(folder.masklets)[1]
    with (
        progress_bar(_Speed(), TimeRemainingColumn()) as progress,
        closing(draw_video(folder, session.source, prompts, records, style)) as drawn,
    ):
        task = progress.add_task(f"drawing {folder.overlay.name}", total=len(records))
        for _ in drawn:
            progress.advance(task)


def _attempt(action: Callable[[], None]) -> BaseException | None:
    try:
        action()
    except STOPS as error:
        return error
    return None


def _save(session: VideoSession, folder: RunFolder) -> None:
    trouble = _attempt(lambda: session.save(folder.session))
    if trouble:
        complain(f"the run cannot go on later, since {folder.session} could not be written: {trouble}")


class _Speed(ProgressColumn):
    """Frames a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f} frames/s")
