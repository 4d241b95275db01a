"""Video files: any frame in any order, exactly as decoding from the start would give it."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import UInt8

from masklet.io.containers import name_of
from masklet.io.frame_index import FrameIndex, Start
from masklet.io.packets import PacketReader
from masklet.io.upright import upright_pixels

MAX_CACHED_FRAMES = 32
MAX_CACHED_BYTES = 2**28
"""Decoded frames that are kept, so that reading backward does not decode a group of pictures once a frame."""

MAX_REORDER = 16
"""Frames by which H.264 and H.265 may come out of order: only later than this, a frame that did not come is missing."""


class VideoFile:
    """A video file, or the bytes of one, as a `FrameSource`. Frames are numbered in the order in which they are shown.

    Frames are turned as the file's display matrix says; opacity is composited over white. Not for several threads at
    once. Opening a file that does not say in which order its frames are shown decodes all of it: raw streams, and
    H.264 in AVI. FileNotFoundError, IsADirectoryError, or ValueError if there is no video in it.

    A frame that the decoder cannot make, or reports as damaged, or that is of another size than the first, is a
    ValueError each time it is asked for; others can still be read, though those after a damaged one may show traces
    that the decoder does not report.
    """

    def __init__(self, path: str | Path | bytes):
        self.path = None if isinstance(path, bytes) else Path(path)
        self._name = name_of(path)
        self._reader = PacketReader(path if isinstance(path, bytes) else Path(path))
        try:
            self._index = index = FrameIndex(self._reader, self._name)
        except BaseException:
            self._reader.close()
            raise
        num_whole = len(index.packets)
        self._faults = dict.fromkeys(range(num_whole, num_whole + index.num_lost), "the file ends early")
        height, width = index.frame_size
        self._window = max(1, min(MAX_CACHED_FRAMES, MAX_CACHED_BYTES // (3 * height * width)))
        self._cache: dict[int, np.ndarray] = {}
        self._asked = -1
        self._closed = False
        self._restart(Start(0, 0))

    @property
    def frame_size(self) -> tuple[int, int]:
        """(height, width) in pixels of every frame, as it is shown."""
        return self._index.frame_size

    @property
    def times(self) -> tuple[float, ...]:
        """When each frame is shown, in seconds from the first."""
        return self._index.times

    @property
    def rate(self) -> Fraction:
        """Frames per second, on average."""
        return self._index.rate

    def __len__(self) -> int:
        return len(self._index.times)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        """One frame, as an array of its own; negative indices count from the end."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"there is no frame {index}: {self._name} has frames 0 to {len(self) - 1}")
        if self._closed:
            raise ValueError(f"{self._name} was closed: open it again to read frame {index}")
        index = int(index) % len(self)
        if index not in self._cache and index not in self._faults:
            self._find(index)
        self._asked = index
        if index in self._faults:
            first = min(self._faults)
            usable = f"frames 0 to {first - 1} can be used" if first else "there is no frame before it to use"
            raise ValueError(f"{self._name} breaks at frame {index} of {len(self)} ({self._faults[index]}): {usable}")
        return self._cache[index].copy()

    def close(self) -> None:
        """Let go of the file and of the frames kept."""
        self._closed = True
        self._run = iter(())
        self._cache.clear()
        self._reader.close()

    def _find(self, index: int) -> None:
        """Put a frame into the cache, or what is wrong with it among the faults."""
        starts = self._index.starts(index)
        if self._run_start.frame <= index and starts[0].frame - 1 <= self._reached < index:
            if self._advance(index):
                return
            # What did not come from further back will not come from nearer.
            starts = [start for start in starts if start.packet < self._run_start.packet]
        for start in starts:
            self._restart(start)
            if self._advance(index):
                return
        # The last run was one from the file's start: what it passed by is not to be had.
        reason = self._reader.trouble or "the decoder gives no frame"
        for rank in range(index, max(index + 1, self._reached - MAX_REORDER)):
            if rank not in self._came:
                self._faults.setdefault(rank, reason)

    def _restart(self, start: Start) -> None:
        self._run: Iterator[VideoFrame] = self._reader.decode(start.packet)
        self._run_start = start
        self._reached = -1
        self._came: set[int] = set()
        self._reader.trouble = ""

    def _advance(self, index: int) -> bool:
        """Decode on until it is known what becomes of a frame; False if it does not come."""
        keep_from = index - self._window + 1 if index < self._asked else index
        for frame in self._run:
            rank = -1 if frame.pts is None else self._index.ranks.get(frame.pts, -1)
            # From a keyframe on, frames before it may come too, but made without what they need.
            if rank < self._run_start.frame:
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
        size = pixels.shape[:2]
        if size != self.frame_size:
            right = f"{self.frame_size[1]} x {self.frame_size[0]}"
            self._faults[rank] = f"it is {size[1]} x {size[0]} pixels, but those before are {right}"
            return
        if len(self._cache) >= self._window:
            del self._cache[next(iter(self._cache))]
        self._cache[rank] = pixels
