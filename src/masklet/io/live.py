"""Cameras and addresses: frames as they come, for as long as they come."""

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from jaxtyping import UInt8

from masklet.io.containers import reason_of
from masklet.io.upright import upright_pixels

TIMEOUT = 10.0
"""Seconds to wait for a camera or an address: to open, and for each frame."""

_CAMERA_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}


def live_address(video: object) -> str | int | None:
    """What names a live source: a camera's number, an address, a device. None for anything else."""
    if isinstance(video, int) and not isinstance(video, bool):
        if video < 0:
            raise ValueError(f"cameras are numbered from 0, so there is no camera {video}")
        return video
    if isinstance(video, str) and "://" in video:
        return video
    return str(video) if isinstance(video, str | Path) and str(video).startswith("/dev/video") else None


class LiveFrames:
    """An iterator over the frames of what `live_address` names.

    ConnectionError if it does not open or breaks off, ValueError if there is no video in it.
    """

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
                f"{self._name} cannot be opened ({reason_of(error)}): see that it is {check}"
            ) from error
        if not self._container.streams.video:
            self.close()
            raise ValueError(f"{self._name} has no video stream: give the address of one with pictures")
        self._frames = self._decode()

    def __iter__(self) -> "LiveFrames":
        return self

    def __next__(self) -> UInt8[np.ndarray, "H W 3"]:
        return next(self._frames)

    def close(self) -> None:
        """Let go of the camera or the connection."""
        self._frames = iter(())
        self._container.close()

    def _decode(self) -> Iterator[np.ndarray]:
        count = 0
        stream = self._container.streams.video[0]
        stream.thread_type = "AUTO"
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
                raise ConnectionError(f"{self._name} broke off {after} ({reason_of(error)}): open it again") from error


def _connect(address: str | int) -> InputContainer:
    timeout = (TIMEOUT, TIMEOUT)
    if isinstance(address, str) and "://" in address:
        options = {"rtsp_transport": "tcp"} if address.startswith("rtsp") else {}
        return av.open(address, "r", options=options, timeout=timeout)
    kind = _CAMERA_FORMATS.get(sys.platform, "v4l2")
    return av.open(_device(address, kind), "r", format=kind, timeout=timeout)


def _device(address: str | int, kind: str) -> str:
    """What FFmpeg calls a camera."""
    if isinstance(address, str):
        return address
    if kind == "dshow":
        if not hasattr(av, "enumerate_input_devices"):
            raise ValueError("this version of PyAV cannot number cameras: update it with pip install -U av")
        cameras = [device for device in av.enumerate_input_devices(kind) if "video" in device.media_types]
        return f"video={cameras[address].name}"
    return f"/dev/video{address}" if kind == "v4l2" else str(address)
