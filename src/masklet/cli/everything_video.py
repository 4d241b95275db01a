"""`masklet everything --video`: what is on the first frame, and what appears later, followed through all of a video.

Objects are followed forward alone, from the frame on which they were found, so the session is that of a stream: its
memory does not grow with the video. What is written is what `masklet track` writes; see `track_output`.
"""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import TimeRemainingColumn

from masklet.cli.console import complain, count, progress_bar, remark
from masklet.cli.draw_options import DrawOptions
from masklet.cli.everything_options import MORE_MASKS, EverythingOutput, FindOptions, FollowOptions, check_formats
from masklet.cli.options import ModelOptions
from masklet.cli.run_file import check_writable
from masklet.cli.track_output import ResultWriter, RunFolder, open_whole, unwrap
from masklet.cli.track_run import Speed, carry_out, conclude, draw_results
from masklet.io.formats.catalog import open_writer
from masklet.io.formats.masklets import read_masklet_pictures
from masklet.io.images import list_images
from masklet.io.masklets import read_masklets
from masklet.io.overlay import OverlayStyle
from masklet.io.video_file import VideoFile
from masklet.predictors.mask_generator import MaskGenerator, OnProgress
from masklet.predictors.session_options import SessionOptions
from masklet.predictors.video import VideoSession
from masklet.types import FrameSource

COVERED = 0.5
"""A mask of which tracked objects have this share of the pixels, or more, is nothing new."""


def follow_everything(
    video: str,
    find: FindOptions,
    follow: FollowOptions,
    model: ModelOptions,
    drawing: DrawOptions,
    output: EverythingOutput,
) -> int:
    """Everything in a video, as files; the exit code."""
    options = find.to_options()
    check_formats(output.format, video=True)
    check_writable(output.output)
    folder = RunFolder(output.output, Path(video))
    source = open_whole(video, folder)
    try:
        run = describe_run(folder, find, follow, model)
        resume = output.resume and folder.can_resume(run)
        if output.resume and not resume:
            complain(f"{folder.path} holds no run that was stopped: starting anew")
        generator = MaskGenerator(model.load(), options)
        session = make_session(generator, follow, folder if resume else None)
        if not resume:
            folder.begin(run)
        writer = ResultWriter(folder, source, resume=resume, pictures=not follow.no_masks)
        stop = carry_out(
            session,
            folder,
            lambda: follow_frames(session, generator, source, writer, follow),
            draw=None if drawing.no_overlay else lambda: draw_found(folder, source, drawing.style()),
            export=lambda: write_formats(folder, source, output.format),
        )
    finally:
        source.close()
    if not session.object_ids:
        remark(f"nothing was found to follow: {MORE_MASKS}")
    conclude(folder, len(source), stop)
    return 0


def describe_run(folder: RunFolder, find: FindOptions, follow: FollowOptions, model: ModelOptions) -> dict[str, Any]:
    """What must be the same for a run to go on, as JSON."""
    return {
        "video": folder.video.as_posix(),
        "model": model.model,
        "image_size": model.image_size,
        **find.describe(),
        "look_again": follow.look_again,
        "max_objects": follow.max_objects,
        "non_overlapping": follow.non_overlapping,
        "no_masks": follow.no_masks,
    }


def make_session(generator: MaskGenerator, follow: FollowOptions, resume: RunFolder | None) -> VideoSession:
    """A session of a stream: a new one, or that of a run which was stopped."""
    options = SessionOptions(non_overlapping=follow.non_overlapping)
    if resume is not None:
        return VideoSession.load(resume.session, generator.model, options=options)
    return VideoSession(generator.model, options=options)


def follow_frames(
    session: VideoSession, generator: MaskGenerator, source: FrameSource, writer: ResultWriter, follow: FollowOptions
) -> None:
    """Go through the frames that are left, look for objects on those that are looked at, and write what is known.

    A frame that was stopped at before it was written is looked at again, and what was added on it found anew. So it is
    where a later run, which was killed, has written it with objects that were not added yet.
    """
    stopped_at = session.newest_frame
    if stopped_at is not None and writer.written.get(stopped_at) != {*session.object_ids}:
        for object_id in session.masks(stopped_at).prompted:
            session.remove_object(object_id)
        begin = stopped_at
    else:
        begin = 0 if stopped_at is None else stopped_at + 1
    with closing(writer), progress_bar(Speed(), TimeRemainingColumn()) as progress:
        frames = progress.add_task("", total=len(source) - begin)
        points = progress.add_task("points", total=None)
        for index in range(begin, len(source)):
            if index != stopped_at:
                session.step(source[index])
            if index == 0 or (follow.look_again and index % follow.look_again == 0):
                add_new_objects(
                    session,
                    generator,
                    follow.max_objects,
                    on_progress=lambda done, total: progress.update(points, completed=done, total=total),
                )
            if not (session.object_ids or follow.look_again):
                return  # there is nothing to follow, and nothing will be looked for
            writer.write(session.masks(index))
            progress.update(frames, description=count(len(session.object_ids), "object"), advance=1)


def add_new_objects(
    session: VideoSession, generator: MaskGenerator, max_objects: int | None, *, on_progress: OnProgress | None = None
) -> None:
    """Look at the newest frame, and follow what most of which no object has that is followed already, largest first."""
    index = session.newest_frame
    assert index is not None
    known = session.object_ids
    covered = np.zeros(session.frame(index).shape[:2], bool)
    for mask in session.masks(index).masks.values():
        covered |= mask
    records = generator.generate(session.frame(index), on_progress=on_progress)
    room = len(records) if max_objects is None else max_objects - len(known)
    object_id = max(known, default=0)
    for record in sorted(records, key=lambda record: -record.area):
        if room <= 0:
            return
        mask = record.mask
        if np.count_nonzero(mask & covered) < COVERED * record.area:
            object_id += 1
            session.add_mask(index, object_id, mask)
            room -= 1


def draw_found(folder: RunFolder, source: FrameSource, style: OverlayStyle) -> None:
    """Draw the overlay video, if there is anything to draw."""
    if read_masklets(folder.masklets)[1]:
        draw_results(folder, source, [], style)


def write_formats(folder: RunFolder, source: FrameSource, formats: Sequence[str]) -> None:
    """The objects as tracks, or on frames where a format has no tracks; each in a folder of its own."""
    file = unwrap(source)
    rate = float(file.rate) if isinstance(file, VideoFile) else None
    names = [path.name for path in list_images(folder.video)] if folder.video.is_dir() else None
    for name in dict.fromkeys(formats):
        video, pictures = read_masklet_pictures(folder.masklets, names=names, frames_per_second=rate)
        with open_writer(name, folder.path / name, video=video) as writer:
            for picture in pictures:
                writer.write(picture)
