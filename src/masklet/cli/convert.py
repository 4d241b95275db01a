"""`masklet convert`: annotations of one format as another."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from masklet.cli.annotation_sources import SOURCES, open_source, recognise
from masklet.cli.console import UsageError, count, progress_bar, say
from masklet.cli.everything_options import check_formats
from masklet.cli.run_file import check_writable
from masklet.io.formats.catalog import FORMATS, open_writer

_FORMATS = ", ".join(FORMATS)


def convert(
    source: Path,
    /,
    *,
    to: Annotated[str, Parameter(help=f"What to write: {_FORMATS}.")],
    output: Path = Path("out"),
    kind: Annotated[
        str | None,
        Parameter(name="--from", help=f"What SOURCE is, if the names of its files do not tell: {', '.join(SOURCES)}."),
    ] = None,
    pictures: Path | None = None,
) -> int:
    """Write annotations in another format.

    Reads files and folders of any format, what `masklet track` leaves (masklets.jsonl), and the folder of `masklet
    everything`. Objects of a video stay tracks where the format has them. One picture is held in memory at a time.

    For example:

        masklet convert out/masklets.jsonl --to cvat --output out/cvat
        masklet convert out --to yolo --output labels
        masklet convert labels --from labelme --to coco --output coco

    Parameters
    ----------
    source
        A file of annotations, or a folder of them.
    output
        Folder for what is written; made if it is not there.
    pictures
        Folder of the pictures, for formats that do not say how large these are, or what they are called.
    """
    if kind is not None and kind not in SOURCES:
        raise UsageError(f"there is no annotation format {kind!r} to read: choose one of {', '.join(SOURCES)}")
    kind = kind or recognise(source)
    if pictures is None and kind in FORMATS and FORMATS[kind].pictures == "needed":
        raise UsageError(f"{kind} files do not say how large the pictures are: give the folder of these as --pictures")
    check_formats([to], video=True)
    if output.resolve() in (source.resolve(), source.resolve().parent):
        raise UsageError(f"{source} cannot be read and written to at once: give another folder as --output")
    check_writable(output)
    video, found = open_source(kind, source, pictures)
    check_formats([to], video=video is not None)
    num_pictures = num_objects = 0
    with progress_bar() as progress, open_writer(to, output, video=video) as writer:
        task = progress.add_task("", total=video.num_frames if video else None)
        for picture in found:
            writer.write(picture)
            num_pictures += 1
            num_objects += len(picture.visible)
            progress.update(task, description=picture.name, advance=1)
    say(f"{count(num_objects, 'mask')} on {count(num_pictures, 'frame' if video else 'picture')} from {kind} to {to}")
    return 0
