"""Which of the decoder's candidates to use.

Candidate 0 answers prompts that are clear; candidates 1 to 3 answer ambiguous ones. Where a single mask is wanted but
candidate 0 wavers, because its area depends on the threshold, the best of the others is better: "dynamic multimask".
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class StabilityPolicy:
    """When a single mask counts as stable. Values of the released predictors."""

    delta: float = 0.05
    threshold: float = 0.98


def mask_stability(logits: Float[Tensor, "*n H W"], delta: float) -> Float[Tensor, "*n"]:
    """Area above `delta` over area above `-delta`: 1 for a mask whose border is sharp, and for an empty one."""
    sure = (logits > delta).sum((-2, -1))
    possible = (logits > -delta).sum((-2, -1))
    return torch.where(possible > 0, sure / possible.clamp(min=1), 1.0)


def best_multimask(iou_scores: Float[Tensor, "B M"]) -> Int[Tensor, "B"]:
    """Index, among all candidates, of the multimask with the highest predicted IoU."""
    return iou_scores[:, 1:].argmax(1) + 1


def single_mask(
    logits: Float[Tensor, "B M H W"], iou_scores: Float[Tensor, "B M"], policy: StabilityPolicy | None
) -> Int[Tensor, "B"]:
    """Index of the candidate to use where one is wanted: 0, or the best multimask where 0 is not stable."""
    first = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
    if policy is None:
        return first
    stable = mask_stability(logits[:, 0].float(), policy.delta) >= policy.threshold
    return torch.where(stable, first, best_multimask(iou_scores))
