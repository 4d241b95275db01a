"""`masklet everything` for pictures: find, write, go on with the next; then the annotations of all."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import numpy as np
from rich.progress import TimeRemainingColumn

from masklet.cli.console import UsageError, complain, count, progress_bar, remark, say, show_rows
from masklet.cli.draw_options import DrawOptions
from masklet.cli.everything_folder import PicturesFolder
from masklet.cli.everything_options import MORE_MASKS, EverythingOutput, FindOptions, check_formats
from masklet.cli.inputs import collect_images, expand_patterns, with_name
from masklet.cli.options import ModelOptions
from masklet.cli.run_file import check_writable
from masklet.io.files import write_image
from masklet.io.formats.catalog import open_writer
from masklet.io.formats.sa1b import write_mask_records
from masklet.io.images import read_image
from masklet.io.overlay import draw_overlay
from masklet.io.video_encoders import FORMATS as VIDEO_FORMATS
from masklet.ops.mask_record import MaskRecord
from masklet.predictors.mask_generator import MaskGenerator

MAX_ROWS = 60
"""More pictures than this are counted, not listed."""

FEW_MASKS = 2
"""Fewer masks a picture than this, on average, are next to nothing: it is said which options to lower."""


class UnwritableError(OSError):
    """What cannot be written now, as on a full disk, cannot be for the other pictures."""


@dataclass
class Report:
    """What a run has done so far: rows of the table, the number of masks, and what failed, with the reason."""

    rows: list[tuple[str, ...]] = field(default_factory=list)
    num_masks: int = 0
    failures: list[str] = field(default_factory=list)


def find_in_pictures(
    sources: Sequence[str], find: FindOptions, model: ModelOptions, drawing: DrawOptions, output: EverythingOutput
) -> int:
    """Everything in all pictures, as files; the exit code."""
    options = find.to_options()
    check_formats(output.format, video=False)
    check_writable(output.output)
    given, failures = expand_patterns(sources, output.output)
    paths, empty = collect_images(given, output.output)
    if paths and all(map(is_video, paths)):
        raise UsageError(f"{paths[0]} is a video: follow what is in it with --video")
    report = Report(failures=failures + empty)
    folder = PicturesFolder.of(output.output, paths)
    run = {"model": model.model, "image_size": model.image_size, **find.describe()}
    done = folder.done(run) if output.resume else set()
    if output.resume:
        known = f"{len(done)} of {count(len(paths), 'picture')} were done before"
        remark(known if done else f"{folder.path} holds no picture that is done: starting anew")
    stop = None
    if len(done) < len(paths):
        generator = MaskGenerator(model.load(), options)
        folder.begin(run, done)
        stop = _work(generator, folder, done, drawing, report)
    if stop is None:
        try:
            write_formats(folder, output.format, report)
        except KeyboardInterrupt as interrupt:
            stop = interrupt
    _conclude(report, folder)
    if stop is None:
        return 1 if report.failures else 0
    num_done = len(folder.finished())
    complain(f"{num_done} of {len(paths)} pictures are in {folder.path}; the same command with --resume goes on")
    raise stop


def _work(
    generator: MaskGenerator, folder: PicturesFolder, done: Collection[str], drawing: DrawOptions, report: Report
) -> BaseException | None:
    """Go through the pictures. What ended it midway: the user, or a disk that is full; None if nothing did."""
    todo = {stem: path for stem, path in folder.pictures.items() if stem not in done}
    try:
        with progress_bar(TimeRemainingColumn()) as progress:
            pictures = progress.add_task("", total=len(todo))
            points = progress.add_task("points")
            for stem, path in todo.items():
                progress.update(pictures, description=path.name)
                began = perf_counter()
                try:
                    image = read_image(path)
                    records = generator.generate(
                        image, on_progress=lambda asked, total: progress.update(points, completed=asked, total=total)
                    )
                    write_picture(folder, stem, image, records, drawing)
                except UnwritableError:
                    raise
                except (OSError, ValueError, MemoryError, RuntimeError) as error:  # also too little memory for it
                    report.failures.append(named(path, error))
                else:
                    report.rows.append((str(path), str(len(records)), f"{perf_counter() - began:.1f}"))
                    report.num_masks += len(records)
                progress.advance(pictures)
    except (KeyboardInterrupt, UnwritableError) as stop:
        return stop
    return None


def write_picture(
    folder: PicturesFolder, stem: str, image: np.ndarray, records: Sequence[MaskRecord], drawing: DrawOptions
) -> None:
    """The overlay, and then the masks, of one picture. UnwritableError, naming the file, where it cannot be written.

    ValueError for a picture of which no overlay can be had.
    """
    file = folder.overlay(stem)
    try:
        if not drawing.no_overlay:
            masks = {number: record.rle for number, record in enumerate(records, start=1)}
            drawn = draw_overlay(image, masks, captions=[*map(str, masks)], style=drawing.style())
            try:
                write_image(file, drawn)
            except ValueError as error:
                raise ValueError(f"{error}. With --no-overlay the masks alone are written") from error
        file = folder.annotations(stem)
        write_mask_records(file, folder.names[stem], image.shape[:2], records)
    except OSError as error:
        raise UnwritableError(f"{file} could not be written ({error}): is there room on the disk?") from error


def write_formats(folder: PicturesFolder, formats: Sequence[str], report: Report) -> None:
    """Annotations of all pictures that are done, each format in a folder of its own; one picture is held at a time."""
    done = folder.finished()
    for name in dict.fromkeys(formats) if done else ():
        try:
            with open_writer(name, folder.path / name) as writer:
                for stem in done:
                    writer.write(folder.read(stem))
        except (OSError, ValueError) as error:
            report.failures.append(f"--format {name}: {error}")


def is_video(path: Path) -> bool:
    """Whether a path is that of a video, by its extension."""
    return path.suffix.lower() in VIDEO_FORMATS and path.is_file()


def named(path: Path, error: Exception) -> str:
    """What is wrong with a picture, with its name."""
    if is_video(path):
        return f"{path} is a video, not a picture: give it alone, with --video"
    return with_name(path, error)


def _conclude(report: Report, folder: PicturesFolder) -> None:
    """Print what was found and what failed."""
    rows = report.rows
    if rows:
        show_rows(("picture", "masks", "seconds"), rows[:MAX_ROWS])
    if len(rows) > MAX_ROWS:
        say(f"and {len(rows) - MAX_ROWS} pictures more in {folder.path}")
    if report.num_masks < FEW_MASKS * len(rows):
        remark(f"{count(report.num_masks, 'mask')} in {count(len(rows), 'picture')}: {MORE_MASKS}")
    for failure in report.failures:
        complain(failure)
    if report.failures and len(folder.pictures) > 1:
        num_done = len(folder.finished())
        complain(f"{len(report.failures)} failed, {num_done} of {len(folder.pictures)} pictures are done")
