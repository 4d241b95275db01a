"""One training step on clips: prompt every object on the first frame, then follow it, and sum the losses.

The step is that of inference (`masklet.tracking.step`), with memories that carry gradients. The image encoder is not
trained here: its features are computed without gradients, all frames at once.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from masklet.config import MASK_STRIDE
from masklet.model import Sam2
from masklet.tracking.memory_bank import MemoryBank
from masklet.tracking.policy import MemoryPolicy
from masklet.tracking.step import ObjectMasks, adopt_masks, remember, step
from masklet.training.losses import Losses, LossWeights, mask_losses
from masklet.training.prompts import noisy_boxes
from masklet.types import ImageFeatures, PointLabel, Points


@dataclass(frozen=True)
class PromptedClips:
    """Clips with P objects each, and a first click on every object.

    pixels: normalised, frame by frame. masks: of B*P objects, clip by clip. clicks: (x, y) inside each on frame 0.
    """

    pixels: Float[Tensor, "T B 3 S S"]
    masks: Bool[Tensor, "T BP S S"]
    clicks: Float[Tensor, "BP 2"]


def video_step(
    model: Sam2, clips: PromptedClips, generator: torch.Generator, *, mask_probability: float, weights: LossWeights
) -> list[Losses]:
    """Losses of each decoder pass; the sum of their totals is what to minimise.

    mask_probability: of giving the true mask on the first frame, rather than a click or a box, half and half.
    """
    frames = _encode(model, clips)
    targets = F.avg_pool2d(clips.masks.float(), MASK_STRIDE)
    draw = float(torch.rand((), generator=generator))
    losses = []
    if draw < mask_probability:
        found = adopt_masks(model, frames[0], clips.masks[0, :, None])
    else:
        is_box = draw < (1 + mask_probability) / 2
        points = noisy_boxes(clips.masks[0], generator) if is_box else _clicks(clips.clicks)
        found = step(model, frames[0], None, points)
        losses.append(mask_losses(found.candidates, targets[0], multimask=not is_box, weights=weights))
    banks = [MemoryBank[Tensor, Tensor](MemoryPolicy()) for _ in range(len(found.logits))]
    _remember(model, banks, frames[0], found, 0)
    for index in range(1, len(frames)):
        selections = [bank.select(index, num_frames=len(frames)) for bank in banks]
        found = step(model, frames[index], selections)
        losses.append(mask_losses(found.candidates, targets[index], multimask=True, weights=weights))
        if index + 1 < len(frames):
            _remember(model, banks, frames[index], found, index)
    return losses


def _encode(model: Sam2, clips: PromptedClips) -> list[ImageFeatures]:
    """Features of each frame, a row for every object."""
    num_frames, num_clips = clips.pixels.shape[:2]
    per_clip = clips.masks.shape[1] // num_clips
    with torch.no_grad():
        features = model.encode_image(clips.pixels.flatten(0, 1))

    def rows(maps: Tensor, index: int) -> Tensor:
        return maps[index * num_clips : (index + 1) * num_clips].repeat_interleave(per_clip, dim=0)

    return [
        replace(
            features,
            stride16=rows(features.stride16, index),
            stride8=rows(features.stride8, index),
            stride4=rows(features.stride4, index),
            image_sizes=features.image_sizes[:1] * (num_clips * per_clip),
        )
        for index in range(num_frames)
    ]


def _clicks(clicks: Tensor) -> Points:
    return Points(clicks[:, None], torch.full((len(clicks), 1), int(PointLabel.POSITIVE), device=clicks.device))


def _remember(
    model: Sam2, banks: list[MemoryBank[Tensor, Tensor]], features: ImageFeatures, found: ObjectMasks, index: int
) -> None:
    memory = remember(model, features, found)
    for bank, row, pointer in zip(banks, memory, found.pointers, strict=True):
        bank.add(index, row, pointer, conditioning=index == 0)
