"""Videos with masks of some or all of their frames, and sets of them."""

from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

from masklet.datasets.annotations import Annotations
from masklet.datasets.rules import SAV_RULES, ScoreRules
from masklet.io.images import list_images
from masklet.io.video import open_video
from masklet.types import FrameSource


@dataclass(frozen=True, kw_only=True)
class VideoSequence:
    """A video and the masks that are known of it."""

    name: str
    video: Path
    """A folder of pictures, or a video file."""
    annotations: Annotations

    @cached_property
    def frame_names(self) -> tuple[str, ...]:
        """What each frame is called: its picture's name without extension, or in a video file its number, 00000.

        FileNotFoundError or ValueError names a video that is not there, has no frames, or has two of one name.
        """
        if self.video.is_dir():
            names = tuple(frame_pictures(self.video))
        else:
            with open_frames(self.video) as frames:
                names = tuple(f"{index:05d}" for index in range(len(frames)))
        if not names:
            raise ValueError(f"{self.video} has no pictures in it: the frames of {self.name} were expected")
        return names

    @cached_property
    def annotated(self) -> dict[int, str]:
        """Frames with masks: index in the video -> name. ValueError for masks of a frame that the video has not."""
        index = {name: number for number, name in enumerate(self.frame_names)}
        strange = [name for name in self.annotations.frames if name not in index]
        if strange:
            raise ValueError(
                f"{self.annotations.path(strange[0])} is of a frame that {self.video} has not: it has "
                f"{len(index)} frames, {self.frame_names[0]} to {self.frame_names[-1]}"
            )
        return {index[name]: name for name in self.annotations.frames}


@dataclass(frozen=True, kw_only=True)
class VideoDataset:
    """Sequences, and how results on them are kept and scored."""

    name: str
    sequences: tuple[VideoSequence, ...]
    has_truth: bool
    """Whether there are masks to score against, not those to begin with alone."""
    rules: ScoreRules = SAV_RULES
    per_object: bool = False
    """Whether results are written as a folder of pictures an object; else as a label map a frame."""
    appearing_later: bool = False
    """Whether objects may appear after the first frame."""
    submission_folder: str = ""
    """Where in a zip a server expects the folders of sequences; empty: at its top."""
    submission_pictures: Path | None = None
    """Folder of pictures by sequence, of whose frames alone a server expects masks; None: of all frames."""


def frame_pictures(folder: Path) -> dict[str, Path]:
    """The pictures of a video's frames, in order, by the frames' names. ValueError for two of one name."""
    pictures: dict[str, Path] = {}
    for path in list_images(folder):
        twin = pictures.setdefault(path.stem, path)
        if twin != path:
            raise ValueError(
                f"{folder} has two pictures called {path.stem}, {twin.name} and {path.name}: keep one of them"
            )
    return pictures


def open_frames(video: Path, *, read_ahead: int = 0) -> closing[FrameSource]:
    """The frames of a folder of pictures or a video file, for a `with`. Arguments and errors are `open_video`'s."""
    return closing(cast(FrameSource, open_video(video, read_ahead=read_ahead)))
