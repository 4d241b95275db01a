"""The frames of a stream: they go by once, and only the newest is kept."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from masklet.io.images import ImageLike, read_image
from masklet.types import FrameStream


class LiveFrames:
    """Frames taken from a stream, or, without one, those that are given one by one.

    num_seen: how many came. newest: the last of them, 8-bit RGB (H, W, 3); None before the first.
    """

    def __init__(self, stream: FrameStream | None = None, num_seen: int = 0, newest: np.ndarray | None = None) -> None:
        self.stream = stream
        self.num_seen = num_seen
        self.newest = newest

    @property
    def frame_size(self) -> tuple[int, int] | None:
        """(height, width) in pixels; None before the first frame."""
        return None if self.newest is None else (self.newest.shape[0], self.newest.shape[1])

    @contextmanager
    def take(self, frame: ImageLike | None) -> Iterator[int]:
        """For the work on the next frame, whose index this gives: the frame is the newest, unless the block fails.

        Errors as in `VideoSession.step`.
        """
        pixels = self._next(frame)
        before = self.newest
        # A copy: the caller may use the array again for the next frame.
        self.newest, self.num_seen = pixels.copy(), self.num_seen + 1
        try:
            yield self.num_seen - 1
        except BaseException:
            self.newest, self.num_seen = before, self.num_seen - 1
            raise

    def _next(self, frame: ImageLike | None) -> np.ndarray:
        if frame is not None and self.stream is not None:
            raise ValueError("this session takes frames from its stream: call step without one")
        if frame is not None:
            pixels = read_image(frame)
        elif self.stream is None:
            raise ValueError("this session has no stream to take frames from: give step a frame")
        else:
            try:
                pixels = next(self.stream)
            except StopIteration:
                raise EOFError(f"the stream has ended after {self.num_seen} frames") from None
        height, width = pixels.shape[:2]
        if self.frame_size not in (None, (height, width)):
            assert self.frame_size is not None
            raise ValueError(
                f"frame {self.num_seen} is {width} x {height} pixels, but those before are "
                f"{self.frame_size[1]} x {self.frame_size[0]}: resize it first"
            )
        return pixels

    def close(self) -> None:
        """Let go of the stream."""
        if self.stream is not None:
            self.stream.close()
