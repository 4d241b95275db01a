"""The losses beside a plain reading of their formulas, prompt by prompt and pixel by pixel."""

import math
from dataclasses import dataclass, fields

import pytest
import torch
from torch import Tensor

from masklet.ops.masks import resize_logits
from masklet.training.losses import LossConfig, Losses, Target, dice_loss, focal_loss, mask_losses, true_iou
from masklet.types import DecodedMasks

HEIGHT, WIDTH = 5, 6
PUBLISHED = LossConfig()


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
    mask: float = 0.0
    dice: float = 0.0
    iou: float = 0.0
    class_: float = 0.0


def target_of(coverage: Tensor) -> Target:
    return Target(coverage, (coverage > 0).flatten(1).any(1).float())


def expected_losses(decoded: DecodedMasks, coverage: Tensor, multimask: bool, config: LossConfig) -> Expected:
    """Sums over the objects; those that are absent add nothing but to the object score's loss."""
    expected = Expected()
    for row, target in enumerate(coverage):
        present = bool((target > 0).any())
        p = sigmoid(decoded.object_score[row, 0].item())
        expected.class_ -= math.log(p) if present else math.log(1 - p)
        if not present:
            continue
        found = []
        for candidate in (1, 2, 3) if multimask else (0,):
            logits = decoded.logits[row, candidate]
            off = decoded.iou_scores[row, candidate].item() - iou(logits, target)
            found.append((focal(logits, target), dice(logits, target), abs(off) if config.iou_l1 else off**2))
        best = min(found, key=lambda each: config.mask * each[0] + config.dice * each[1])
        expected.mask += best[0]
        expected.dice += best[1]
        expected.iou += sum(each[2] for each in found) / len(found) if config.supervise_all_ious else best[2]
    return expected


def check(losses: Losses, expected: Expected, config: LossConfig) -> None:
    for field in fields(Expected):
        assert getattr(losses, field.name).item() == pytest.approx(getattr(expected, field.name), rel=1e-4, abs=1e-6)
    total = sum(getattr(config, field.name) * getattr(expected, field.name) for field in fields(Expected))
    assert losses.total(config).item() == pytest.approx(total, rel=1e-4)


def test_each_loss_of_each_mask():
    logits, target = decoded_masks(3).logits.detach(), coverages(3)[:, None].expand(-1, 4, -1, -1)
    found_focal = focal_loss(logits, target, PUBLISHED)
    found_dice, found_iou = dice_loss(logits, target), true_iou(logits, target)
    for found, formula in ((found_focal, focal), (found_dice, dice), (found_iou, iou)):
        assert found.shape == (3, 4)
        for index in range(3):
            for mask in range(4):
                expected = formula(logits[index, mask], target[index, mask])
                assert found[index, mask].item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_losses_at_their_ends():
    target = (coverages(1) > 0.5).float()
    right, wrong = (2 * target - 1) * 40, (1 - 2 * target) * 40
    assert focal_loss(right, target, PUBLISHED).item() == pytest.approx(0, abs=1e-6)
    assert dice_loss(right, target).item() == pytest.approx(0, abs=1e-6)
    assert true_iou(right, target).item() == 1
    assert focal_loss(wrong, target, PUBLISHED).item() > 1
    assert true_iou(wrong, target).item() == 0
    empty = torch.zeros_like(target)
    assert dice_loss(empty - 40, empty).item() == pytest.approx(0, abs=1e-6)
    assert true_iou(empty - 40, empty).item() == 0, "an empty union counts as one pixel"
    empty[0, 2, 3] = 1
    assert true_iou(2 * empty - 1, empty).item() == 1, "and one pixel as one pixel"


