"""One training step on still images: encode once, prompt every object, correct some, and sum the losses."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from masklet.config import MASK_STRIDE
from masklet.model import Sam2
from masklet.ops.multimask import best_multimask
from masklet.training.losses import Losses, LossWeights, mask_losses
from masklet.training.prompts import correction_clicks, noisy_boxes
from masklet.types import DecodedMasks, ImageFeatures, PointLabel, Points


@dataclass(frozen=True, kw_only=True)
class PromptConfig:
    """How often which prompt is simulated."""

    box_probability: float = 0.25
    correction_probability: float = 0.5
    """Of a second decoder pass with one corrective click more."""
    mask_probability: float = 0.8
    """Of giving a correction the first pass's logits as a mask prompt, as interactive use does."""


@dataclass(frozen=True)
class PromptedBatch:
    """Images with P objects each, and a first click on every object.

    pixels: normalised. masks: B*P rows, image by image, at model pixels. clicks: (x, y) inside each mask.
    """

    pixels: Float[Tensor, "B 3 S S"]
    masks: Bool[Tensor, "BP S S"]
    clicks: Float[Tensor, "BP 2"]


def image_step(
    model: Sam2, batch: PromptedBatch, generator: torch.Generator, *, prompts: PromptConfig, weights: LossWeights
) -> list[Losses]:
    """Losses of each decoder pass; the sum of their totals is what to minimise."""
    objects = len(batch.masks) // len(batch.pixels)
    features = model.encode_image(batch.pixels)
    features = _for_each_object(features, objects)
    embedding = model.attend_memory(features.stride16)
    target = F.avg_pool2d(batch.masks[:, None].float(), MASK_STRIDE)[:, 0]

    def chance(probability: float) -> bool:
        return bool(torch.rand((), generator=generator, device=generator.device) < probability)

    box = chance(prompts.box_probability)
    points = noisy_boxes(batch.masks, generator) if box else _positive(batch.clicks)
    decoded = model.decode_masks(embedding, features, model.encode_prompts(points))
    losses = [mask_losses(decoded, target, multimask=not box, weights=weights)]
    if chance(prompts.correction_probability):
        logits = _chosen_logits(decoded, multimask=not box)
        wrong = correction_clicks(logits > 0, target > 0.5, generator)
        # From low-res to model pixels: anywhere in the low-res pixel.
        within = torch.rand(wrong.coords.shape, generator=generator, device=generator.device)
        coords = (wrong.coords + within) * MASK_STRIDE - 0.5
        points = points.join(Points(coords, wrong.labels))
        mask_prompt = logits[:, None] if chance(prompts.mask_probability) else None
        decoded = model.decode_masks(embedding, features, model.encode_prompts(points, mask_prompt))
        losses.append(mask_losses(decoded, target, multimask=False, weights=weights))
    return losses


def _positive(clicks: Tensor) -> Points:
    labels = torch.full((len(clicks), 1), int(PointLabel.POSITIVE), device=clicks.device)
    return Points(clicks[:, None], labels)


def _for_each_object(features: ImageFeatures, objects: int) -> ImageFeatures:
    def wide(x: Tensor) -> Tensor:
        return x.repeat_interleave(objects, dim=0)

    return replace(
        features,
        stride16=wide(features.stride16),
        stride8=wide(features.stride8),
        stride4=wide(features.stride4),
        image_sizes=tuple(size for size in features.image_sizes for _ in range(objects)),
    )


def _chosen_logits(decoded: DecodedMasks, multimask: bool) -> Tensor:
    with torch.no_grad():
        index = best_multimask(decoded.iou_scores) if multimask else torch.zeros(len(decoded.logits), dtype=torch.long)
        return decoded.logits.float()[torch.arange(len(index)), index]
