"""Video files through PyAV: any frame in any order, exactly as decoding from the start would give it.

Before decoding, each packet's time is replaced by its number in the file, which the decoder hands on to the frame made
of it. So a frame is known by its packet, whatever the container says of times, and seeking need not be trusted: where
it arrives is compared with the packets seen at opening, and where they disagree, the file is read from its start.
"""

import io
import os
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import UInt8

from masklet.io.decode import composite_over_white

MAX_CACHED_FRAMES = 32
MAX_CACHED_BYTES = 2**28
"""Decoded frames that are kept, so that reading backward does not decode a group of pictures once a frame."""

MAX_REORDER = 16
"""Frames by which H.264 and H.265 may come out of order: only later than this, a frame that did not come is missing."""

MAX_THREADS = 4


class _Packet(NamedTuple):
    pts: int | None
    dts: int | None
    pos: int | None
    size: int
    is_key: bool
    is_shown: bool


class _PacketReader:
    """A video stream by the numbers of its packets. `trouble`: the latest complaint of the demuxer or the decoder."""

    def __init__(self, source: Path | bytes, name: str):
        self.name = name
        self.trouble = ""
        self._source = source
        self._container: InputContainer | None = None
        self.stream = self._open()
        codec = self.stream.codec_context.name
        self.packets: list[_Packet] = []
        self.ends_early = False
        for packet in self._demux():
            self.packets.append(_describe(packet, codec))
            self.ends_early = packet.is_corrupt  # only the last one tells of the end
        self.ends_early |= bool(self.trouble)
        self._numbers = {_identity(packet): number for number, packet in enumerate(self.packets)}

    def decode(self, start: int) -> Iterator[tuple[int | None, VideoFrame | None]]:
        """The frames from packet `start` on as the decoder gives them, each with the number of its packet.

        In place of the frame of a packet that cannot be decoded: the packet's number and None.
        """
        for number, packet in self._read(start):
            if packet is not None:
                packet.pts, packet.dts = number, None
            try:
                for frame in self.stream.codec_context.decode(packet):
                    yield frame.pts, frame
            except FFmpegError as error:
                self.trouble = _plain(error)
                if packet is not None:
                    yield number, None

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
            self._container = None

    def _open(self) -> VideoStream:
        self.close()
        # A whole path, since FFmpeg takes "a:b.mp4" for an address.
        source = io.BytesIO(self._source) if isinstance(self._source, bytes) else str(self._source.absolute())
        try:
            self._container = container = av.open(source, "r")
        except FFmpegError as error:
            raise ValueError(f"{self.name} is not a video that can be read: {_plain(error)}") from error
        # FFmpeg draws text files as video, and cover pictures of music are streams too.
        if container.format.name == "tty" or not container.streams:
            raise ValueError(f"{self.name} is not a video that can be read")
        streams = [s for s in container.streams.video if not s.disposition & s.disposition.attached_pic]
        if not streams:
            kinds = ", ".join(sorted({stream.type for stream in container.streams}))
            raise ValueError(f"{self.name} has no video stream, only {kinds}: give a file with moving pictures")
        stream = streams[0]
        if getattr(stream, "codec_context", None) is None:
            raise ValueError(f"{self.name} has a video stream that no decoder here can read: convert it to H.264 first")
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = min(MAX_THREADS, os.cpu_count() or 1)
        return stream

    def _demux(self) -> Iterator[av.Packet]:
        """The packets from where the container stands, as long as it can read them."""
        assert self._container is not None
        try:
            for packet in self._container.demux(self.stream):
                if packet.size:
                    yield packet
        except FFmpegError as error:
            self.trouble = f"the file ends early: {_plain(error)}"

    def _read(self, start: int) -> Iterator[tuple[int, av.Packet | None]]:
        """The packets from number `start` on, and a None that makes the decoder give what it still has."""
        packets = self._seek(start)
        if packets is None:
            self.stream = self._open()
            packets = islice(self._demux(), start, None)
        yield from zip(range(start, len(self.packets)), packets, strict=False)
        yield len(self.packets), None

    def _seek(self, start: int) -> Iterator[av.Packet] | None:
        """The packets from number `start` on, if the container finds them; raw streams and some others do not."""
        known = self.packets[start]
        for time in {known.pts, known.dts} - {None} if start else ():
            assert self._container is not None
            assert time is not None
            try:
                self._container.seek(time, stream=self.stream)
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


