"""What the layouts of data sets have in common: videos and masks in two folders, joined by the sequence's name.

Where upstream's script goes through the masks it finds, here what does not fit together is an error: a sequence that
is left out unnoticed changes a score.
"""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path

from masklet.datasets.annotations import Annotations, LabelMaps
from masklet.datasets.sequences import VideoSequence
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


def read_names(path: Path, what: str = "sequence") -> list[str]:
    """The lines of a list of names, in order, each once. FileNotFoundError; ValueError where it names none."""
    if not path.is_file():
        lists = sorted(file.name for file in path.parent.glob("*.txt")) if path.parent.is_dir() else []
        there = f"{path.parent} has {name_some(lists)}" if lists else "there is none in its folder either"
        raise FileNotFoundError(f"there is no list of {what}s {path}: {there}")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text: a list of {what}s, one a line, was expected") from error
    names = dict.fromkeys(line.strip() for line in lines if line.strip())
    if not names:
        raise ValueError(f"{path} names no {what}: one a line was expected")
    return list(names)


def take_sequences(names: Sequence[str], only: Sequence[str] | None) -> list[str]:
    """Those of a split's names that are asked for, in the split's order; None: all.

    ValueError for an unknown one, with those of nearly its name.
    """
    if only is None:
        return [_require_text(name) for name in names]
    if not only:
        raise ValueError("no sequence was named: name those to take, or take all by naming none")
    known, taken = set(names), set(only)
    unknown = [name for name in only if name not in known]
    if unknown:
        near = {name: get_close_matches(name, names) for name in unknown[:MAX_NAMED]}
        hints = [
            f"{name} (did you mean {' or '.join(matches)}?)" if matches else name for name, matches in near.items()
        ]
        more = f" and {len(unknown) - MAX_NAMED} more" if len(unknown) > MAX_NAMED else ""
        raise ValueError(
            f"there is no sequence {', '.join(hints)}{more}: the {len(names)} to choose from are {name_some(names)}"
        )
    return [_require_text(name) for name in names if name in taken]


def _require_text(name: str) -> str:
    """The name, with which files of results are written."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"the sequence {name!r} is no text in the encoding of file names: rename it, or set the locale to UTF-8"
        ) from error
    return name


def join_sequences(
    videos: Path,
    masks: Path,
    names: Sequence[str] | None = None,
    *,
    only: Sequence[str] | None = None,
    annotations: Callable[[Path], Annotations] = LabelMaps,
) -> tuple[VideoSequence, ...]:
    """Each VIDEOS/NAME (a folder of pictures) or VIDEOS/NAME.mp4 with the masks in MASKS/NAME.

    names: the sequences of a split; None: all that there are. only: those to take; None: all. The others need not be
    complete. annotations: what makes a folder's masks. ValueError for names that are not known. FileNotFoundError lists
    the sequences without a video or without masks. No picture is read.
    """
    known_videos = _videos(require_folder(videos, "pictures"))
    known_masks = _folders(require_folder(masks, "masks"))
    if names is None:
        names = sorted(known_videos.keys() | known_masks.keys(), key=lambda name: natural_key(Path(name)))
        if not names:
            raise FileNotFoundError(f"{videos} and {masks} have no sequences in them: a folder for each was expected")
    names = take_sequences(names, only)
    for known, folder, what in ((known_videos, videos, "pictures"), (known_masks, masks, "masks")):
        missing = [name for name in names if name not in known]
        if missing:
            raise FileNotFoundError(
                f"{folder} has no {what} of {name_some(missing)}: every sequence needs pictures in {videos} and masks "
                f"in {masks}. Complete the data, or name the sequences to take"
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