def test_focal_loss_of_other_shapes():
    """Without gamma it is cross-entropy, with alpha one of what is inside alone."""
    logits, target = decoded_masks(1).logits.detach(), (coverages(4)[None] > 0.5).float()
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    plain = focal_loss(logits, target, LossConfig(focal_alpha=0.5, focal_gamma=0.0))
    torch.testing.assert_close(plain, 0.5 * entropy.mean((-2, -1)))
    inside = focal_loss(logits, target, LossConfig(focal_alpha=1.0, focal_gamma=0.0))
    torch.testing.assert_close(inside, (entropy * target).mean((-2, -1)))
    for gamma in (0.0, 1.0, 1.5):
        sure = (torch.tensor([[60.0, -60.0]]) * torch.ones(1, 1, 2)).requires_grad_()
        focal_loss(sure, torch.tensor([[1.0, 0.0]]).expand(1, 1, 2), LossConfig(focal_gamma=gamma)).sum().backward()
        assert sure.grad is not None
        assert sure.grad.isfinite().all()


def test_the_published_values_but_that_missed_masks_learn():
    values = {field.name: field.default for field in fields(LossConfig)}
    assert values == {
        "mask": 20.0,
        "dice": 1.0,
        "iou": 1.0,
        "class_": 1.0,
        "focal_alpha": 0.25,
        "focal_gamma": 2.0,
        "supervise_all_ious": True,
        "iou_l1": True,
        "at_full_size": True,
        "missed_masks_learn": True,
        "tracked_frames": None,
    }


@pytest.mark.parametrize(
    ("field", "value"), [("mask", -1.0), ("focal_gamma", 0.5), ("focal_alpha", 1.5), ("tracked_frames", 0)]
)
def test_what_a_configuration_may_not_say(field, value):
    with pytest.raises(ValueError, match=f"{field} is {value}"):
        LossConfig(**{field: value})


CONFIGS = [
    PUBLISHED,
    LossConfig(mask=0.1, dice=3.0, iou=2.0, class_=0.5),
    LossConfig(supervise_all_ious=False),
    LossConfig(iou_l1=False),
]


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("seed", range(2))
def test_losses_of_a_batch(multimask, config, seed):
    decoded, coverage = decoded_masks(6, seed), coverages(6, seed + 10)
    losses = mask_losses(decoded, target_of(coverage), multimask, config)
    check(losses, expected_losses(decoded, coverage, multimask, config), config)


@pytest.mark.parametrize("at_full_size", [True, False])
def test_masks_are_compared_at_the_model_s_size_or_at_the_logits(at_full_size):
    generator = torch.Generator().manual_seed(5)
    masks = torch.rand(3, 4 * HEIGHT, 4 * WIDTH, generator=generator) < 0.4
    masks[2] = False
    config = LossConfig(at_full_size=at_full_size)
    target = Target.of_masks(masks, config)
    assert target.present.tolist() == [1, 1, 0]
    decoded = decoded_masks(3)
    if at_full_size:
        assert torch.equal(target.coverage, masks.float())
        wide = resize_logits(decoded.logits, (4 * HEIGHT, 4 * WIDTH))
        compared = DecodedMasks(wide, decoded.iou_scores, decoded.tokens, decoded.object_score)
    else:
        means = masks.float().reshape(3, HEIGHT, 4, WIDTH, 4).mean((2, 4))
        torch.testing.assert_close(target.coverage, means)
        compared = decoded
    check(mask_losses(decoded, target, True, config), expected_losses(compared, target.coverage, True, config), config)


@pytest.mark.parametrize("multimask", [True, False])
def test_an_absent_object_teaches_its_score_alone(multimask):
    decoded, coverage = decoded_masks(4), coverages(4)
    coverage[1] = 0
    coverage[3] = 0
    losses = mask_losses(decoded, target_of(coverage), multimask, PUBLISHED)
    check(losses, expected_losses(decoded, coverage, multimask, PUBLISHED), PUBLISHED)
    assert losses.true_ious[[1, 3]].tolist() == [0, 0]
    losses.total(PUBLISHED).backward()
    for absent, present in ((1, 0), (3, 2)):
        assert not decoded.logits.grad[absent].any()
        assert not decoded.iou_scores.grad[absent].any()
        assert decoded.object_score.grad[absent].item() > 0, "down with the score"
        assert decoded.object_score.grad[present].item() < 0


