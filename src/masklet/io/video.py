"""Videos in: whatever a user has, as frames that can be had in any order, or as a stream of them that goes by once."""

from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
from PIL import Image
from torch import Tensor

from masklet.io.frame_sources import PictureFrames, PictureStream
from masklet.io.images import ImageLike
from masklet.io.live import LiveFrames, live_address
from masklet.io.read_ahead import ReadAhead, StreamAhead
from masklet.io.video_file import VideoFile
from masklet.types import FrameSource, FrameStream

VideoLike: TypeAlias = (
    str
    | Path
    | bytes
    | int
    | np.ndarray
    | Tensor
    | Sequence[ImageLike]
    | Iterable[ImageLike]
    | FrameSource
    | FrameStream
)
"""What `open_video` takes: a file, its bytes, a folder, pictures, a camera's number, an address, frames."""


def open_video(video: VideoLike, *, read_ahead: int = 4) -> FrameSource | FrameStream:
    """Frames as 8-bit RGB, all of one size, of nearly anything.

    A `FrameSource`, which has a length and gives any frame:

    - a path of a video file, or the bytes of one;
    - a path of a folder of pictures, in natural order (frame2 before frame10);
    - an array (T, H, W, 3), or (T, H, W, 1 or 4), or (T, H, W) of grey; a tensor, with channels before H and W;
    - a list of pictures, as `read_image` takes them;
    - a `FrameSource`, which is given back as it is.

    A `FrameStream`, which has no length and gives each frame once:

    - the number of a camera, or an address such as rtsp://..., http://... or /dev/video0;
    - any other iterable of pictures. It is read in the thread that asks, and never further than was asked.

    read_ahead: how many frames a thread decodes ahead, for files, folders, cameras and addresses; 0: no thread.

    FileNotFoundError, ConnectionError (a camera or address that does not open), ValueError (no video, no frames) and
    TypeError name what was given and what to do. Frames that cannot be read raise when they are asked for.
    """
    if not isinstance(read_ahead, int) or read_ahead < 0:
        raise ValueError(f"read_ahead must be 0 or a number of frames, not {read_ahead!r}")
    address = live_address(video)
    if address is not None:
        return _ahead_of_stream(PictureStream(LiveFrames(address)), read_ahead)
    if isinstance(video, bytes):
        return _ahead(VideoFile(video), read_ahead)
    if isinstance(video, str | Path):
        return _ahead(PictureFrames.of_folder(video) if Path(video).is_dir() else VideoFile(video), read_ahead)
    if isinstance(video, np.ndarray | Tensor):
        _check_shape(video)
        return PictureFrames(video)
    if all(hasattr(video, name) for name in ("frame_size", "__len__", "__getitem__")):
        return cast(FrameSource, video)
    if isinstance(video, StreamAhead | PictureStream):
        return video
    if isinstance(video, Sequence) and not isinstance(video, bytearray | memoryview):
        frames = PictureFrames(video)
        return _ahead(frames, read_ahead) if isinstance(video[0], str | Path) else frames
    if isinstance(video, Iterable) and not isinstance(video, Mapping | Set | bytearray | memoryview):
        return PictureStream(video)
    hint = ": give one picture to the image predictor, or a list of them" if isinstance(video, Image.Image) else ""
    raise TypeError(
        "a video is a path, bytes, an array, a tensor, a list or an iterable of pictures, a camera's number or an "
        f"address, not {type(video).__name__}{hint}"
    )


def _ahead(source: FrameSource, read_ahead: int) -> FrameSource:
    return ReadAhead(source, read_ahead) if read_ahead else source


def _ahead_of_stream(stream: PictureStream, read_ahead: int) -> FrameStream:
    return StreamAhead(stream, read_ahead) if read_ahead else stream


def _check_shape(video: np.ndarray | Tensor) -> None:
    shape = tuple(video.shape)
    channels_first = isinstance(video, Tensor)
    if video.ndim == 3 and (shape[0] if channels_first else shape[2]) in (1, 3, 4):
        raise ValueError(f"shape {shape} is that of one picture: a video has the frames as its first axis, video[None]")
    if video.ndim not in (3, 4):
        wanted = "(T, 3, H, W)" if channels_first else "(T, H, W, 3)"
        raise ValueError(f"a video of shape {shape} was given, and {wanted} or (T, H, W) was expected")
