"""Spoilt memories: which, how often, from when on, and what becomes of them."""

import pytest
import torch

from masklet.tracking.step import ABSENT_LOGIT, ObjectMasks
from masklet.training.drift import WAYS, Drift, DriftConfig, draw_drift
from masklet.types import DecodedMasks

NOBODY = torch.full((1, 4), 7.0)
CUT, LEAK, SWITCH, LOSE = range(4)


def made(*ways: int, begin: int = 2, amount: float = 0.5) -> Drift:
    """Objects in pairs that are taken for each other; cuts and leaks lie to the right."""
    number = len(ways)
    return Drift(
        begin=torch.full((number,), begin),
        way=torch.tensor(ways),
        direction=torch.tensor([[1.0, 0.0]]).expand(number, 2),
        amount=torch.full((number,), amount),
        other=torch.arange(number) ^ 1,
    )


@pytest.fixture
def found() -> ObjectMasks:
    """Two objects of 8 x 6 pixels, sure of themselves, the second more so."""
    logits = torch.full((2, 1, 32, 32), -3.0)
    logits[0, :, 4:12, 8:14] = 3.0
    logits[1, :, 20:28, 20:26] = 5.0
    nothing = DecodedMasks(logits, torch.ones(2, 1), torch.ones(2, 1, 4), torch.ones(2, 1))
    pointers = torch.arange(8.0).view(2, 4)
    return ObjectMasks(logits, torch.ones(2), torch.tensor([[3.0], [5.0]]), pointers, nothing)


def test_before_an_error_begins_all_is_as_it_was_found(found):
    spoilt = made(LOSE, CUT, begin=2).spoil(1, found, NOBODY)
    for name in ("logits", "pointers", "object_scores"):
        assert torch.equal(getattr(spoilt, name), getattr(found, name))


def test_a_cut_loses_one_side(found):
    spoilt = made(CUT, CUT).spoil(2, found, NOBODY)
    mask, whole = spoilt.logits > 0, found.logits > 0
    assert mask[0, 0, 4:12, 8:11].all()
    assert not mask[0, 0, :, 11:].any(), "beyond the middle"
    assert not (mask & ~whole).any()
    assert torch.equal(spoilt.logits.abs(), found.logits.abs()), "as sure as before"
    assert torch.equal(spoilt.pointers, found.pointers)


def test_a_leak_takes_a_copy_of_the_mask_along(found):
    mask = made(LEAK, LEAK, amount=0.0).spoil(5, found, NOBODY).logits > 0
    spread = (35 / 12) ** 0.5  # of six columns
    shift = round(0.8 * spread)
    assert mask[0, 0].any(0).nonzero()[:, 0].tolist() == list(range(8, 14 + shift))
    assert mask[0, 0].any(1).nonzero()[:, 0].tolist() == list(range(4, 12))
    assert not (mask[0, 0] & mask[1, 0]).any()


def test_a_leak_ends_at_the_border(found):
    found.logits[1].fill_(-3.0)
    found.logits[1, :, 20:28, 26:32] = 5.0
    mask = made(LEAK, LEAK, amount=1.0).spoil(2, found, NOBODY).logits[1, 0] > 0
    assert mask.any(0).nonzero()[:, 0].tolist() == list(range(26, 32))


def test_another_object_is_taken_for_it_mask_pointer_and_score(found):
    spoilt = made(SWITCH, CUT).spoil(2, found, NOBODY)
    assert torch.equal(spoilt.logits[0], found.logits[1])
    assert torch.equal(spoilt.pointers[0], found.pointers[1])
    assert spoilt.object_scores[0] == 5.0
    assert torch.equal(spoilt.pointers[1], found.pointers[1])


def test_a_lost_object_is_remembered_as_absent(found):
    spoilt = made(LOSE, LEAK).spoil(2, found, NOBODY)
    assert (spoilt.logits[0] == ABSENT_LOGIT).all()
    assert torch.equal(spoilt.pointers[0], NOBODY[0])
    assert spoilt.present.tolist() == [[False], [True]]


def test_nothing_is_made_of_nothing(found):
    found.logits.fill_(ABSENT_LOGIT)
    spoilt = made(CUT, LEAK).spoil(2, found, NOBODY)
    assert torch.equal(spoilt.logits, found.logits)


def test_how_often_and_from_when_on_errors_are_drawn():
    clips = torch.arange(1000).repeat_interleave(4)
    drift = draw_drift(DriftConfig(probability=0.4), clips, 6, torch.Generator().manual_seed(0))
    assert drift is not None
    wrong = drift.begin < 6
    assert wrong.float().mean() == pytest.approx(0.4, abs=0.03)
    assert drift.begin[wrong].unique().tolist() == [1, 2, 3, 4], "frame 5 is remembered by nobody"
    assert drift.begin[~wrong].unique().tolist() == [6]
    shares = torch.bincount(drift.way, minlength=4) / len(clips)
    torch.testing.assert_close(shares, torch.tensor(list(WAYS.values())), atol=0.03, rtol=0)
    assert (drift.direction.mean(0).abs() < 0.05).all()
    torch.testing.assert_close(drift.direction.norm(dim=1), torch.ones(len(clips)))
    everyone = torch.arange(len(clips))
    assert (drift.other != everyone).all()
    assert torch.equal(clips[drift.other], clips)
    far = (drift.other - everyone).unique().tolist()
    assert far == [-3, -2, -1, 1, 2, 3], "any of the others"


def test_an_object_that_is_alone_is_taken_for_itself():
    drift = draw_drift(DriftConfig(probability=1.0), torch.tensor([0, 1, 1]), 3, torch.Generator().manual_seed(0))
    assert drift is not None
    assert drift.other.tolist() == [0, 2, 1]


@pytest.mark.parametrize(("probability", "num_frames"), [(0.0, 8), (1.0, 2), (1.0, 1)])
def test_nothing_is_drawn_where_nothing_can_go_wrong(probability, num_frames):
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    clips = torch.zeros(3, dtype=torch.long)
    assert draw_drift(DriftConfig(probability=probability), clips, num_frames, generator) is None
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("probability", [-0.1, 1.5, float("nan")])
def test_a_probability_is_one(probability):
    with pytest.raises(ValueError, match="between 0 and 1"):
        DriftConfig(probability=probability)
