"""Videos in: whatever a user has, as frames that can be had in any order, or as a stream of them that goes by once."""

import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import TypeAlias, cast

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from PIL import Image
from torch import Tensor

from masklet.io.frame_sources import PictureFrames, PictureStream
from masklet.io.images import ImageLike
from masklet.io.read_ahead import ReadAhead, StreamAhead
from masklet.io.video_file import VideoFile, upright_pixels
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

TIMEOUT = 10.0
"""Seconds to wait for a camera or an address: to open, and for each frame."""

_CAMERA_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}


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
    address = _address(video)
    if address is not None:
        return _ahead_of_stream(PictureStream(_LiveFrames(address)), read_ahead)
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


def _address(video: VideoLike) -> str | int | None:
    """What names a live source: a camera's number, an address, a device. None for anything else."""
    if isinstance(video, int) and not isinstance(video, bool):
        if video < 0:
            raise ValueError(f"cameras are numbered from 0, so there is no camera {video}")
        return video
    if isinstance(video, str) and "://" in video:
        return video
    return str(video) if isinstance(video, str | Path) and str(video).startswith("/dev/video") else None


class _LiveFrames:
    """The frames of a camera or an address as they come. ConnectionError if it does not open or breaks off."""

    def __init__(self, address: str | int):
        # What stands before the host of an address may be a password.
        self._name = f"camera {address}" if isinstance(address, int) else re.sub("//[^/]*@", "//", address)
        try:
            self._container = _connect(address)
        except (FFmpegError, ValueError, IndexError) as error:
            if isinstance(error, av.error.InvalidDataError):
                raise ValueError(f"{self._name} answers, but not with a video that can be read") from error
            check = "reachable" if isinstance(address, str) and "://" in address else "plugged in, free and permitted"
            raise ConnectionError(
                f"{self._name} cannot be opened ({_reason(error)}): see that it is {check}"
            ) from error
        if not self._container.streams.video:
            self.close()
            raise ValueError(f"{self._name} has no video stream: give the address of one with pictures")
        stream = self._container.streams.video[0]
        stream.thread_type = "AUTO"
        self._frames = self._decode()

    def __iter__(self) -> Iterator[np.ndarray]:
        return self

    def __next__(self) -> np.ndarray:
        return next(self._frames)

    def close(self) -> None:
        self._container.close()

    def _decode(self) -> Iterator[np.ndarray]:
        count = 0
        stream = self._container.streams.video[0]
        while True:
            try:
                for frame in self._container.decode(stream):
                    yield upright_pixels(frame)
                    count += 1
                return
            except av.error.BlockingIOError:
                time.sleep(0.005)  # some cameras answer at once that they have nothing yet
            except FFmpegError as error:
                after = f"after {count} frames" if count else "before its first frame"
                raise ConnectionError(f"{self._name} broke off {after} ({_reason(error)}): open it again") from error


def _connect(address: str | int) -> InputContainer:
    timeout = (TIMEOUT, TIMEOUT)
    if isinstance(address, str) and "://" in address:
        options = {"rtsp_transport": "tcp"} if address.startswith("rtsp") else {}
        return av.open(address, "r", options=options, timeout=timeout)
    kind = _CAMERA_FORMATS.get(sys.platform, "v4l2")
    if isinstance(address, int):
        if kind == "dshow":
            if not hasattr(av, "enumerate_input_devices"):
                raise ValueError("this version of PyAV cannot number cameras: update it with pip install -U av")
            cameras = [device for device in av.enumerate_input_devices(kind) if "video" in device.media_types]
            device = f"video={cameras[address].name}"
        else:
            device = f"/dev/video{address}" if kind == "v4l2" else str(address)
    else:
        device = address
    return av.open(device, "r", format=kind, timeout=timeout)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
