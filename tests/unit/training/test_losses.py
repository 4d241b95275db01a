"""The losses beside a plain reading of their formulas, prompt by prompt and pixel by pixel."""

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from masklet.training.losses import Losses, LossWeights, dice_loss, focal_loss, mask_losses, true_iou
from masklet.types import DecodedMasks

HEIGHT, WIDTH = 5, 6


def decoded_masks(batch: int, seed: int = 0) -> DecodedMasks:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, 4, HEIGHT, WIDTH, generator=generator) * 3
    scores = torch.rand(batch, 4, generator=generator)
    object_score = torch.randn(batch, 1, generator=generator)
    tensors = [x.requires_grad_() for x in (logits, scores, object_score)]
    return DecodedMasks(tensors[0], tensors[1], torch.zeros(batch, 4, 2), tensors[2])


def coverages(batch: int, seed: int = 1) -> Tensor:
    """Mostly 0 and 1, and something between at borders."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(batch, HEIGHT, WIDTH, generator=generator) * 3 - 1).clamp(0, 1)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def pairs(logits: Tensor, target: Tensor) -> list[tuple[float, float]]:
    return list(zip(logits.flatten().tolist(), target.flatten().tolist(), strict=True))


def focal(logits: Tensor, target: Tensor) -> float:
    total = 0.0
    for x, t in pairs(logits, target):
        p = sigmoid(x)
        correct = p if t == 1 else 1 - p if t == 0 else p * t + (1 - p) * (1 - t)
        cross_entropy = -t * math.log(p) - (1 - t) * math.log(1 - p)
        total += (0.25 * t + 0.75 * (1 - t)) * (1 - correct) ** 2 * cross_entropy
    return total / logits.numel()


def dice(logits: Tensor, target: Tensor) -> float:
    values = [(sigmoid(x), t) for x, t in pairs(logits, target)]
    both = sum(p * t for p, t in values)
    return 1 - (2 * both + 1) / (sum(p for p, _ in values) + sum(t for _, t in values) + 1)


def iou(logits: Tensor, target: Tensor) -> float:
    values = [(x > 0, t > 0.5) for x, t in pairs(logits, target)]
    return sum(a and b for a, b in values) / max(sum(a or b for a, b in values), 1)


@dataclass
class Expected:
    focal: float = 0.0
    dice: float = 0.0
    iou: float = 0.0
    object_score: float = 0.0
    true_iou: float = 0.0


def expected_losses(decoded: DecodedMasks, target: Tensor, multimask: bool, weights: LossWeights) -> Expected:
    """Means over the prompts; those without their object add nothing but to the object score's."""
    expected = Expected()
    batch = len(target)
    for prompt in range(batch):
        present = bool((target[prompt] > 0).any())
        p = sigmoid(decoded.object_score[prompt, 0].item())
        expected.object_score -= (math.log(p) if present else math.log(1 - p)) / batch
        if not present:
            continue
        candidates = (1, 2, 3) if multimask else (0,)
        rows = []
        for mask in candidates:
            logits = decoded.logits[prompt, mask]
            rows.append((focal(logits, target[prompt]), dice(logits, target[prompt]), iou(logits, target[prompt])))
        best = min(rows, key=lambda row: weights.focal * row[0] + weights.dice * row[1])
        expected.focal += best[0] / batch
        expected.dice += best[1] / batch
        expected.true_iou += best[2] / batch
        errors = [abs(decoded.iou_scores[prompt, m].item() - row[2]) for m, row in zip(candidates, rows, strict=True)]
        expected.iou += sum(errors) / len(errors) / batch
    return expected


def check(losses: Losses, expected: Expected, weights: LossWeights) -> None:
    for name in ("focal", "dice", "iou", "object_score", "true_iou"):
        assert getattr(losses, name).item() == pytest.approx(getattr(expected, name), rel=1e-4, abs=1e-6), name
    total = sum(getattr(weights, name) * getattr(expected, name) for name in ("focal", "dice", "iou", "object_score"))
    assert losses.total.item() == pytest.approx(total, rel=1e-4)


