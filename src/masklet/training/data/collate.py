"""From clips to a batch: bytes until it reaches the process that trains, normalised there.

Upstream's batches hold floats when they leave the workers, four times as much to hand over, and demand that all frames
have the same objects; here clips may differ in their number of objects.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from masklet.io.images import preprocess_batch
from masklet.ops.masks import innermost_point
from masklet.training.samples import Clip, ClipBatch


@dataclass(frozen=True, kw_only=True)
class CollatedClips:
    """A `ClipBatch` before its pixels are normalised, which it otherwise equals."""

    frames: UInt8[Tensor, "T B S S 3"]
    masks: Bool[Tensor, "T N S S"]
    clip_of_object: Int64[Tensor, "N"]
    centres: Float[Tensor, "T N 2"]

    def pin_memory(self) -> "CollatedClips":
        """The same in memory from which a GPU fetches by itself; `DataLoader` calls this."""
        return CollatedClips(
            frames=self.frames.pin_memory(),
            masks=self.masks.pin_memory(),
            clip_of_object=self.clip_of_object.pin_memory(),
            centres=self.centres.pin_memory(),
        )

    def to_batch(self, device: torch.device | str = "cpu") -> ClipBatch:
        """What the model sees, on a device: bytes go there, and become floats there."""
        pictures = self.frames.flatten(0, 1).numpy()
        pixels = preprocess_batch(list(pictures), self.frames.shape[2], device).unflatten(0, self.frames.shape[:2])
        rest = (part.to(device, non_blocking=True) for part in (self.masks, self.clip_of_object, self.centres))
        return ClipBatch(pixels, *rest)


def collate(clips: Sequence[Clip], *, with_centres: bool = False) -> CollatedClips:
    """A batch of clips, all of one length and of one square size; objects are put clip by clip.

    with_centres: find the masks' innermost points, which takes time; else all centres are NaN. ValueError for clips
    that do not fit together.
    """
    shapes = {clip.frames.shape[:3] for clip in clips}
    if len(shapes) != 1 or any(height != width for _, height, width in shapes):
        found = ", ".join(f"{length} of {width} x {height}" for length, height, width in sorted(shapes))
        raise ValueError(
            f"the clips of a batch must have as many frames, and be squares of one size, but their frames are {found}: "
            "transforms bring them to the model's size"
        )
    masks = np.concatenate([clip.masks for clip in clips], axis=1)
    centres = np.full((*masks.shape[:2], 2), np.nan, np.float32)
    if with_centres:
        for place in np.ndindex(*masks.shape[:2]):
            if masks[place].any():
                centres[place] = innermost_point(masks[place])
    counts = torch.tensor([clip.masks.shape[1] for clip in clips])
    return CollatedClips(
        frames=torch.from_numpy(np.stack([clip.frames for clip in clips], axis=1)),
        masks=torch.from_numpy(masks),
        clip_of_object=torch.arange(len(clips)).repeat_interleave(counts),
        centres=torch.from_numpy(centres),
    )


def choose_objects(clip: Clip, num_objects: int, rng: np.random.Generator) -> Clip:
    """The clip with exactly so many of its objects, in random order; where it has fewer, they are repeated.

    All are there equally often, give or take one. A batch of equal counts costs the same each time, and a repeated
    object is worth while, since it is prompted anew.
    """
    available = clip.masks.shape[1]
    chosen = rng.permutation(np.arange(max(available, num_objects)) % available)[:num_objects]
    return Clip(frames=clip.frames, masks=clip.masks[:, chosen])
