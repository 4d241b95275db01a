"""Spoilt memories: which, how often, from when on, what becomes of them, and what they teach."""

from dataclasses import replace

import pytest
import torch

from masklet.tracking.step import ABSENT_LOGIT, ObjectMasks
from masklet.training.drift import WAYS, Drift, DriftConfig, draw_drift
from masklet.types import DecodedMasks

NOBODY = torch.full((1, 4), 7.0)
CUT, LEAK, SWITCH, LOSE = range(4)
SPREAD = (143 / 12) ** 0.5
"""Standard deviation of twelve neighbouring pixels."""


def made(
    *ways: int,
    begin: int = 2,
    amount: float = 0.5,
    direction: tuple[float, float] = (1.0, 0.0),
    only: int | None = None,
) -> Drift:
    """Objects in pairs that are taken for each other. only: the object with which alone something goes wrong."""
    number = len(ways)
    begins = torch.full((number,), begin)
    if only is not None:
        begins[torch.arange(number) != only] = 99
    return Drift(
        begin=begins,
        way=torch.tensor(ways),
        direction=torch.tensor([direction]).expand(number, 2),
        amount=torch.full((number,), amount),
        other=torch.arange(number) ^ 1,
    )


@pytest.fixture
def found() -> ObjectMasks:
    """Two objects of 12 x 12 pixels of 48, sure of themselves, the second more so."""
    logits = torch.full((2, 1, 48, 48), -3.0)
    logits[0, :, 16:28, 14:26] = 3.0
    logits[1, :, 30:42, 30:42] = 5.0
    nothing = DecodedMasks(logits, torch.ones(2, 1), torch.ones(2, 1, 4), torch.ones(2, 1))
    pointers = torch.arange(8.0).view(2, 4)
    return ObjectMasks(logits, torch.ones(2), torch.tensor([[3.0], [5.0]]), pointers, nothing)


def extent(logits: torch.Tensor) -> tuple[int, int, int, int]:
    """First and last column, first and last row."""
    ys, xs = (logits > 0).nonzero(as_tuple=True)
    return int(xs.min()), int(xs.max()), int(ys.min()), int(ys.max())


def test_before_an_error_begins_all_is_as_it_was_found(found):
    spoilt = made(LOSE, CUT, begin=2).spoil(1, found, NOBODY)
    for name in ("logits", "pointers", "object_scores"):
        assert torch.equal(getattr(spoilt, name), getattr(found, name))


@pytest.mark.parametrize("amount", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("direction", [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)])
def test_a_cut_loses_what_lies_beyond_a_line(found, direction, amount):
    spoilt = made(CUT, CUT, amount=amount, direction=direction).spoil(2, found, NOBODY)
    kept = round(6 + (2 * amount - 1) * 0.8 * SPREAD)  # of twelve columns or rows
    left, right, top, bottom = 14, 25, 16, 27
    expected = {
        (1.0, 0.0): (left, left + kept - 1, top, bottom),
        (-1.0, 0.0): (right - kept + 1, right, top, bottom),
        (0.0, 1.0): (left, right, top, top + kept - 1),
        (0.0, -1.0): (left, right, bottom - kept + 1, bottom),
    }
    assert extent(spoilt.logits[0, 0]) == expected[direction]
    assert torch.equal(spoilt.logits.abs(), found.logits.abs()), "as sure as before"
    assert torch.equal(spoilt.pointers, found.pointers)


@pytest.mark.parametrize(("amount", "shift"), [(0.0, 0.8), (0.5, 1.4), (1.0, 2.0)])
@pytest.mark.parametrize("direction", [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)])
def test_a_leak_takes_a_copy_of_the_mask_along(found, direction, amount, shift):
    logits = made(LEAK, LEAK, amount=amount, direction=direction).spoil(5, found, NOBODY).logits
    more = round(shift * SPREAD)
    x, y = (int(part) * more for part in direction)
    assert extent(logits[0, 0]) == (14 + min(x, 0), 25 + max(x, 0), 16 + min(y, 0), 27 + max(y, 0))
    assert (logits[0] > 0).sum() == 12 * (12 + more)
    assert (logits[0] >= found.logits[0]).all()


@pytest.mark.parametrize("direction", [(1.0, 0.0), (0.0, 1.0)])
def test_a_leak_ends_at_the_border(found, direction):
    found.logits[1].fill_(-3.0)
    found.logits[1, :, 36:48, 36:48] = 5.0
    logits = made(LEAK, LEAK, amount=1.0, direction=direction).spoil(2, found, NOBODY).logits
    assert torch.equal(logits[1], found.logits[1])


def test_another_object_is_taken_for_it_mask_pointer_and_score(found):
    spoilt = made(SWITCH, CUT).spoil(2, found, NOBODY)
    assert torch.equal(spoilt.logits[0], found.logits[1]), "as it was found, though it is spoilt itself"
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


@pytest.mark.parametrize("way", range(4))
def test_what_was_spoilt_teaches_nothing_about_finding(found, way):
    found = replace(found, logits=found.logits.requires_grad_(), pointers=found.pointers.requires_grad_())
    spoilt = made(way, way, only=0).spoil(2, found, NOBODY)
    logits, pointers = torch.autograd.grad(spoilt.logits.sum() + spoilt.pointers.sum(), (found.logits, found.pointers))
    assert not logits[0].any()
    assert (logits[1] == 1).all(), "once, not for the object that is taken for it as well"
    assert (pointers == torch.tensor([[float(way in (CUT, LEAK))], [1.0]])).all()


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
    assert drift.amount.mean() == pytest.approx(0.5, abs=0.03)
    everyone = torch.arange(len(clips))
    assert torch.equal(clips[drift.other], clips)
    far = (drift.other - everyone).unique().tolist()
    assert far == [-3, -2, -1, 1, 2, 3], "any of the others"


def test_an_object_that_is_alone_is_lost_instead_of_switched():
    clips = torch.cat((torch.arange(1000), torch.full((2,), 1000)))
    drift = draw_drift(DriftConfig(probability=1.0), clips, 3, torch.Generator().manual_seed(0))
    assert drift is not None
    assert torch.equal(drift.other[:1000], clips[:1000])
    assert drift.other[1000:].tolist() == [1001, 1000]
    shares = torch.bincount(drift.way[:1000], minlength=4) / 1000
    torch.testing.assert_close(shares, torch.tensor([0.35, 0.35, 0.0, 0.3]), atol=0.05, rtol=0)


@pytest.mark.parametrize(("probability", "num_frames"), [(0.0, 8), (1.0, 2), (1.0, 1)])
def test_nothing_is_drawn_where_nothing_can_go_wrong(probability, num_frames):
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    clips = torch.zeros(3, dtype=torch.long)
    assert draw_drift(DriftConfig(probability=probability), clips, num_frames, generator) is None
    assert torch.equal(generator.get_state(), before)
