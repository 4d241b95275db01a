"""What `masklet track` leaves in its folder, and how a run that was stopped goes on.

    masklets.jsonl          masks (RLE) and scores, a line a frame, as the frames come
    masks/OBJECT/FRAME.png  255 inside, 0 outside, as the frames come
    overlay.mp4             drawn when tracking ends or is stopped, in the order of the frames
    run.json                the prompts and options; a file that --prompts takes
    session.safetensors     there only after a stop: what --resume goes on from

A line of masklets.jsonl is written after the frame's pictures, so a frame that has a line is whole. The video is drawn
from these lines: a backward pass gives frames in the wrong order, and a finished video cannot be continued.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from masklet.cli.console import UsageError
from masklet.cli.run_file import check_same_run
from masklet.cli.track_prompts import ObjectPrompt
from masklet.io import overlay_video
from masklet.io.files import write_json, write_mask_png
from masklet.io.masklets import MaskletsHeader, MaskletWriter, Record, read_masklets
from masklet.io.overlay import DEFAULT_STYLE, OverlayStyle
from masklet.io.video import open_video
from masklet.types import FrameMasks, FrameSource, Prompt

CONTAINERS = (".mp4", ".mov", ".mkv", ".webm")


@dataclass(frozen=True)
class RunFolder:
    """The output folder of a run over `video`."""

    path: Path
    video: Path

    @property
    def masklets(self) -> Path:
        """Masks and scores."""
        return self.path / "masklets.jsonl"

    @property
    def masks(self) -> Path:
        """Folder of the objects' folders of mask pictures."""
        return self.path / "masks"

    @property
    def overlay(self) -> Path:
        """The video to look at, in the source's container where that can be written."""
        extension = self.video.suffix.lower()
        return self.path / f"overlay{extension if extension in CONTAINERS and self.video.is_file() else '.mp4'}"

    @property
    def session(self) -> Path:
        """State of a run that was stopped."""
        return self.path / "session.safetensors"

    @property
    def run(self) -> Path:
        """Prompts and options."""
        return self.path / "run.json"

    def check(self) -> None:
        """UsageError if this is no place to write to: a file, or where the video is read from."""
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"--output {self.path} is a file: name a folder")
        video = self.video.resolve()
        written = (self.path.resolve(), self.overlay.resolve())
        if video in written or self.masks.resolve() in (video, *video.parents):
            raise UsageError(f"{self.video} cannot be read and written to at once: give another folder as --output")

    def begin(self, run: dict[str, Any]) -> None:
        """Make the folder, remove what an earlier run has left in it, and write down what this one is."""
        self.path.mkdir(parents=True, exist_ok=True)
        for old in (self.session, self.masklets, *(self.path / f"overlay{extension}" for extension in CONTAINERS)):
            if old.resolve() != self.video.resolve():
                old.unlink(missing_ok=True)
        for folder in self.masks.glob("*"):
            if folder.name.isdigit() and folder.is_dir():
                for picture in folder.glob("*.png"):
                    picture.unlink()
        write_json(self.run, run)

    def can_resume(self, run: dict[str, Any]) -> bool:
        """Whether a run was stopped here. UsageError if it was another one."""
        if not (self.session.exists() and self.run.exists()):
            return False
        check_same_run(self.run, run)
        return True


def open_whole(video: str, folder: RunFolder) -> FrameSource:
    """The video's frames. UsageError for what has no end, and for a folder that cannot be written to."""
    path = Path(video)
    if "://" in video or video.startswith("/dev/") or (video.isdigit() and not path.exists()):
        raise UsageError(f"{video} is a camera or an address: give a video file or a folder of pictures")
    folder.check()
    return cast(FrameSource, open_video(path))


def frame_names(source: FrameSource) -> list[str]:
    """What the pictures of each frame are called: as in its folder, where names differ there; else numbers."""
    names: list[str] | None = getattr(unwrap(source), "names", None)
    if names is not None and len({name.casefold() for name in names}) == len(names):
        return names
    width = max(5, len(str(len(source) - 1)))
    return [f"{index:0{width}d}" for index in range(len(source))]


def unwrap(source: FrameSource) -> FrameSource:
    """The source behind the thread that reads ahead."""
    return getattr(source, "source", source)


class ResultWriter:
    """Writes the results of frames as they come. resume: keep those that are there. pictures: masks as PNG too."""

    def __init__(self, folder: RunFolder, source: FrameSource, *, resume: bool = False, pictures: bool = True) -> None:
        self.folder = folder
        self._names = frame_names(source) if pictures else None
        height, width = source.frame_size
        header = MaskletsHeader(video=folder.video.as_posix(), height=height, width=width, num_frames=len(source))
        self._lines = MaskletWriter(folder.masklets, header, append=resume)
        self.written: dict[int, set[int]] = {}
        """Objects whose results are there, by frame."""
        if resume:
            records = read_masklets(folder.masklets)[1]
            self.written = {frame: {record["id"] for record in found} for frame, found in records.items()}

    def write(self, frame: FrameMasks) -> bool:
        """Write what is known of a frame; False if all of it is there already."""
        if frame.masks.keys() <= self.written.get(frame.frame_index, set()):
            return False
        for object_id, mask in frame.masks.items() if self._names else ():
            folder = self.folder.masks / str(object_id)
            folder.mkdir(parents=True, exist_ok=True)
            assert self._names is not None
            write_mask_png(folder / f"{self._names[frame.frame_index]}.png", mask)
        self._lines.write(frame)
        self.written[frame.frame_index] = set(frame.masks)
        return True

    def close(self) -> None:
        """Close the file of lines."""
        self._lines.close()


def draw_video(
    folder: RunFolder,
    source: FrameSource,
    prompts: Sequence[ObjectPrompt],
    records: dict[int, list[Record]],
    style: OverlayStyle = DEFAULT_STYLE,
) -> Generator[int, None, None]:
    """Draw the frames that have results, with what was said on them, into the overlay video; see `overlay_video`."""
    return overlay_video.draw_video(folder.overlay, source, records, prompts=join_prompts(prompts), style=style)


def join_prompts(prompts: Sequence[ObjectPrompt]) -> dict[int, Prompt]:
    """All that is said on each frame, as one prompt to be drawn: clicks and boxes."""
    joined = {}
    for frame in {prompt.frame for prompt in prompts}:
        here = [prompt for prompt in prompts if prompt.frame == frame]
        clicks = [click for prompt in here for click in prompt.clicks]
        joined[frame] = Prompt(
            points=[(click.x, click.y) for click in clicks] or None,
            labels=[click.label for click in clicks] or None,
            boxes=[prompt.box for prompt in here if prompt.box] or None,
        )
    return joined


def summarise(records: dict[int, list[Record]]) -> list[tuple[str, ...]]:
    """A row for each object: id, frames with results, frames it is visible on and their mean score, first, last."""
    scores: dict[int, dict[int, float]] = {}
    looked: dict[int, int] = {}
    for frame, found in records.items():
        for record in found:
            looked[record["id"]] = looked.get(record["id"], 0) + 1
            seen = scores.setdefault(record["id"], {})
            if record["visible"]:
                seen[frame] = record["score"]
    rows = []
    for object_id, seen in sorted(scores.items()):
        row = (str(object_id), str(looked[object_id]), str(len(seen)))
        shown = (f"{sum(seen.values()) / len(seen):.3f}", str(min(seen)), str(max(seen))) if seen else ("-", "-", "-")
        rows.append((*row, *shown))
    return rows
