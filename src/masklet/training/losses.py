"""The losses of SAM 2: focal and dice for masks, L1 for predicted IoU, cross-entropy for the object score.

Of several candidates for an ambiguous prompt only the best is taught its mask, while all learn to predict their IoU.
Masks are compared at the size of the logits: targets are coverages in [0, 1], so a target shrunk to the low-res grid
keeps what it knows of its border. Source: the SAM 2 paper, appendix D.2; the released training configuration.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from masklet.types import DecodedMasks

FOCAL_ALPHA = 0.25
FOCAL_GAMMA = 2.0
"""Weight of the inside, and how much less what is nearly right counts; the released training configuration's."""


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """How much each loss counts; the published values."""

    focal: float = 20.0
    dice: float = 1.0
    iou: float = 1.0
    object_score: float = 1.0


@dataclass(frozen=True)
class Losses:
    """Scalars, each a mean over the prompts; `total` is weighted and has gradients."""

    total: Tensor
    focal: Tensor
    dice: Tensor
    iou: Tensor
    object_score: Tensor
    true_iou: Tensor
    """Of the candidate of least loss: how good the masks are, for reports."""


def focal_loss(logits: Float[Tensor, "*n H W"], target: Float[Tensor, "*n H W"]) -> Float[Tensor, "*n"]:
    """Focal loss (Lin et al., 2017), mean over the pixels."""
    probability = logits.sigmoid()
    cross_entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    correct = probability * target + (1 - probability) * (1 - target)
    alpha = FOCAL_ALPHA * target + (1 - FOCAL_ALPHA) * (1 - target)
    return (alpha * (1 - correct) ** FOCAL_GAMMA * cross_entropy).mean((-2, -1))


def dice_loss(logits: Float[Tensor, "*n H W"], target: Float[Tensor, "*n H W"]) -> Float[Tensor, "*n"]:
    """One less the soft Dice coefficient (Milletari et al., 2016), with one pixel added to both sides."""
    probability = logits.sigmoid()
    overlap = (probability * target).sum((-2, -1))
    return 1 - (2 * overlap + 1) / (probability.sum((-2, -1)) + target.sum((-2, -1)) + 1)


def true_iou(logits: Float[Tensor, "*n H W"], target: Float[Tensor, "*n H W"]) -> Float[Tensor, "*n"]:
    """IoU of the thresholded masks, without gradient.

    0 where both are empty, unlike `ops.masks.mask_iou`: of an absent object it is never asked for, and to find nothing
    of one too thin to fill half a low-res pixel is no success.
    """
    mask, truth = logits.detach() > 0, target > 0.5
    intersection = (mask & truth).sum((-2, -1))
    union = (mask | truth).sum((-2, -1))
    return intersection / union.clamp(min=1)


def mask_losses(decoded: DecodedMasks, target: Float[Tensor, "B H W"], multimask: bool, weights: LossWeights) -> Losses:
    """Losses of one decoder pass. `multimask` teaches candidates 1.., as for ambiguous prompts; else candidate 0.

    target: coverage in [0, 1] at the logits' size. Where it is empty the object is absent, and only the object score
    learns.
    """
    chosen = slice(1, None) if multimask else slice(0, 1)
    logits, predicted_iou = decoded.logits[:, chosen].float(), decoded.iou_scores[:, chosen].float()
    targets = target[:, None].expand_as(logits)
    focal, dice, iou = focal_loss(logits, targets), dice_loss(logits, targets), true_iou(logits, targets)
    best = (weights.focal * focal + weights.dice * dice).argmin(1, keepdim=True)
    present = (target > 0).flatten(1).any(1).float()

    def mean_of_best(values: Tensor) -> Tensor:
        return (values.gather(1, best)[:, 0] * present).mean()

    focal, dice, best_iou = mean_of_best(focal), mean_of_best(dice), mean_of_best(iou)
    iou_error = ((predicted_iou - iou).abs().mean(1) * present).mean()
    object_error = F.binary_cross_entropy_with_logits(decoded.object_score[:, 0].float(), present)
    total = weights.focal * focal + weights.dice * dice + weights.iou * iou_error + weights.object_score * object_error
    return Losses(total, *(x.detach() for x in (focal, dice, iou_error, object_error, best_iou)))
