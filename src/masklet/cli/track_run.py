"""How a run over a video ends, whether it is carried out or stopped: what was found is safe, and the run can go on."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

from rich.progress import ProgressColumn, Task, TimeRemainingColumn
from rich.text import Text

from masklet.cli.console import complain, progress_bar, show_rows
from masklet.cli.track_output import RunFolder, draw_video, summarise
from masklet.cli.track_prompts import ObjectPrompt
from masklet.io.masklets import read_masklets
from masklet.io.overlay import OverlayStyle
from masklet.predictors.video import VideoSession
from masklet.types import FrameSource

STOPS = (KeyboardInterrupt, Exception)
"""What may end a run midway: the user, a frame that cannot be read, a full disk, too little memory. It is raised again,
after what was found is safe."""

COLUMNS = ("object", "frames", "visible", "score", "first", "last")

Action = Callable[[], Any]


def carry_out(
    session: VideoSession, folder: RunFolder, follow: Action, *, draw: Action | None, export: Action | None = None
) -> BaseException | None:
    """Follow the objects, draw what was found, even if it is not all, and export it if it is.

    What ended it midway, after the state was saved; None if nothing did.
    """
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
    if export and not stop:
        stop = _attempt(export)
        if stop:
            _save(session, folder)
    return stop


def conclude(folder: RunFolder, num_frames: int, stop: BaseException | None) -> None:
    """Show what was found. A run that was stopped says how it goes on, and raises what stopped it."""
    records = read_masklets(folder.masklets)[1]
    if records:
        show_rows(COLUMNS, summarise(records))
    if stop is None:
        folder.session.unlink(missing_ok=True)
        return
    done = f"{len(records)} of {num_frames} frames are in {folder.path}"
    complain(f"{done}; the same command with --resume goes on" if folder.session.exists() else done)
    raise stop


def draw_results(folder: RunFolder, source: FrameSource, prompts: list[ObjectPrompt], style: OverlayStyle) -> None:
    """Draw the overlay video of all frames that have results."""
    records = read_masklets(folder.masklets)[1]
    with (
        progress_bar(Speed(), TimeRemainingColumn()) as progress,
        closing(draw_video(folder, source, prompts, records, style)) as drawn,
    ):
        task = progress.add_task(f"drawing {folder.overlay.name}", total=len(records))
        for _ in drawn:
            progress.advance(task)


def _attempt(action: Action) -> BaseException | None:
    try:
        action()
    except STOPS as error:
        return error
    return None


def _save(session: VideoSession, folder: RunFolder) -> None:
    trouble = _attempt(lambda: session.save(folder.session))
    if trouble:
        complain(f"the run cannot go on later, since {folder.session} could not be written: {trouble}")


class Speed(ProgressColumn):
    """Frames a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f} frames/s")
