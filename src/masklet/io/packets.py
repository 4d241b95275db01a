"""The packets of a video file by their numbers, and the frames that are decoded from any of them on.

Before decoding, each packet's time is replaced by its number in the file, which the decoder hands on to the frame made
of it. So a frame is known by its packet, whatever the container says of times, and seeking need not be trusted: where
it arrives is compared with the packets seen at opening, and where they disagree, the file is read from its start.
"""

import os
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from masklet.io.containers import name_of, open_container, reason_of

MAX_THREADS = 4


class Packet(NamedTuple):
    """What is known of a packet without decoding it. Times are in the stream's unit."""

    pts: int | None
    dts: int | None
    pos: int | None
    size: int
    is_key: bool
    is_shown: bool

    @classmethod
    def of(cls, packet: av.Packet, codec: str) -> "Packet":
        """Describe a packet of the stream."""
        is_shown = not packet.is_discard and not is_hidden(memoryview(packet), codec)
        return cls(packet.pts, packet.dts, packet.pos, packet.size, packet.is_keyframe, is_shown)


class PacketReader:
    """The video stream of a file. Opening reads the file through once, without decoding.

    packets: all that can be read. num_lost: how many more the file says it has, where it ends early. rate: packets per
    second, on average. time_base: seconds in a unit of their times. times_are_of_decoding: whether they say when to
    decode alone, and frames are shown in another order: AVI has no others. trouble: the latest complaint of the demuxer
    or the decoder; callers may clear it.
    """

    def __init__(self, source: Path | bytes):
        self.trouble = ""
        self.packets: list[Packet] = []
        self._source = source
        self._container: InputContainer | None = None
        # A stream may not be touched after its container is closed: what is needed of it later is noted here.
        self._stream = stream = self._open()
        self.rate: Fraction = stream.average_rate or stream.guessed_rate or Fraction(25)
        self.time_base = stream.time_base
        codec = stream.codec_context.name
        last_is_cut = False
        for packet in self._demux():
            self.packets.append(Packet.of(packet, codec))
            last_is_cut = packet.is_corrupt
        self.num_lost = max(0, stream.frames - len(self.packets)) if last_is_cut or self.trouble else 0
        shifts = {p.pts - p.dts for p in self.packets if p.pts is not None and p.dts is not None}
        is_avi = stream.container.format.name == "avi"
        self.times_are_of_decoding = is_avi and stream.codec_context.has_b_frames and len(shifts) <= 1
        self._numbers = {_identity(packet): number for number, packet in enumerate(self.packets)}

    def decode(self, start: int) -> Iterator[VideoFrame]:
        """The frames from packet `start` on as the decoder gives them; the `pts` of each is its packet's number.

        Packets that cannot be decoded are passed over, with a word about it in `trouble`.
        """
        for number, packet in self._read(start):
            if packet is not None:
                packet.pts, packet.dts = number, None
            try:
                yield from self._stream.codec_context.decode(packet)
            except FFmpegError as error:
                self.trouble = reason_of(error)

    def close(self) -> None:
        """Let go of the file."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def _open(self) -> VideoStream:
        self.close()
        self._container, stream = open_container(self._source)
        if getattr(stream, "codec_context", None) is None:
            self.close()
            raise ValueError(
                f"{name_of(self._source)} has a video stream that no decoder here can read: convert it to H.264 first"
            )
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = min(MAX_THREADS, os.cpu_count() or 1)
        return stream

    def _demux(self) -> Iterator[av.Packet]:
        """The packets from where the container stands, as long as it can read them."""
        assert self._container is not None
        try:
            for packet in self._container.demux(self._stream):
                if packet.size:
                    yield packet
        except FFmpegError as error:
            self.trouble = f"the file ends early: {reason_of(error)}"

    def _read(self, start: int) -> Iterator[tuple[int, av.Packet | None]]:
        """The packets from number `start` on, and a None that makes the decoder give what it still has."""
        packets = self._seek(start)
        if packets is None:
            self._stream = self._open()
            packets = islice(self._demux(), start, None)
        yield from zip(range(start, len(self.packets)), packets, strict=False)
        yield len(self.packets), None

    def _seek(self, start: int) -> Iterator[av.Packet] | None:
        """The packets from number `start` on, if the container finds them; raw streams and some others do not."""
        known = self.packets[start]
        for time in dict.fromkeys((known.pts, known.dts)) if start else ():
            if time is None:
                continue
            assert self._container is not None
            try:
                self._container.seek(time, stream=self._stream)
            except FFmpegError:
                continue
            packets = self._demux()
            packet = next(packets, None)
            number = -1 if packet is None or packet.pos is None else self._numbers.get(_identity(packet), -1)
            while packet is not None and 0 <= number <= start and _identity(packet) == _identity(self.packets[number]):
                if number == start:
                    return chain((packet,), packets)
                packet, number = next(packets, None), number + 1
        return None


def is_hidden(data: memoryview, codec: str) -> bool:
    """Whether a packet is for other frames to refer to and shows none: VP8 and VP9 have such."""
    if codec == "vp8":
        return not data[0] & 0x10
    # A superframe of VP9, which ends with a mark of its own, shows one of its frames.
    if codec == "vp9" and data[-1] & 0xE0 != 0xC0:
        header = data[0] << 1 if data[0] & 0x30 == 0x30 else data[0]  # Profile 3 has one bit more in front.
        shows_earlier, shows_itself = header & 0x08, header & 0x02
        return not (shows_earlier or shows_itself)
    return False


def _identity(packet: av.Packet | Packet) -> tuple[int | None, int | None, int]:
    return packet.pos, packet.pts, packet.size
