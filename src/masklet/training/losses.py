"""The losses of SAM 2: focal and dice for masks, L1 for predicted IoU, cross-entropy for the object score.

Of several candidates for an ambiguous prompt only the best is taught its mask, while all learn to predict their IoU.
Where the object is absent only the object score learns. Masks are compared at the model's input size, as in the
published training, or at the logits' own: a sixteenth of the pixels, against coverages in [0, 1]. That is quicker, but
borders are learned less exactly: logits fitted to shapes 24 to 90 pixels wide reach an IoU of 0.96 rather than 0.99.

Source: the SAM 2 paper, appendix D.2; the released training configuration.
"""

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from masklet.config import MASK_STRIDE
from masklet.ops.masks import resize_logits
from masklet.tracking.step import ABSENT_LOGIT
from masklet.types import DecodedMasks


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """How much each loss counts, how masks are compared, and which are. The defaults are as published, but for
    `missed_masks_learn`."""

    mask: float = 20.0
    """Weight of the focal loss."""
    dice: float = 1.0
    iou: float = 1.0
    class_: float = 1.0
    """Weight of the object score's loss."""
    focal_alpha: float = 0.25
    """Weight of pixels inside the object; those outside have the rest of 1."""
    focal_gamma: float = 2.0
    """How much less what is nearly right counts."""
    supervise_all_ious: bool = True
    """Whether all candidates learn to predict their IoU, or only the one that is taught its mask."""
    iou_l1: bool = True
    """Whether the error of predicted IoU is absolute or squared."""
    at_full_size: bool = True
    """Whether masks are compared at the model's input size or, for speed, at that of the low-res logits."""
    missed_masks_learn: bool = True
    """Whether the mask of an object that is there is taught also while the object score says that it is not. In the
    original it is not: its logits, all -1024 then, have a great loss, but no gradient."""
    tracked_frames: int | None = None
    """Of the frames of a clip that are neither prompted nor corrected, how many of the last have losses; what comes
    before is followed without gradients, so that a clip can be long in little more memory. null: all."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and value < 0:
                raise ValueError(f"{field.name} is {value}, but it cannot be negative")
        if self.tracked_frames == 0:
            raise ValueError("tracked_frames is 0, but clips given masks would teach nothing then: it is at least 1")
        if 0 < self.focal_gamma < 1:
            raise ValueError(
                f"focal_gamma is {self.focal_gamma}, but it must be 0 or at least 1: roots have no slope at 0"
            )
        if self.focal_alpha > 1:
            raise ValueError(f"focal_alpha is {self.focal_alpha}, but it is a share, between 0 and 1")


@dataclass(frozen=True)
class Target:
    """What is true of N objects on a frame. coverage: in [0, 1], at the size at which masks are compared."""

    coverage: Float[Tensor, "N H W"]
    present: Float[Tensor, "N"]

    @classmethod
    def of_masks(cls, masks: Bool[Tensor, "N S S"], config: LossConfig) -> "Target":
        """From masks at model pixels."""
        coverage = masks.float()
        if not config.at_full_size:
            coverage = F.avg_pool2d(coverage[:, None], MASK_STRIDE)[:, 0]
        return cls(coverage, masks.flatten(1).any(1).float())


@dataclass(frozen=True)
class Losses:
    """Of one decoder pass: losses summed over the objects, with gradients.

    true_ious: of each object's candidate that the model rates best, for reports; 0 where the object is absent.
    """

    mask: Float[Tensor, ""]
    dice: Float[Tensor, ""]
    iou: Float[Tensor, ""]
    class_: Float[Tensor, ""]
    true_ious: Float[Tensor, "N"]

    def total(self, config: LossConfig) -> Float[Tensor, ""]:
        """The weighted sum."""
        return config.mask * self.mask + config.dice * self.dice + config.iou * self.iou + config.class_ * self.class_


def mask_losses(decoded: DecodedMasks, target: Target, multimask: bool, config: LossConfig) -> Losses:
    """Losses of one decoder pass. `multimask` teaches candidates 1.., as for ambiguous prompts; else candidate 0."""
    candidates = slice(1, None) if multimask else slice(0, 1)
    logits, predicted = decoded.logits[:, candidates].float(), decoded.iou_scores[:, candidates].float()
    if not config.missed_masks_learn:
        logits = torch.where(decoded.object_score[..., None, None] > 0, logits, ABSENT_LOGIT)
    best, true = _compare(logits.detach(), target, config)
    # Resized anew with gradients: those of the other candidates would be zeros, which at full size cost most of all.
    taught = _resize(logits.gather(1, best[..., None, None].expand(-1, -1, *logits.shape[2:])), target)[:, 0]
    error = (predicted - true).abs() if config.iou_l1 else (predicted - true).square()
    error = error.mean(1) if config.supervise_all_ious else error.gather(1, best)[:, 0]
    rated = true.gather(1, predicted.argmax(1, keepdim=True))[:, 0]
    return Losses(
        mask=(focal_loss(taught, target.coverage, config) * target.present).sum(),
        dice=(dice_loss(taught, target.coverage) * target.present).sum(),
        iou=(error * target.present).sum(),
        class_=F.binary_cross_entropy_with_logits(decoded.object_score[:, 0].float(), target.present, reduction="sum"),
        true_ious=rated * target.present,
    )


@torch.no_grad()
def _compare(logits: Float[Tensor, "N M h w"], target: Target, config: LossConfig) -> tuple[Tensor, Tensor]:
    """Index (N, 1) of the candidate of least mask loss, and the true IoU (N, M) of each."""
    logits = _resize(logits, target)
    coverage = target.coverage[:, None].expand_as(logits)
    true = true_iou(logits, coverage)
    if logits.shape[1] == 1:
        return torch.zeros_like(true, dtype=torch.long), true
    cost = config.mask * focal_loss(logits, coverage, config) + config.dice * dice_loss(logits, coverage)
    return cost.argmin(1, keepdim=True), true


def _resize(logits: Float[Tensor, "N M h w"], target: Target) -> Float[Tensor, "N M H W"]:
    height, width = target.coverage.shape[1:]
    return logits if logits.shape[2:] == (height, width) else resize_logits(logits, (height, width))


def focal_loss(
    logits: Float[Tensor, "*n H W"], target: Float[Tensor, "*n H W"], config: LossConfig
) -> Float[Tensor, "*n"]:
    """Focal loss (Lin et al., 2017), mean over the pixels."""
    probability = logits.sigmoid()
    cross_entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    wrong = probability * (1 - target) + (1 - probability) * target
    alpha = (1 - config.focal_alpha) + (2 * config.focal_alpha - 1) * target
    return (alpha * wrong**config.focal_gamma * cross_entropy).mean((-2, -1))


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
