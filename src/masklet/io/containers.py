"""Opening files that hold video, with errors that name the file and say what to do."""

import io
from pathlib import Path

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream


def open_container(source: str | Path | bytes) -> tuple[InputContainer, VideoStream]:
    """A video file, or the bytes of one, opened, and its moving pictures.

    FileNotFoundError, IsADirectoryError, or ValueError if there is no video in it.
    """
    name = name_of(source)
    _check_there(source, name)
    try:
        # A whole path, since FFmpeg takes "a:b.mp4" for an address.
        container = av.open(io.BytesIO(source) if isinstance(source, bytes) else str(Path(source).absolute()), "r")
    except FFmpegError as error:
        raise ValueError(f"{name} is not a video that can be read: {reason_of(error)}") from error
    try:
        return container, _moving_pictures(container, name)
    except ValueError:
        container.close()
        raise


def name_of(source: str | Path | bytes) -> str:
    """What errors call it."""
    return "the video given as bytes" if isinstance(source, bytes) else str(source)


def reason_of(error: Exception) -> str:
    """What FFmpeg says, without the numbers and arguments."""
    return str(getattr(error, "strerror", None) or error)


def _check_there(source: str | Path | bytes, name: str) -> None:
    if isinstance(source, bytes):
        is_empty = not source
    else:
        path = Path(source)
        if path.is_dir():
            raise IsADirectoryError(f"{name} is a folder, not a video file")
        if not path.exists():
            raise FileNotFoundError(f"there is no file {name}")
        with path.open("rb") as file:
            is_empty = not file.read(1)
    if is_empty:
        raise ValueError(f"{name} is empty: give a video file")


def _moving_pictures(container: InputContainer, name: str) -> VideoStream:
    # FFmpeg draws text files as video, and cover pictures of music are streams too.
    if container.format.name == "tty" or not container.streams:
        raise ValueError(f"{name} is not a video that can be read")
    for stream in container.streams.video:
        if not stream.disposition & stream.disposition.attached_pic:
            return stream
    kinds = sorted({"picture" if stream.type == "video" else stream.type for stream in container.streams})
    raise ValueError(f"{name} has no video stream, only {', '.join(kinds)}: give a file with moving pictures")
