"""Which frames and objects of a video a clip is made of: some that follow each other, of the objects seen on the first.

Upstream's `RandomUniformSampler` takes neighbours among the frames with masks. This one may also leave out as many
between any two, which makes things move faster.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from masklet.training.checks import check_probabilities

MAX_TRIES = 1000
"""Clips that are drawn before it is given up to find one with an object on its first frame. Source: upstream."""


@dataclass(frozen=True, kw_only=True)
class WindowConfig:
    """How clips are cut from videos. Frames without masks, such as three of four in SA-V, are not counted."""

    num_frames: int = 8
    """Frames of a clip; 1 makes still images of videos."""
    max_objects: int = 3
    """Of the objects on a clip's first frame at most so many are followed."""
    max_stride: int = 1
    """Every frame is taken, or every second, and so on up to every so many-th, as far as the video is long enough."""
    reverse_time_probability: float = 0.0
    """Of showing the frames backward."""

    def __post_init__(self) -> None:
        for name in ("num_frames", "max_objects", "max_stride"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but it must be at least 1")
        check_probabilities(self)


class Window(NamedTuple):
    """A clip to read: places of its frames among those with masks, in the order of the clip, and ids of its objects."""

    places: tuple[int, ...]
    objects: tuple[int, ...]


def choose_window(
    video: str,
    num_available: int,
    objects_on: Callable[[int], Sequence[int]],
    config: WindowConfig,
    rng: np.random.Generator,
) -> Window:
    """Draw a clip from a video that has masks of `num_available` frames.

    objects_on: ids of the objects that are seen on the frame at a place; asked of first frames alone.

    ValueError, naming the `video`, where it is too short, or no clip with an object on its first frame was found.
    """
    if num_available < config.num_frames:
        raise ValueError(
            f"{video} has masks of {num_available} frames, too few for a clip of {config.num_frames}: leave it out, or "
            "take shorter clips"
        )
    empty: set[int] = set()
    for _ in range(MAX_TRIES):
        places = _draw_places(num_available, config, rng)
        if places[0] in empty:
            continue
        ids = objects_on(places[0])
        if ids:
            chosen = rng.permutation(len(ids))[: config.max_objects]
            return Window(places, tuple(ids[index] for index in chosen))
        empty.add(places[0])
    raise ValueError(
        f"{video} has no object on {len(empty)} frames, of {num_available} with masks, that were tried as the first of "
        f"a clip of {config.num_frames}: leave it out"
    )


def _draw_places(num_available: int, config: WindowConfig, rng: np.random.Generator) -> tuple[int, ...]:
    """Frames of a clip: every place to begin is equally likely."""
    steps = config.num_frames - 1
    longest = (num_available - 1) // steps if steps else 1
    stride = int(rng.integers(1, min(config.max_stride, longest), endpoint=True))
    start = int(rng.integers(num_available - steps * stride))
    places = tuple(range(start, start + steps * stride + 1, stride))
    return places[::-1] if rng.random() < config.reverse_time_probability else places
