"""Which of the decoder's candidates to use.

Candidate 0 answers prompts that are clear; candidates 1 to 3 answer ambiguous ones. Where a single mask is wanted but
candidate 0 wavers, because its area depends on the threshold, the best of the others is better: "dynamic multimask".
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from masklet.ops.masks import stability_score


@dataclass(frozen=True, kw_only=True)
class StabilityPolicy:
    """When a single mask counts as stable. Values of the released predictors."""

    delta: float = 0.05
    threshold: float = 0.98


RELEASED_STABILITY = StabilityPolicy()


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
    stable = stability_score(logits[:, 0], policy.delta, empty=1.0) >= policy.threshold
    return torch.where(stable, first, best_multimask(iou_scores))


def answering(
    logits: Float[Tensor, "B M H W"],
    iou_scores: Float[Tensor, "B M"],
    multimask: bool,
    policy: StabilityPolicy | None,
) -> tuple[slice, slice] | tuple[Tensor, Tensor]:
    """The index, for anything of shape (B, M, ...), that gives the answer.

    The answer is the multimasks (B, M - 1, ...), or the one mask to use (B, 1, ...): without a policy candidate 0.
    """
    if multimask:
        return slice(None), slice(1, None)
    chosen = single_mask(logits, iou_scores, policy)[:, None]
    return torch.arange(len(chosen), device=chosen.device)[:, None], chosen