class VideoFile:
    """A video file, or the bytes of one, as a `FrameSource`. Frames are numbered in the order in which they are shown.

    Frames are turned as the file's display matrix says; opacity is composited over white. Not for several threads at
    once. FileNotFoundError, IsADirectoryError, or ValueError if there is no video in it.

    A frame that the decoder cannot make, or reports as damaged, is a ValueError each time it is asked for; others can
    still be read, though those after it may show traces that the decoder does not report.
    """

    def __init__(self, path: str | Path | bytes):
        self.path = None if isinstance(path, bytes) else Path(path)
        self._name = "the video given as bytes" if self.path is None else str(self.path)
        self._broken: dict[int, str] = {}
        self._other_size: dict[int, str] = {}
        self._cache: dict[int, np.ndarray] = {}
        self._counted = False
        self._closed = False
        self._came: set[int] = set()
        _check_there(path if isinstance(path, bytes) else Path(path), self._name)
        self._reader = _PacketReader(path if isinstance(path, bytes) else Path(path), self._name)
        self._build_index()
        self._asked = -1
        self._restart(0, 0)
        self._window = max(1, min(MAX_CACHED_FRAMES, MAX_CACHED_BYTES // (3 * self._size[0] * self._size[1])))

    @property
    def frame_size(self) -> tuple[int, int]:
        """(height, width) in pixels of every frame, as it is shown."""
        return self._size

    @property
    def times(self) -> tuple[float, ...]:
        """When each frame is shown, in seconds from the first."""
        return self._times

    @property
    def rate(self) -> Fraction:
        """Frames per second, on average."""
        return self._rate

    def __len__(self) -> int:
        return len(self._times)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        """One frame, as an array of its own; negative indices count from the end."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no frame {index}: {self._name} has frames 0 to {len(self) - 1}")
        if self._closed:
            raise ValueError(f"{self._name} was closed: open it again to read frame {index}")
        index = index % len(self)
        self._raise_if_faulty(index)
        if index not in self._cache:
            self._find(index)
        self._asked = index
        self._raise_if_faulty(index)
        return self._cache[index].copy()

    def close(self) -> None:
        """Let go of the file and of the frames kept."""
        self._closed = True
        self._run = iter(())
        self._cache.clear()
        self._reader.close()

    def _build_index(self) -> None:
        reader, stream = self._reader, self._reader.stream
        packets = reader.packets
        first_key = next((number for number, packet in enumerate(packets) if packet.is_key), 0)
        pts = {n: packet.pts for n, packet in enumerate(packets) if n >= first_key and packet.is_shown}
        times = {number: time for number, time in pts.items() if time is not None}
        lost = max(0, stream.frames - len(packets)) if reader.ends_early else 0
        self._rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        if len(set(times.values())) == len(pts):
            order = self._order_by_times(times, first_key)
            shown = [times[number] for number in order]
            keys = [(n, bisect_left(shown, p.pts)) for n, p in enumerate(packets) if p.is_key and p.pts is not None]
        else:
            order = self._order_by_decoding()
            places = {number: rank for rank, number in enumerate(order)}
            keys = [(n, places[n]) for n, p in enumerate(packets) if p.is_key and n in places and not self._counted]
        self._order = order
        self._ranks = {number: rank for rank, number in enumerate(order)}
        self._keys = keys
        self._times = self._find_times(lost)
        self._broken.update((rank, "the file ends early") for rank in range(len(order), len(order) + lost))

    def _order_by_times(self, times: dict[int, int], first_key: int) -> list[int]:
        """Packets by their times. A recording may begin with frames that need earlier ones, which no decoder gives."""
        begin = next(number for number in self._numbers_decoded() if number in times)
        earliest = min(times[begin], times.get(first_key, times[begin]))
        return sorted((number for number, time in times.items() if time >= earliest), key=times.__getitem__)

    def _order_by_decoding(self) -> list[int]:
        """Packets in the order in which their frames come out, for files without (distinct) times."""
        order = list(self._numbers_decoded())
        # A decoder may not say which packet a frame is from. Then frames can only be counted from the start.
        self._counted = None in order or len(set(order)) < len(order)
        return [rank if self._counted or number is None else number for rank, number in enumerate(order)]

    def _numbers_decoded(self) -> Iterator[int | None]:
        """The packets of all frames from the first that can be decoded on, which says the size."""
        size = None
        for number, frame in self._reader.decode(0):
            if frame is not None and size is None:
                height, width = upright_pixels(frame).shape[:2]
                self._size = size = (height, width)
            if size is not None:
                yield number
        if size is None:
            reason = self._reader.trouble or "it has no pictures"
            raise ValueError(f"{self._name} has no frame that can be decoded ({reason})")
        return

    def _find_times(self, lost: int) -> tuple[float, ...]:
        time_base = self._reader.stream.time_base
        packets = [] if self._counted else [self._reader.packets[number] for number in self._order]
        known = {packet.pts for packet in packets} - {None}
        if len(known) < len(self._order):
            # Frames are shown in the rhythm in which they are decoded, only later.
            known = {packet.dts for packet in packets} - {None}
        ticks = sorted(tick for tick in known if tick is not None)
        if len(ticks) < len(self._order) or time_base is None:
            return tuple(float(rank / self._rate) for rank in range(len(self._order) + lost))
        times = [float((tick - ticks[0]) * time_base) for tick in ticks]
        return tuple(times + [times[-1] + float(more / self._rate) for more in range(1, lost + 1)])

    def _find(self, index: int) -> None:
        """Put a frame into the cache, or what is wrong with it among what is broken."""
        usable = self._keys[: bisect_right(self._keys, self._order[index], key=lambda key: key[0])]
        # Of an open group, the frames shown before its keyframe need the group before.
        starts = [*[key for key in reversed(usable) if key[1] <= index][:2], (0, 0)]
        if self._run_floor <= index and starts[0][1] - 1 <= self._reached < index:
            if self._advance(index):
                return
            # What did not come from further back will not come from nearer.
            starts = [key for key in starts if key[0] < self._run_start]
        for start, floor in starts:
            self._restart(start, floor)
            if self._advance(index):
                return
        # The last run was one from the file's start: what it passed by is not to be had.
        reason = self._reader.trouble or "the decoder gives no frame"
        for rank in range(index, max(index + 1, self._reached - MAX_REORDER)):
            if rank not in self._came and rank not in self._broken:
                self._broken[rank] = reason

    def _restart(self, start: int, floor: int) -> None:
        self._run_start, self._run_floor, self._reached = start, floor, -1
        self._came.clear()
        self._reader.trouble = ""
        self._run = self._reader.decode(start)
        if self._counted:
            self._run = ((count, frame) for count, (_, frame) in enumerate(self._run))

    def _advance(self, index: int) -> bool:
        """Decode on until the frame is there; False if it does not come."""
        keep_from = index - self._window + 1 if index < self._asked else index
        for number, frame in self._run:
            rank = None if number is None else self._ranks.get(number)
            # From a keyframe on, frames before it may come too, but made without what they need.
            if frame is None or rank is None or rank < self._run_floor:
                continue
            self._reached = max(self._reached, rank)
            if frame.is_corrupt:
                self._reader.trouble = "its data are damaged"
                continue
            self._came.add(rank)
            if rank >= keep_from:
                self._keep(rank, upright_pixels(frame))
            if rank == index:
                return True
            if rank > index + MAX_REORDER:
                return False
        return False

    def _keep(self, rank: int, pixels: np.ndarray) -> None:
        height, width = pixels.shape[:2]
        if (height, width) != self._size:
            self._other_size[rank] = (
                f"frame {rank} of {self._name} is {width} x {height} pixels, but those before are "
                f"{self._size[1]} x {self._size[0]}: convert the video to one size first"
            )
            return
        if len(self._cache) >= self._window:
            del self._cache[next(iter(self._cache))]
        self._cache[rank] = pixels

    def _raise_if_faulty(self, index: int) -> None:
        if index in self._other_size:
            raise ValueError(self._other_size[index])
        if index in self._broken:
            first = min(self._broken)
            usable = f"frames 0 to {first - 1} can be used" if first else "there is no frame before it to use"
            raise ValueError(f"{self._name} breaks at frame {index} of {len(self)} ({self._broken[index]}): {usable}")


def upright_pixels(frame: VideoFrame) -> UInt8[np.ndarray, "H W 3"]:
    """A decoded frame as 8-bit RGB, turned and mirrored as its display matrix says."""
    if any(component.is_alpha for component in frame.format.components):
        pixels = composite_over_white(frame.to_ndarray(format="rgba"))
    else:
        pixels = frame.to_ndarray(format="rgb24")
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is not None:
        # A point (x, y) of the frame is shown at (a x + c y, b x + d y).
        a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(matrix), np.int32)[:5])
        if abs(b) > abs(a):
            pixels, a, d = pixels.transpose(1, 0, 2), c, b
        pixels = pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(pixels)


def _describe(packet: av.Packet, codec: str) -> _Packet:
    is_shown = not packet.is_discard and not _is_hidden(memoryview(packet), codec)
    return _Packet(packet.pts, packet.dts, packet.pos, packet.size, packet.is_keyframe, is_shown)


def _identity(packet: av.Packet | _Packet) -> tuple[int | None, int | None, int]:
    return packet.pos, packet.pts, packet.size


def _is_hidden(data: memoryview, codec: str) -> bool:
    """Whether a packet is for other frames to refer to and shows none: VP8 and VP9 have such."""
    if codec == "vp8":
        return not data[0] & 0x10
    # A superframe of VP9, which ends with a mark of its own, shows one of its frames.
    if codec == "vp9" and data[-1] & 0xE0 != 0xC0:
        header = data[0] << 1 if data[0] & 0x30 == 0x30 else data[0]  # Profile 3 has one bit more in front.
        shows_earlier, shows_itself = header & 0x08, header & 0x02
        return not (shows_earlier or shows_itself)
    return False


def _check_there(source: Path | bytes, name: str) -> None:
    if isinstance(source, Path):
        if source.is_dir():
            raise IsADirectoryError(f"{name} is a folder, not a video file")
        if not source.exists():
            raise FileNotFoundError(f"there is no file {name}")
        with source.open("rb") as file:
            source = file.read(1)
    if not source:
        raise ValueError(f"{name} is empty: give a video file")


def _plain(error: FFmpegError) -> str:
    return error.strerror or str(error)
