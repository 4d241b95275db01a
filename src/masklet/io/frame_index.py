"""Which packet each frame of a video is made of, when it is shown, and where decoding may begin to get it."""

from bisect import bisect_right
from itertools import islice
from typing import NamedTuple

from masklet.io.packets import PacketReader
from masklet.io.upright import upright_pixels


class Start(NamedTuple):
    """A packet to decode from, and the first frame that is then as it should be: some shown before it may come too."""

    packet: int
    frame: int


class FrameIndex:
    """The frames of a video in the order in which they are shown.

    packets: number of each frame's packet. ranks: the frame made of each packet. num_lost: how many more the file says
    it has, where it ends early. times: seconds from the first frame, of the lost ones too. frame_size: (height, width)
    of the first frame, upright.

    The order is that of the packets' times, or, where they are not good, found by decoding the whole file once.
    ValueError if no frame can be decoded; `name` is what it calls the video.
    """

    def __init__(self, reader: PacketReader, name: str):
        first = next(reader.decode(0), None)
        if first is None or first.pts is None:
            raise ValueError(f"{name} has no frame that can be decoded ({reader.trouble or 'it has no pictures'})")
        height, width = upright_pixels(first).shape[:2]
        self.frame_size: tuple[int, int] = (height, width)
        self.rate, self.num_lost = reader.rate, reader.num_lost
        self.packets = _order_by_times(reader, first.pts) or _order_by_decoding(reader)
        self.ranks = {number: rank for rank, number in enumerate(self.packets)}
        self.times = self._find_times(reader)
        keys = (number for number, packet in enumerate(reader.packets) if packet.is_key)
        self._keys = [Start(number, self.ranks[number]) for number in keys if number in self.ranks]

    def starts(self, frame: int) -> list[Start]:
        """Where decoding may begin to get a frame, nearest first; the last is the start of the file."""
        num_usable = bisect_right(self._keys, self.packets[frame], key=lambda key: key.packet)
        usable = (self._keys[place] for place in range(num_usable - 1, -1, -1))
        # Of an open group, the frames shown before its keyframe need the group before.
        nearest = islice((key for key in usable if key.frame <= frame), 2)
        return list(dict.fromkeys((*nearest, Start(0, 0))))

    def _find_times(self, reader: PacketReader) -> tuple[float, ...]:
        time_base = reader.time_base
        packets = [reader.packets[number] for number in self.packets]
        known = {packet.pts for packet in packets} - {None}
        if len(known) < len(packets):
            # Frames are shown in the rhythm in which they are decoded, only later.
            known = {packet.dts for packet in packets} - {None}
        ticks = sorted(tick for tick in known if tick is not None)
        if len(ticks) < len(packets) or time_base is None:
            return tuple(float(rank / self.rate) for rank in range(len(packets) + self.num_lost))
        times = [float((tick - ticks[0]) * time_base) for tick in ticks]
        return tuple(times + [times[-1] + float(more / self.rate) for more in range(1, self.num_lost + 1)])


def _order_by_times(reader: PacketReader, first_decoded: int) -> list[int]:
    """The packets of all frames; none where some have no time, or that of another, or times that are not theirs."""
    packets = reader.packets
    first_key = next((number for number, packet in enumerate(packets) if packet.is_key), 0)
    shown = [number for number in range(first_key, len(packets)) if packets[number].is_shown]
    times = {number: pts for number in shown if (pts := packets[number].pts) is not None}
    if len(set(times.values())) < len(shown) or reader.times_are_of_decoding:
        return []
    # A recording may begin with frames that need earlier ones, which no decoder gives.
    begin = min((times[number] for number in (first_decoded, first_key) if number in times), default=None)
    return sorted((n for n, time in times.items() if begin is None or time >= begin), key=times.__getitem__)


def _order_by_decoding(reader: PacketReader) -> list[int]:
    """The packets of all frames that can be decoded, in the order in which they come out."""
    return list(dict.fromkeys(frame.pts for frame in reader.decode(0) if frame.pts is not None))
