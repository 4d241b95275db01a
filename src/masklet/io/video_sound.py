"""The video after which another is made: its codec, rate and pixel shape, and its sound, on the way into the other."""

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError

from masklet.io.containers import open_container

DECODERS = {"libdav1d": "av1", "libaom-av1": "av1", "libvpx-vp9": "vp9"}
"""Codecs of decoders that are not called by them."""

Audio = Literal["copied", "converted"]


class SourceVideo:
    """What is kept of a video. FileNotFoundError, IsADirectoryError, or ValueError if there is no video in it.

    codec: name, as of `ENCODERS`. rate: frames per second. start: seconds at which the first frame is shown. audio:
    the first stream of sound that can be read.
    """

    def __init__(self, source: str | Path | bytes):
        self.container, video = open_container(source)
        decoder = video.codec_context.name if video.codec_context else ""
        self.codec = DECODERS.get(decoder, decoder)
        self.rate = video.average_rate or video.guessed_rate
        self.start = float((video.start_time or 0) * (video.time_base or 0))
        self._video = video
        tracks = [track for track in self.container.streams.audio if track.codec_context is not None]
        self.audio = tracks[0] if tracks else None

    def pixel_shape(self, frame_size: tuple[int, int]) -> Fraction | None:
        """Width of a pixel over its height, for frames that are those of the source, upright; None: square."""
        context = self._video.codec_context
        shape = self._video.sample_aspect_ratio
        if not shape or shape == 1:
            return None
        if frame_size == (context.height, context.width):
            return shape
        return 1 / shape if frame_size == (context.width, context.height) else None

    def close(self) -> None:
        """Let go of the file."""
        self.container.close()


class SoundTrack:
    """The sound of a source, on its way into another file, in step with the frames. begin: seconds to leave out.

    ValueError, from FFmpeg or from here, for sound that the other file cannot take in this way.
    """

    def __init__(self, source: SourceVideo, container: OutputContainer, kind: Audio, begin: float):
        assert source.audio is not None
        self.kind: Audio = kind
        self._source, self._container = source.container, container
        self._input: AudioStream = source.audio
        self._origin = source.start + begin
        if kind == "copied":
            if container.format.name == "mp4" and self._input.codec_context.name.startswith("pcm_"):
                raise ValueError("hardly any player knows uncompressed sound in MP4, nor can all of it be written")
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
        """Put in what the encoder still has."""
        if self.kind == "converted":
            self._container.mux(self._output.encode(None))

    def _copies(self) -> Iterator[tuple[float, Any]]:
        for packet in self._demux():
            if packet.pts is None:
                continue
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
