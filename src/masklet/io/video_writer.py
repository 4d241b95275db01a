"""Videos out: whole whenever they are there, on the clock, in the codec and with the sound of their source."""

import math
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import product
from pathlib import Path
from types import TracebackType
from uuid import uuid4

import av
import numpy as np
from av.container import OutputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from masklet.io.video_encoders import BT601, FORMATS, add_video, finest_tick, list_encoders
from masklet.io.video_sound import Audio, SoundTrack, SourceVideo


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
        self._source = None if like is None else SourceVideo(like)
        try:
            self._rate = _choose_rate(rate, self._times, self._source)
            self._clock = None if self._format == "avi" else self._times
            self._tick = 1 / self._rate if self._clock is None else finest_tick(self._format)
            self._temporary = self._target.with_name(f".{uuid4().hex[:12]}{self._target.suffix}")
            self._container, self._video, self._track = self._open()
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

    def _open(self) -> tuple[OutputContainer, VideoStream, SoundTrack | None]:
        """Start the file with the first pair of sound and encoder that works; the sound as it is comes first."""
        encoders = list_encoders(self._format, self._source.codec if self._source else None)
        has_sound = self._source is not None and self._source.audio is not None
        sounds: tuple[Audio | None, ...] = ("copied", "converted", None) if has_sound else (None,)
        trouble: Exception | None = None
        for sound, encoder in product(sounds, encoders):
            try:
                return self._start(encoder, sound)
            except PermissionError as error:
                raise PermissionError(
                    f"writing in {self._target.parent} is not permitted: name a file elsewhere"
                ) from error
            except (FFmpegError, ValueError, NotImplementedError) as error:
                trouble = error
                self._temporary.unlink(missing_ok=True)
        raise ValueError(
            f"{self.path} cannot be written at {self.frame_size[1]} x {self.frame_size[0]} pixels with the video "
            f"encoders of this build of PyAV ({', '.join(encoders)}): {trouble}. "
            "Take another size or extension, or install PyAV from PyPI"
        ) from trouble

    def _start(self, encoder: str, sound: Audio | None) -> tuple[OutputContainer, VideoStream, SoundTrack | None]:
        faststart = {"movflags": "+faststart"} if self._format in ("mp4", "mov") else {}
        container = av.open(str(self._temporary.absolute()), "w", format=self._format, container_options=faststart)
        try:
            height, width = self.frame_size
            pixel_shape = self._source.pixel_shape(self.frame_size) if self._source else None
            even = (height + height % 2, width + width % 2)
            video = add_video(container, encoder, even, self._rate, self._tick, pixel_shape)
            track = None
            if sound is not None and self._source is not None:
                track = SoundTrack(self._source, container, sound, self._times[0] if self._times else 0.0)
            container.start_encoding()
        except BaseException:
            with suppress(FFmpegError):
                container.close()
            raise
        return container, video, track


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


def _choose_rate(rate: float | Fraction | None, times: list[float] | None, source: SourceVideo | None) -> Fraction:
    if rate is None and source is not None:
        rate = source.rate
    if rate is None and times is not None and len(times) > 1 and times[-1] > times[0]:
        rate = (len(times) - 1) / (times[-1] - times[0])
    if rate is None:
        return Fraction(24)
    if not math.isfinite(rate) or not 0 < rate <= 1000:
        raise ValueError(f"the rate of a video is above 0 and at most 1000 frames a second, not {rate}")
    return Fraction(rate).limit_denominator(1001)
