"""What training learns from: clips with the masks of their objects. A still image is a clip of one frame."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Frames, RGB, and the masks of K objects on them, K at least 1.

    Each object is seen on the first frame; later it may be hidden, and its mask empty. Masks may overlap or nest.
    """

    frames: UInt8[np.ndarray, "T H W 3"]
    masks: Bool[np.ndarray, "T K H W"]


class ClipSource(Protocol):
    """Something to draw clips from. The same index and random state give the same clip."""

    def __len__(self) -> int:
        """How many items a pass over the source has, such as its images or videos."""
        ...

    def draw(self, index: int, rng: np.random.Generator) -> Clip:
        """A clip of item `index`, in 0..len - 1: which frames and objects of it is up to `rng`."""
        ...


@dataclass(frozen=True)
class ClipBatch:
    """B clips of T frames with N objects in all, ready for a model whose input has side S.

    pixels: normalised. masks: at model pixels. clip_of_object: the clip, 0..B - 1, that each object is in, in order.
    centres: innermost point (x, y) of each mask in model pixels; NaN where the mask is empty.
    """

    pixels: Float[Tensor, "T B 3 S S"]
    masks: Bool[Tensor, "T N S S"]
    clip_of_object: Int64[Tensor, "N"]
    centres: Float[Tensor, "T N 2"]

    def to(self, device: torch.device | str) -> "ClipBatch":
        """The same on another device."""
        parts = (self.pixels, self.masks, self.clip_of_object, self.centres)
        return ClipBatch(*(part.to(device, non_blocking=True) for part in parts))
