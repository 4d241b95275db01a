"""Overlay videos: a video's frames with the masks, ids and prompts of its objects, in the order of the frames.

with masklet.VideoSession(model, "clip.mp4") as video:
    video.add_points(frame_index=0, object_id=1, points=[(210, 350)], labels=[1])
    write_overlay_video("overlay.mp4", "clip.mp4", video.propagate())
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np

from masklet.io.masklets import Record
from masklet.io.overlay import DEFAULT_STYLE, OverlayStyle, draw_overlay
from masklet.io.read_ahead import ReadAhead
from masklet.io.video import VideoLike, open_video
from masklet.io.video_file import VideoFile
from masklet.io.video_writer import VideoWriter
from masklet.ops.rle import RLE, encode_rle
from masklet.types import FrameMasks, FrameSource, Prompt

Results: TypeAlias = Iterable[FrameMasks] | Mapping[int, Sequence[Record]]
"""What a session's `propagate` yields, in any order, or the records by frame that `read_masklets` gives."""


def write_overlay_video(
    path: str | Path,
    video: VideoLike,
    results: Results,
    *,
    prompts: Mapping[int, Prompt] | None = None,
    style: OverlayStyle = DEFAULT_STYLE,
) -> int:
    """Draw the frames that have results into a video file; how many there are.

    path: as `VideoWriter` takes it. video: where the results are from, anything that `open_video` takes but streams.
    prompts: what was said, by frame. Codec, rate and sound are those of the video, where it is a file. ValueError for
    a stream, and where results and video do not fit.
    """
    source = open_video(video)
    try:
        if not hasattr(source, "__len__"):
            raise ValueError("the frames of a stream go by once: draw each by draw_overlay as it comes")
        return sum(1 for _ in draw_video(path, cast(FrameSource, source), results, prompts=prompts, style=style))
    finally:
        if source is not video:
            source.close()


def draw_video(
    path: str | Path,
    source: FrameSource,
    results: Results,
    *,
    prompts: Mapping[int, Prompt] | None = None,
    style: OverlayStyle = DEFAULT_STYLE,
) -> Generator[int, None, None]:
    """As `write_overlay_video`, but yields each frame's index when it is drawn. Closed early, it finishes the file."""
    frames = _collect(results)
    beyond = [index for index in frames if index >= len(source)]
    if beyond:
        raise ValueError(f"there are results of frame {beyond[0]}, but the video has {len(source)} frames")
    file = source.source if isinstance(source, ReadAhead) else source
    times = [file.times[index] for index in frames] if isinstance(file, VideoFile) else None
    like = file.path if isinstance(file, VideoFile) else None
    # Two pictures side by side are larger than one.
    drawn_size = draw_overlay(np.zeros((*source.frame_size, 3), np.uint8), [], style=style).shape[:2]
    with VideoWriter(path, drawn_size, times=times, like=like) as writer:
        for index, masks in frames.items():
            prompt = prompts.get(index) if prompts else None
            captions = [str(object_id) for object_id in masks]
            writer.write(draw_overlay(source[index], masks, prompt=prompt, captions=captions, style=style))
            yield index


def _collect(results: Results) -> dict[int, dict[int, RLE]]:
    """Masks by object by frame, compact, in the order of the frames, which a backward pass turns round."""
    found: dict[int, dict[int, RLE]] = {}
    if isinstance(results, Mapping):
        for index, records in cast(Mapping[int, Sequence[Record]], results).items():
            found[index] = {record["id"]: record["segmentation"] for record in records}
    else:
        for frame in results:
            found[frame.frame_index] = {object_id: encode_rle(mask) for object_id, mask in frame.masks.items()}
    return dict(sorted(found.items()))
