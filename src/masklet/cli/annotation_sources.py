"""Where `masklet convert` reads from: files of any format, and what masklet's own commands leave."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from masklet.cli.console import UsageError
from masklet.cli.everything_folder import RUN, PicturesFolder, recorded_pictures
from masklet.io.formats.catalog import FORMATS, read_annotations
from masklet.io.formats.masklets import read_masklet_pictures
from masklet.io.formats.picture import AnnotatedPicture, VideoInfo
from masklet.io.images import list_images

MASKLETS, EVERYTHING = "masklets", "everything"
MASKLETS_FILE = "masklets.jsonl"

SOURCES = (MASKLETS, EVERYTHING, *FORMATS)
"""What can be read: the masklets.jsonl of a video, the folder of `masklet everything`, and the formats."""

MARKS = {MASKLETS: (MASKLETS_FILE,)} | {name: found.marks for name, found in FORMATS.items() if found.marks}
"""Names of files and folders that belong to one source alone."""


def recognise(source: Path) -> str:
    """What a file or folder holds, by the names of its files. UsageError where these do not tell, or there is none."""
    if not source.exists():
        raise UsageError(f"there is no file or folder {source}")
    if recorded_pictures(source / f"{RUN}.json"):
        return EVERYTHING
    if source.is_dir():
        found = [kind for kind, marks in MARKS.items() if any(any(source.glob(mark)) for mark in marks)]
    else:
        found = [kind for kind, marks in MARKS.items() if any(source.match(mark) for mark in marks)]
    if len(found) == 1:
        return found[0]
    several = f"{source} may hold {' or '.join(found)}" if found else f"the names in {source} do not say what it holds"
    raise UsageError(f"{several}: say it with --from, one of {', '.join(SOURCES)}")


def open_source(
    kind: str, source: Path, pictures: Path | None = None
) -> tuple[VideoInfo | None, Iterator[AnnotatedPicture]]:
    """The annotated pictures, and the video that they are frames of, if they are.

    pictures: the folder of the pictures themselves, which formats without sizes need; of masklets, it gives the frames
    their names. ValueError, FileNotFoundError: see `read_annotations`.
    """
    if kind == MASKLETS:
        names = None if pictures is None else [path.name for path in list_images(pictures)]
        return read_masklet_pictures(source / MASKLETS_FILE if source.is_dir() else source, names=names)
    found = _read_everything(source) if kind == EVERYTHING else read_annotations(kind, source, pictures=pictures)
    first = next(found, None)
    if first is None:
        raise ValueError(f"there are no annotated pictures in {source}")
    video = None
    if first.frame_index is not None:
        name = source.stem.removesuffix("_manual").removesuffix("_auto") or "video"
        video = VideoInfo(name=name, height=first.height, width=first.width)
    return video, chain([first], found)


def _read_everything(folder: Path) -> Iterator[AnnotatedPicture]:
    """The pictures of a run of `masklet everything` that are done, called as its own annotations call them.

    A file of masks has the name of the run that wrote it; with --resume, pictures of other folders may have come since.
    """
    known = recorded_pictures(folder / f"{RUN}.json")
    if not known:
        raise ValueError(f"{folder} is no folder of `masklet everything`: it has no {RUN}.json with pictures")
    pictures = PicturesFolder(folder, {stem: Path(path) for stem, path in known.items()})
    for stem in known:
        if pictures.annotations(stem).exists():
            yield pictures.read(stem)
