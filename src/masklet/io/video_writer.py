"""Videos out: whole whenever they are there, on the clock, in the codec and with the sound of their source."""

import io
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import product
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from uuid import uuid4

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".avi": "avi"}

ENCODERS = {"h264": "libx264", "hevc": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1", "mpeg4": "mpeg4"}

DECODERS = {"libdav1d": "av1", "libaom-av1": "av1", "libvpx-vp9": "vp9"}
"""Codecs of decoders that are not called by them."""

FALLBACKS = {"webm": ("libvpx-vp9", "libsvtav1")}
OTHER_FALLBACKS = ("libx264", "mpeg4")

QUALITY = {
    "libx264": {"crf": "18", "preset": "veryfast"},
    "libx265": {"crf": "20", "preset": "veryfast", "x265-params": "log-level=error"},
    "libvpx-vp9": {"crf": "24", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"},
    "libsvtav1": {"crf": "24", "preset": "9"},
    "mpeg4": {"flags": "+qscale", "global_quality": str(3 * 118)},
}
"""Losses that are hard to see, at a speed that does not hold up a model."""

TICK = Fraction(1, 60000)
"""Whole numbers of it make a frame at all usual rates, 30000/1001 too, and MPEG-4 admits none that is much shorter."""

COARSE_TICK = Fraction(1, 1000)
"""That of Matroska and WebM."""

BT709, BT601 = 1, 6
"""FFmpeg's numbers for what the colours mean; players take files that do not say for one or the other."""

MAX_THREADS = 8

Audio = Literal["copied", "converted"]


class VideoWriter:
    """Writes RGB frames to a video file, which appears under its name, whole, when it is closed.

    Leaving the with-block by an exception or Ctrl-C closes it too: the frames written so far become a finished file.
    Without any frame there is no file, and one that was there before stays.

    path: .mp4, .m4v, .mov, .mkv, .webm or .avi. frame_size: (height, width); where one is odd, which H.264 does not
    take, the last row or column is repeated once. rate: frames a second; that of `like`, or 24, if not given. times:
    seconds at which the frames are shown, for rates that vary; the file begins with the first of them, and AVI, which
    has one rate only, takes their average. like: a video, or its bytes, whose codec, rate, pixel shape and sound are
    kept; `times` then count from its first frame, and the sound is cut to the frames that are written.

    ValueError for what cannot be written, FileNotFoundError if there is no folder for it, or no `like`.

        with VideoWriter("out.mp4", video.frame_size, times=video.times, like="in.mp4") as writer:
            for frame in video:
                writer.write(frame)
    """

    def __init__(
        self,
        path: str | Path,
        frame_size: tuple[int, int],
        *,
        rate: float | Fraction | None = None,
        times: Sequence[float] | None = None,
        like: str | Path | bytes | None = None,
    ):
        self.path = Path(path)
        self.frame_size = frame_size
        self.num_frames = 0
        self._target = _check_target(self.path)
        self._format = FORMATS[self._target.suffix.lower()]
        _check_size(frame_size)
        self._times = None if times is None else _check_times(times)
        self._source = None if like is None else _Source(like)
        try:
            self._rate = _choose_rate(rate, self._times, self._source)
            self._clock = None if self._format == "avi" else self._times
            fine = COARSE_TICK if self._format in ("matroska", "webm") else TICK
            self._tick = 1 / self._rate if self._clock is None else fine
            self._temporary = self._target.with_name(f".{uuid4().hex[:12]}{self._target.suffix}")
            self._open()
        except BaseException:
            if self._source is not None:
                self._source.close()
            raise
        self._closed = False
        self._last_tick = -1

    @property
    def audio(self) -> Audio | None:
        """What becomes of the sound of `like`: copied as it is, converted, or None where there is none to be had."""
        return None if self._track is None else self._track.kind

    def write(self, rgb: np.ndarray) -> None:
        """Add a frame, uint8 (H, W, 3). ValueError for any other, and for more frames than there are times."""
        if self._closed:
            raise ValueError(f"{self.path} was closed: open another writer to write more frames")
        expected = (*self.frame_size, 3)
        if rgb.dtype != np.uint8 or rgb.shape != expected:
            raise ValueError(f"a frame of {self.path} is uint8 {expected}, not {rgb.dtype} {rgb.shape}")
        if self._times is not None and self.num_frames == len(self._times):
            raise ValueError(f"{self.path} was given {len(self._times)} times and is now given one more frame")
        height, width = self.frame_size
        if height % 2 or width % 2:
            rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=_matrix(self._video))
        # Two times can fall on one tick, but no two frames can.
        tick = max(self._tick_of(self.num_frames), self._last_tick + 1)
        frame.pts, frame.time_base = tick, self._tick
        self._container.mux(self._video.encode(frame))
        self.num_frames += 1
        self._last_tick = tick
        if self._track is not None:
            self._track.mux_until(float(tick * self._tick))

    def close(self) -> None:
        """Finish the file and give it its name. Does nothing the second time."""
        if self._closed:
            return
        self._closed = True
        try:
            if self.num_frames:
                self._finish()
                self._let_go()
                self._temporary.replace(self._target)
        finally:
            with suppress(FFmpegError, OSError):
                self._let_go()
            self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        # What went wrong first is what has to be known: a disk that is full fails once more here.
        with suppress(Exception):
            self.close()

    def _tick_of(self, index: int) -> int:
        if self._clock is None:
            return index
        return round((self._clock[index] - self._clock[0]) / self._tick)

    def _finish(self) -> None:
        self._container.mux(self._video.encode(None))
        if self._track is not None:
            self._track.mux_until(float(self._last_tick * self._tick + 1 / self._rate))
            self._track.finish()

    def _let_go(self) -> None:
        try:
            self._container.close()
        finally:
            if self._source is not None:
                self._source.close()

    def _open(self) -> None:
        """Start the file with the first pair of sound and encoder that works; the sound as it is comes first."""
        preferred = ENCODERS.get(self._source.codec, "") if self._source else ""
        fallbacks = FALLBACKS.get(self._format, OTHER_FALLBACKS)
        encoders = [name for name in dict.fromkeys((preferred, *fallbacks)) if name in av.codecs_available]
        has_sound = self._source is not None and self._source.audio is not None
        sounds: tuple[Audio | None, ...] = ("copied", "converted", None) if has_sound else (None,)
        trouble: Exception | None = None
        for sound, encoder in product(sounds, encoders):
            try:
                self._start(encoder, sound)
                return
            except (FFmpegError, ValueError, NotImplementedError) as error:
                trouble = error
                self._temporary.unlink(missing_ok=True)
        raise ValueError(
            f"{self.path} cannot be written at {self.frame_size[1]} x {self.frame_size[0]} pixels with the video "
            f"encoders of this build of PyAV ({', '.join(encoders) or 'none of ' + ', '.join(fallbacks)}): {trouble}. "
            "Take another size or extension, or install PyAV from PyPI"
        ) from trouble

    def _start(self, encoder: str, sound: Audio | None) -> None:
        faststart = {"movflags": "+faststart"} if self._format in ("mp4", "mov") else {}
        self._container: OutputContainer = av.open(
            str(self._temporary.absolute()), "w", format=self._format, container_options=faststart
        )
        try:
            self._video = self._add_video(encoder)
            self._track: _Track | None = None
            if sound is not None and self._source is not None and self._source.audio is not None:
                self._track = _Track(self._source, self._container, sound, 0.0 if not self._times else self._times[0])
            self._container.start_encoding()
        except BaseException:
            with suppress(FFmpegError):
                self._container.close()
            raise

    def _add_video(self, encoder: str) -> VideoStream:
        if encoder == "libsvtav1":
            os.environ.setdefault("SVT_LOG", "1")  # it has no other way to be told to print errors only
        stream: Any = self._container.add_stream(encoder, rate=self._rate, options=QUALITY[encoder])
        context = stream.codec_context
        context.width, context.height = (side + side % 2 for side in reversed(self.frame_size))
        context.pix_fmt = "yuv420p"
        context.time_base = self._tick
        context.thread_count = min(MAX_THREADS, os.cpu_count() or 1)
        # MPEG-4 has nowhere to say it: players then take it for the older one.
        context.colorspace = context.color_primaries = context.color_trc = BT601 if encoder == "mpeg4" else BT709
        context.color_range = 1  # that of television, 16 to 235
        if self._source is not None and self._source.pixel_shape(self.frame_size) is not None:
            context.sample_aspect_ratio = self._source.pixel_shape(self.frame_size)
        if encoder == "libx265" and self._format in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # Apple's players do not know FFmpeg's own choice
        if self._format == "avi":
            context.max_b_frames = 0  # frames in AVI come in the order in which they are shown
        return stream


class _Source:
    """What is kept of the video after which another is made."""

    def __init__(self, like: str | Path | bytes):
        name = "the video given as bytes" if isinstance(like, bytes) else str(like)
        try:
            # A whole path, since FFmpeg takes "a:b.mp4" for an address.
            file = io.BytesIO(like) if isinstance(like, bytes) else str(Path(like).absolute())
            self.container: InputContainer = av.open(file, "r")
        except (FileNotFoundError, IsADirectoryError) as error:
            raise FileNotFoundError(f"there is no video file {name} to write another like it") from error
        except FFmpegError as error:
            raise ValueError(f"{name} is not a video that can be read: {error}") from error
        streams = [s for s in self.container.streams.video if not s.disposition & s.disposition.attached_pic]
        if not streams:
            self.container.close()
            raise ValueError(f"{name} has no video stream: give a file with moving pictures")
        video = streams[0]
        decoder = video.codec_context.name if video.codec_context else ""
        self.codec = DECODERS.get(decoder, decoder)
        self.rate = video.average_rate or video.guessed_rate
        self.start = float((video.start_time or 0) * (video.time_base or 0))
        self._video = video
        tracks = [track for track in self.container.streams.audio if track.codec_context is not None]
        self.audio = tracks[0] if tracks else None

    def pixel_shape(self, frame_size: tuple[int, int]) -> Fraction | None:
        """Width of a pixel over its height, for frames that are those of the source, upright."""
        context = self._video.codec_context
        shape = self._video.sample_aspect_ratio
        if not shape or shape == 1:
            return None
        if frame_size == (context.height, context.width):
            return shape
        return 1 / shape if frame_size == (context.width, context.height) else None

    def close(self) -> None:
        self.container.close()


class _Track:
    """The sound of the source, on its way into the file in step with the frames. begin: seconds of it to leave out."""

    def __init__(self, source: _Source, container: OutputContainer, kind: Audio, begin: float):
        assert source.audio is not None
        self.kind: Audio = kind
        self._source, self._container = source.container, container
        self._input: AudioStream = source.audio
        self._origin = source.start + begin
        if kind == "copied":
            self._output: Any = container.add_stream_from_template(self._input)
        else:
            encoder = "libopus" if container.format.name == "webm" else "aac"
            layout = "mono" if self._input.codec_context.channels == 1 else "stereo"
            self._output = container.add_stream(encoder, rate=48000, layout=layout)
            self._output.codec_context.bit_rate = 128000
        self._parts = self._copies() if kind == "copied" else self._decoded()
        self._waiting: tuple[float, Any] | None = None

    def mux_until(self, end: float) -> None:
        """Put in all that begins before `end`, in seconds of the new file."""
        while True:
            self._waiting = self._waiting or next(self._parts, None)
            if self._waiting is None or self._waiting[0] >= end:
                return
            part, self._waiting = self._waiting[1], None
            self._container.mux(part if self.kind == "copied" else self._output.encode(part))

    def finish(self) -> None:
        if self.kind == "converted":
            self._container.mux(self._output.encode(None))

    def _copies(self) -> Iterator[tuple[float, Any]]:
        for packet in self._demux():
            if packet.pts is None:
                continue
            packet.dts = packet.pts
            time = self._shift(packet)
            packet.dts = packet.pts
            packet.stream = self._output
            # One that ends at the beginning stays: decoders of AAC need it to start with.
            if time + float((packet.duration or 0) * packet.time_base) >= -1e-6:
                yield time, packet

    def _decoded(self) -> Iterator[tuple[float, Any]]:
        for packet in self._demux():
            with suppress(FFmpegError):  # damaged: what comes after it may be heard again
                for frame in packet.decode():
                    if frame.pts is None:
                        continue
                    time = self._shift(frame)
                    if time + frame.samples / frame.sample_rate > 0:
                        yield time, frame

    def _demux(self) -> Iterator[Any]:
        with suppress(FFmpegError):  # the file ends early, and so does the sound
            yield from self._source.demux(self._input)

    def _shift(self, part: Any) -> float:
        """Turn a part's time into that of the new file, and say it in seconds."""
        part.pts -= round(self._origin / part.time_base)
        return float(part.pts * part.time_base)


def _matrix(stream: VideoStream) -> str:
    return "ITU601" if stream.codec_context.colorspace == BT601 else "ITU709"


def _check_target(path: Path) -> Path:
    if path.suffix.lower() not in FORMATS:
        raise ValueError(
            f"no video format is known by the extension {path.suffix!r} of {path}: use {', '.join(FORMATS)}"
        )
    target = path.resolve()  # so that a link is followed, not replaced
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {target.parent} to write {target.name} to")
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name a file to write")
    return target


def _check_size(frame_size: tuple[int, int]) -> None:
    if len(frame_size) != 2 or min(frame_size) < 1:
        raise ValueError(f"the frame size of a video is (height, width), both at least 1, not {frame_size}")


def _check_times(times: Sequence[float]) -> list[float]:
    known = [float(time) for time in times]
    for index, time in enumerate(known):
        if not math.isfinite(time) or (index and time < known[index - 1]):
            raise ValueError(f"times are finite seconds that do not go back, but that of frame {index} is {time}")
    return known


def _choose_rate(rate: float | Fraction | None, times: list[float] | None, source: _Source | None) -> Fraction:
    if rate is None and source is not None:
        rate = source.rate
    if rate is None and times is not None and len(times) > 1 and times[-1] > times[0]:
        rate = (len(times) - 1) / (times[-1] - times[0])
    if rate is None:
        return Fraction(24)
    if not math.isfinite(rate) or not 0 < rate <= 1000:
        raise ValueError(f"the rate of a video is above 0 and at most 1000 frames a second, not {rate}")
    return Fraction(rate).limit_denominator(1001)
