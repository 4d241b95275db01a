"""Small videos and what is in them, by PyAV alone; videos by the writer under test; and a web server."""

import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from masklet.io.video_writer import VideoWriter

SIZE = (98, 130)
NTSC = Fraction(30000, 1001)


def _picture(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """A moving block over moving noise, so that every frame differs and depends on those before."""
    frame = np.random.default_rng(number // 5).integers(0, 90, (height, width, 3), dtype=np.uint8)
    left = number * 2 % (width - 12)
    frame[8:24, left : left + 12] = (250, 30 + 5 * (number % 40), 60)
    return frame


def _write(
    path: Path,
    codec: str = "libx264",
    frames: int = 30,
    *,
    times: list[int] | None = None,
    size: tuple[int, int] = (64, 48),
    container: str | None = None,
    options: dict[str, str] | None = None,
    file_options: dict[str, str] | None = None,
) -> Path:
    """Frames that are `picture(number)`, ten a second, or at `times` in milliseconds. size: (width, height)."""
    with av.open(str(path), "w", format=container, options=file_options or {}) as file:
        stream = file.add_stream(codec, rate=10, options=options or {"g": "8"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = {"mjpeg": "yuvj420p", "gif": "rgb8", "ffv1": "bgr0"}.get(codec, "yuv420p")
        unit = Fraction(1, 1000) if times else Fraction(1, 10)
        stream.codec_context.time_base = unit
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(_picture(number, *size))
            frame.pts = times[number] if times else number
            frame.time_base = unit
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


@pytest.fixture
def picture() -> Callable[..., np.ndarray]:
    return _picture


@pytest.fixture
def write() -> Callable[..., Path]:
    return _write


@pytest.fixture
def decoded() -> Callable[[Path], list[np.ndarray]]:
    """The frames of a file in the order in which PyAV gives them."""

    def decode(path: Path) -> list[np.ndarray]:
        with av.open(str(path)) as file:
            return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]

    return decode


def _write_source(path: Path, encoder: str = "libx264", *, sound: str | None = "aac", start: float = 0) -> Path:
    """A second of video with a tone, made without the code under test. start: when the first frame is shown."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(encoder, rate=NTSC)
        video.width, video.height, video.pix_fmt = 130, 98, "yuv420p"
        if encoder == "libx265":
            video.options = {"x265-params": "log-level=error"}
        packets = []
        for index in range(30):
            rgb = np.full((98, 130, 3), (20 + 8 * index, 90, 160), np.uint8)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = index + round(start * NTSC), 1 / NTSC
            packets += video.encode(frame)
        packets += video.encode(None)
        if sound is not None:
            audio = container.add_stream(sound, rate=48000, layout="stereo")
            tone = (8000 * np.sin(np.arange(48000) * 2 * np.pi * 440 / 48000)).astype(np.int16).repeat(2)
            for first in range(0, 48000, 960):
                samples = np.ascontiguousarray(tone[None, 2 * first : 2 * first + 1920])
                part = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
                part.sample_rate, part.pts, part.time_base = 48000, first, Fraction(1, 48000)
                packets += audio.encode(part)
            packets += audio.encode(None)
        container.mux(sorted(packets, key=lambda packet: packet.dts * packet.time_base))
    return path


@pytest.fixture
def write_source() -> Callable[..., Path]:
    return _write_source


def _make_frames(num_frames: int, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """Plain frames that can be told apart: each is lighter than the one before."""
    return [np.full((*size, 3), (20 + 8 * index, 90, 160), np.uint8) for index in range(num_frames)]


@pytest.fixture
def make_frames() -> Callable[..., list[np.ndarray]]:
    return _make_frames


@pytest.fixture
def write_video() -> Callable[..., VideoWriter]:
    """Writes frames by the writer under test, and gives it back."""

    def write(path: Path, frames: list[np.ndarray], **options: Any) -> VideoWriter:
        with VideoWriter(path, frames[0].shape[:2], **options) as writer:
            for frame in frames:
                writer.write(frame)
        return writer

    return write


@pytest.fixture
def read_times() -> Callable[[Path], list[float]]:
    def read(path: Path) -> list[float]:
        with av.open(str(path)) as container:
            return [frame.time for frame in container.decode(video=0)]

    return read


@pytest.fixture
def read_sound() -> Callable[[Path], list[tuple[float, bytes]]]:
    """The packets of the sound as they are in the file, each with its time."""

    def read(path: Path) -> list[tuple[float, bytes]]:
        with av.open(str(path)) as container:
            packets = [packet for packet in container.demux(audio=0) if packet.size]
            return [(float(packet.pts * packet.time_base), bytes(packet)) for packet in packets]

    return read


@pytest.fixture
def needs() -> Callable[[str], None]:
    """Skips the test where this build of PyAV lacks an encoder."""

    def check(encoder: str) -> None:
        if encoder not in av.codecs_available:
            pytest.skip(f"this build of PyAV has no {encoder}")

    return check


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    monkeypatch.setenv("no_proxy", "*")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()