def test_an_object_thinner_than_a_pixel_is_there():
    """A line that covers less than half of every pixel of the low-res grid is no absent object."""
    masks = torch.zeros(1, 4 * HEIGHT, 4 * WIDTH, dtype=torch.bool)
    masks[0, 9] = True
    config, decoded = LossConfig(at_full_size=False), decoded_masks(1)
    mask_losses(decoded, Target.of_masks(masks, config), False, config).total(config).backward()
    assert decoded.object_score.grad.item() < 0
    assert decoded.logits.grad[0, 0].any()


@pytest.mark.parametrize("multimask", [True, False])
def test_gradients_reach_the_chosen_mask_alone(multimask):
    decoded, coverage = decoded_masks(5), coverages(5)
    losses = mask_losses(decoded, target_of(coverage), multimask, PUBLISHED)
    losses.total(PUBLISHED).backward()
    with torch.no_grad():
        wide = coverage[:, None].expand(-1, 4, -1, -1)
        costs = 20 * focal_loss(decoded.logits, wide, PUBLISHED) + dice_loss(decoded.logits, wide)
        true = true_iou(decoded.logits, wide)
    for row in range(5):
        chosen = 1 + costs[row, 1:].argmin().item() if multimask else 0
        taught = [mask for mask in range(4) if decoded.logits.grad[row, mask].any()]
        assert taught == [chosen]
        scored = [mask for mask in range(4) if decoded.iou_scores.grad[row, mask] != 0]
        assert scored == ([1, 2, 3] if multimask else [0])
        rated = 1 + decoded.iou_scores[row, 1:].argmax() if multimask else 0
        assert losses.true_ious[row] == true[row, rated]


def test_masks_that_the_object_score_misses_learn_or_not():
    """As in the original they do not: their logits are then -1024 everywhere, which has a loss but no gradient."""
    for learn in (True, False):
        decoded, coverage = decoded_masks(4), coverages(4)
        missed = decoded.object_score[:, 0] < 0
        assert missed.unique().tolist() == [False, True]
        config = LossConfig(missed_masks_learn=learn)
        losses = mask_losses(decoded, target_of(coverage), True, config)
        losses.total(config).backward()
        taught = decoded.logits.grad.flatten(1).any(1)
        assert torch.equal(taught, torch.ones_like(missed) if learn else ~missed)
        assert (decoded.object_score.grad < 0).all()
        expected = expected_losses(decoded, coverage, True, config)
        assert (losses.mask.item() == pytest.approx(expected.mask, rel=1e-4)) == learn
        if not learn:
            assert losses.mask > 100
            assert not losses.true_ious[missed].any()


def test_the_true_iou_has_no_gradient():
    """Scores learn to tell the masks' IoU; masks do not learn to fit their scores."""
    decoded, config = decoded_masks(3), LossConfig(mask=0.0, dice=0.0, iou=1.0, class_=0.0)
    losses = mask_losses(decoded, target_of(coverages(3)), True, config)
    losses.total(config).backward()
    assert not decoded.logits.grad.any()
    assert decoded.iou_scores.grad[:, 1:].all()
    assert not losses.true_ious.requires_grad


def test_half_precision_logits_are_compared_in_single():
    decoded, target = decoded_masks(3), target_of(coverages(3))
    half = DecodedMasks(
        *(x.detach().bfloat16() for x in (decoded.logits, decoded.iou_scores)),
        decoded.tokens,
        decoded.object_score.detach().bfloat16(),
    )
    total = mask_losses(half, target, True, PUBLISHED).total(PUBLISHED)
    assert total.dtype == torch.float32
    exact = mask_losses(decoded, target, True, PUBLISHED).total(PUBLISHED)
    assert total.item() == pytest.approx(exact.item(), rel=0.02)
