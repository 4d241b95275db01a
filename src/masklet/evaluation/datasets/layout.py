"""What the layouts of data sets have in common: videos and masks in two folders, joined by the sequence's name.

Where upstream's script goes through the masks it finds, here what does not fit together is an error: a sequence that
is left out unnoticed changes a score.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from masklet.evaluation.annotations import Annotations, LabelMaps
from masklet.evaluation.sequences import VideoSequence
from masklet.io.images import natural_key

VIDEO_EXTENSIONS = {".avi", ".mkv", ".mov", ".mp4", ".webm"}
"""A file with one of these is a sequence's video, where its pictures would be a folder."""

MAX_NAMED = 8
"""So many names are written out in an error; more are counted."""


def check_split(dataset: str, split: str, splits: Sequence[str]) -> None:
    """ValueError for a split that a data set never had."""
    if split not in splits:
        raise ValueError(f"{dataset} has no split {split!r}: name one of {', '.join(splits)}")


def require_folder(path: Path, what: str) -> Path:
    """The folder, or FileNotFoundError that names it and what stands beside it."""
    if path.is_dir():
        return path
    parent = next(folder for folder in path.absolute().parents if folder.is_dir())
    beside = sorted(child.name for child in parent.iterdir() if child.is_dir())
    raise FileNotFoundError(
        f"there is no folder {path} with {what}: {parent} has " + (name_some(beside) if beside else "no folders in it")
    )


def read_names(path: Path) -> list[str]:
    """The lines of a list of sequences, in order, each once. FileNotFoundError; ValueError where it names none."""
    if not path.is_file():
        lists = sorted(file.name for file in path.parent.glob("*.txt")) if path.parent.is_dir() else []
        there = f"{path.parent} has {name_some(lists)}" if lists else "there is none in its folder either"
        raise FileNotFoundError(f"there is no list of sequences {path}: {there}")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text: a list of sequences, one a line, was expected") from error
    names = dict.fromkeys(line.strip() for line in lines if line.strip())
    if not names:
        raise ValueError(f"{path} names no sequence: one a line was expected")
    return list(names)


def read_json(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """An object of JSON. FileNotFoundError; ValueError where it is no JSON, no object, or lacks one of the keys."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: JSON with {', '.join(keys)} was expected")
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:  # what is no JSON, and what is no text
        raise ValueError(f"{path} is no JSON ({error}): copy or download it again") from error
    missing = [key for key in keys if key not in value] if isinstance(value, dict) else list(keys)
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}: an object with {', '.join(keys)} was expected")
    return value


def join_sequences(
    videos: Path,
    masks: Path,
    names: Sequence[str] | None = None,
    annotations: Callable[[Path], Annotations] = LabelMaps,
) -> tuple[VideoSequence, ...]:
    """Each VIDEOS/NAME (a folder of pictures) or VIDEOS/NAME.mp4 with the masks in MASKS/NAME.

    names: the sequences of a split; None: all that there are. annotations: what makes a folder's masks.
    FileNotFoundError lists the sequences without a video or without masks. No picture is read.
    """
    known_videos = _videos(require_folder(videos, "pictures"))
    known_masks = _folders(require_folder(masks, "masks"))
    if names is None:
        names = sorted(known_videos.keys() | known_masks.keys(), key=lambda name: natural_key(Path(name)))
        if not names:
            raise FileNotFoundError(f"{videos} and {masks} have no sequences in them: a folder for each was expected")
    for known, folder, what in ((known_videos, videos, "pictures"), (known_masks, masks, "masks")):
        missing = [name for name in names if name not in known]
        if missing:
            raise FileNotFoundError(
                f"{folder} has no {what} of {name_some(missing)}: every sequence needs pictures in {videos} and masks "
                f"in {masks}. Complete the data, or take other sequences alone"
            )
    return tuple(
        VideoSequence(name=name, video=known_videos[name], annotations=annotations(known_masks[name])) for name in names
    )


def _folders(parent: Path) -> dict[str, Path]:
    return {child.name: child for child in parent.iterdir() if child.is_dir() and not child.name.startswith(".")}


def _videos(parent: Path) -> dict[str, Path]:
    found = _folders(parent)
    for file in sorted(parent.iterdir()):
        if file.suffix.lower() in VIDEO_EXTENSIONS and file.is_file() and not file.name.startswith("."):
            twin = found.setdefault(file.stem, file)
            if twin != file:
                raise ValueError(f"{twin} and {file} are both the video of {file.stem}: keep one of them")
    return found


def name_some(names: Sequence[str]) -> str:
    """Names for an error: all of a few, the first of many."""
    if len(names) <= MAX_NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:MAX_NAMED])} and {len(names) - MAX_NAMED} more"