def test_each_loss_of_each_mask():
    logits, target = decoded_masks(3).logits.detach(), coverages(3)[:, None].expand(-1, 4, -1, -1)
    for function, formula in ((focal_loss, focal), (dice_loss, dice), (true_iou, iou)):
        found = function(logits, target)
        assert found.shape == (3, 4)
        for index in range(3):
            for mask in range(4):
                expected = formula(logits[index, mask], target[index, mask])
                assert found[index, mask].item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_losses_at_their_ends():
    target = (coverages(1) > 0.5).float()
    right, wrong = (2 * target - 1) * 40, (1 - 2 * target) * 40
    assert focal_loss(right, target).item() == pytest.approx(0, abs=1e-6)
    assert dice_loss(right, target).item() == pytest.approx(0, abs=1e-6)
    assert true_iou(right, target).item() == 1
    assert focal_loss(wrong, target).item() > 1
    assert true_iou(wrong, target).item() == 0
    empty = torch.zeros_like(target)
    assert dice_loss(empty - 40, empty).item() == pytest.approx(0, abs=1e-6)
    assert true_iou(empty - 40, empty).item() == 0, "an empty union counts as one pixel"
    empty[0, 2, 3] = 1
    assert true_iou(2 * empty - 1, empty).item() == 1, "and one pixel as one pixel"


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("weights", [LossWeights(), LossWeights(focal=0.1, dice=3.0, iou=2.0, object_score=0.5)])
@pytest.mark.parametrize("seed", range(3))
def test_losses_of_a_batch(multimask, weights, seed):
    decoded, target = decoded_masks(6, seed), coverages(6, seed + 10)
    losses = mask_losses(decoded, target, multimask, weights)
    check(losses, expected_losses(decoded, target, multimask, weights), weights)


def test_the_published_weights():
    weights = LossWeights()
    assert (weights.focal, weights.dice, weights.iou, weights.object_score) == (20.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize("multimask", [True, False])
def test_an_absent_object_teaches_its_score_alone(multimask):
    decoded, target = decoded_masks(4), coverages(4)
    target[1] = 0
    target[3] = 0
    losses = mask_losses(decoded, target, multimask, LossWeights())
    check(losses, expected_losses(decoded, target, multimask, LossWeights()), LossWeights())
    losses.total.backward()
    for absent, present in ((1, 0), (3, 2)):
        assert not decoded.logits.grad[absent].any()
        assert not decoded.iou_scores.grad[absent].any()
        assert decoded.object_score.grad[absent].item() > 0, "down with the score"
        assert decoded.object_score.grad[present].item() < 0


def test_an_object_thinner_than_a_pixel_is_there():
    """A line that covers less than half of every pixel of the low-res grid is no absent object."""
    decoded, target = decoded_masks(1), torch.zeros(1, HEIGHT, WIDTH)
    target[0, 2] = 0.25
    losses = mask_losses(decoded, target, False, LossWeights())
    losses.total.backward()
    assert decoded.object_score.grad.item() < 0
    assert decoded.logits.grad[0, 0].any()


@pytest.mark.parametrize("multimask", [True, False])
def test_gradients_reach_the_chosen_mask_alone(multimask):
    decoded, target = decoded_masks(5), coverages(5)
    mask_losses(decoded, target, multimask, LossWeights()).total.backward()
    with torch.no_grad():
        wide = target[:, None].expand(-1, 4, -1, -1)
        costs = 20 * focal_loss(decoded.logits, wide) + dice_loss(decoded.logits, wide)
    for prompt in range(5):
        chosen = 1 + costs[prompt, 1:].argmin().item() if multimask else 0
        taught = [mask for mask in range(4) if decoded.logits.grad[prompt, mask].any()]
        assert taught == [chosen]
        scored = [mask for mask in range(4) if decoded.iou_scores.grad[prompt, mask] != 0]
        assert scored == ([1, 2, 3] if multimask else [0])


def test_the_true_iou_has_no_gradient():
    """Scores learn to tell the masks' IoU; masks do not learn to fit their scores."""
    decoded, target = decoded_masks(3), coverages(3)
    weights = LossWeights(focal=0.0, dice=0.0, iou=1.0, object_score=0.0)
    mask_losses(decoded, target, True, weights).total.backward()
    assert not decoded.logits.grad.any()
    assert decoded.iou_scores.grad[:, 1:].all()


def test_reports_have_no_gradient():
    losses = mask_losses(decoded_masks(2), coverages(2), True, LossWeights())
    assert losses.total.requires_grad
    for name in ("focal", "dice", "iou", "object_score", "true_iou"):
        assert not getattr(losses, name).requires_grad


def test_half_precision_logits_are_compared_in_single():
    decoded, target = decoded_masks(3), coverages(3)
    half = DecodedMasks(
        *(x.detach().bfloat16() for x in (decoded.logits, decoded.iou_scores)),
        decoded.tokens,
        decoded.object_score.detach().bfloat16(),
    )
    losses = mask_losses(half, target, True, LossWeights())
    assert losses.total.dtype == torch.float32
    assert losses.total.item() == pytest.approx(
        mask_losses(decoded, target, True, LossWeights()).total.item(), rel=0.02
    )
