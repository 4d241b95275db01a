"""`masklet track`: objects that are pointed at in a video, followed through all of it, as files.

What is written, and how a stopped run goes on, is said in `track_output`.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter, validators
from rich.progress import TimeRemainingColumn

from masklet.cli.console import complain, count, progress_bar
from masklet.cli.draw_options import DrawOptions
from masklet.cli.options import ModelOptions
from masklet.cli.track_output import ResultWriter, RunFolder, open_whole
from masklet.cli.track_prompts import ObjectPrompt, TrackPrompts, check_frames, give_prompts
from masklet.cli.track_run import Speed, carry_out, conclude, draw_results
from masklet.model import Sam2
from masklet.predictors.passes import plan_passes
from masklet.predictors.video import SessionOptions, VideoSession
from masklet.tracking.policy import RELEASED_POLICY, suited_policy
from masklet.types import FrameSource


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
        stop = carry_out(
            session,
            folder,
            lambda: follow(session, folder, given, tracking, resume=resume, pictures=not output.no_masks),
            draw=None if drawing.no_overlay else lambda: draw_results(folder, source, given, drawing.style()),
        )
    finally:
        source.close()
    conclude(folder, len(source), stop)
    return 0


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
    policy = replace(suited_policy(model.config), max_hole_area=tracking.hole_area)
    session = VideoSession(model, source, policy=policy, options=options)
    give_prompts(session, prompts)
    return session


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
        with progress_bar(Speed(), TimeRemainingColumn()) as progress:
            task = progress.add_task("", total=left)
            for frame in session.propagate(max_frames=tracking.max_frames, direction=tracking.direction):
                objects = count(len(frame.masks), "object")
                if writer.write(frame):
                    progress.update(task, description=objects, advance=1)
                else:  # no work was done for it, so it says nothing of the speed
                    left -= 1
                    progress.update(task, description=objects, total=left)
    finally:
        writer.close()
