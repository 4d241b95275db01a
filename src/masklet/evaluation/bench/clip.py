"""The video that is measured on where none is given: discs that go round over a background of noise, for ever."""

import cv2
import numpy as np
from jaxtyping import UInt8

SIZE = 360, 640
"""(height, width) of the frames in pixels."""

PERIOD = 64
"""Frames after which the discs are where they were: 44 MB of them."""

COLOURS = ((220, 40, 40), (40, 200, 60), (40, 80, 230), (230, 210, 40), (200, 60, 220), (60, 210, 220))


class DiscClip:
    """A `FrameSource` with a disc for each object. All its pictures are drawn beforehand, so reading costs nothing."""

    def __init__(self, num_frames: int, num_objects: int = 1) -> None:
        self.num_frames = num_frames
        self.num_objects = num_objects
        self.frame_size = SIZE
        noise = np.random.default_rng(0).integers(0, 160, (*SIZE, 3), np.uint8)
        ground = cv2.GaussianBlur(noise, (0, 0), 6)
        self._frames = [self._draw(ground, index) for index in range(min(PERIOD, num_frames))]

    def __len__(self) -> int:
        return self.num_frames

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        if not 0 <= index < self.num_frames:
            raise IndexError(f"there is no frame {index}: the clip has {self.num_frames}")
        return self._frames[index % PERIOD]

    def close(self) -> None:
        """There are no files to let go of."""

    @property
    def radius(self) -> int:
        """Of every disc, in pixels: smaller where there are many."""
        return round(34 / max(1, self.num_objects / 4) ** 0.5)

    def centres(self, index: int) -> list[tuple[int, int]]:
        """Where the discs are on a frame, as (x, y): one after another on a figure of eight."""
        height, width = SIZE
        angles = [2 * np.pi * (index / PERIOD + n / self.num_objects + 0.07) for n in range(self.num_objects)]
        return [(int(width * (0.5 + 0.35 * np.cos(a))), int(height * (0.5 + 0.3 * np.sin(2 * a)))) for a in angles]

    def _draw(self, ground: np.ndarray, index: int) -> np.ndarray:
        frame = ground.copy()
        for n, centre in enumerate(self.centres(index)):
            cv2.circle(frame, centre, self.radius, COLOURS[n % len(COLOURS)], -1, cv2.LINE_AA)
        return frame
