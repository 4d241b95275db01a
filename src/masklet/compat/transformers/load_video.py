"""`load_video`: frames of a file or a URL, as `transformers.video_utils` has it.

All is decoded by PyAV, whatever `backend` says. What differs from `transformers`, on purpose: frames are turned
upright, they are counted where a container does not say how many there are, and one that cannot be decoded is an error
that names it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from masklet.compat.transformers.load_image import download
from masklet.io.video_file import VideoFile


@dataclass
class VideoMetadata(Mapping[str, Any]):
    """What a video is, read by attribute or like a dictionary. duration: in seconds."""

    total_num_frames: int
    fps: float | None = None
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    video_backend: str | None = None
    frames_indices: Sequence[int] | np.ndarray | None = None
    """Which frames were read."""

    def __getitem__(self, name: str) -> Any:
        if name not in list(self):
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return (field.name for field in fields(self))

    def __len__(self) -> int:
        return len(fields(self))


def load_video(
    video: Any,
    num_frames: int | None = None,
    fps: float | None = None,
    backend: str = "pyav",
    sample_indices_fn: Callable[..., Any] | None = None,
    **kwargs: Any,
) -> tuple[Any, Any]:
    """Frames (T, H, W, 3), 8-bit RGB, and what the video is.

    video: a path, or an http(s) URL; frames are given back as they are. num_frames: so many, evenly spread, or fps: so
    many a second. sample_indices_fn: which frames to read, as `sample_indices_fn(metadata=..., **kwargs)`.

    ValueError: more than one way to choose, more frames than there are, no video; FileNotFoundError; ConnectionError.
    """
    if fps is not None and num_frames is not None and sample_indices_fn is None:
        raise ValueError(f"give num_frames ({num_frames}) or fps ({fps}), not both: each says how many frames to read")
    if not isinstance(video, str | Path):
        return video, [None] * len(video)
    is_url = isinstance(video, str) and video.startswith(("http://", "https://"))
    file = VideoFile(download(str(video)) if is_url else video)
    try:
        height, width = file.frame_size
        rate = float(file.rate)
        metadata = VideoMetadata(len(file), rate, width, height, len(file) / rate, "pyav")
        if sample_indices_fn is None:
            indices = spread(metadata, num_frames, fps)
        else:
            indices = np.asarray(sample_indices_fn(metadata=metadata, **kwargs))
        metadata.frames_indices = indices
        return np.stack([file[index] for index in indices.tolist()]), metadata
    finally:
        file.close()


def spread(metadata: VideoMetadata, num_frames: int | None = None, fps: float | None = None) -> np.ndarray:
    """Indices of frames, evenly spread: so many, so many a second, or all. ValueError where there are not so many."""
    total = metadata.total_num_frames
    if num_frames is None and fps is not None:
        if not metadata.fps:
            raise ValueError("fps can be chosen only where the video's own is known: give num_frames")
        num_frames = max(1, int(total / metadata.fps * fps))
    if num_frames is None:
        return np.arange(total)
    if not 0 < num_frames <= total:
        raise ValueError(f"{num_frames} frames are asked for, but the video has {total}")
    return np.arange(num_frames) * total // num_frames
