"""An object's history: prompts put together, results that hold or not, and where tensors are kept."""

from dataclasses import replace

import pytest
import torch

from masklet.tracking.memory_bank import MemoryBank
from masklet.tracking.policy import MemoryPolicy
from masklet.tracking.step import ObjectMasks
from masklet.tracking.tracked_object import FramePrompt, FrameResult, InPlace, KeepOn, Pending, TrackedObject
from masklet.types import DecodedMasks, KeptTensor, PointLabel, Points

BOX = Points.of_boxes(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
CLICKS = Points(torch.tensor([[[5.0, 6.0]]]), torch.tensor([[1]]))


def tracked(conditioning=(), **settled) -> TrackedObject:
    """settled: frame numbers as f3=True, the value being whether it was tracked in reverse."""
    known = TrackedObject(MemoryBank(MemoryPolicy()))
    known.bank.conditioning.update(conditioning)
    known.settled.update({int(name[1:]): reverse for name, reverse in settled.items()})
    return known


def result(value: float) -> FrameResult:
    return FrameResult(InPlace(torch.full((1, 4, 4), value)), 0.5, 1.0)


def test_a_box_goes_before_clicks():
    points = FramePrompt(box=BOX, clicks=CLICKS).points
    assert points is not None
    assert points.labels.tolist() == [[PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT, PointLabel.POSITIVE]]
    assert points.coords[0, :, 0].tolist() == [1, 3, 5]
    assert FramePrompt(box=BOX).points is BOX
    assert FramePrompt(clicks=CLICKS).points is CLICKS
    assert FramePrompt().points is None


@pytest.mark.parametrize(("score", "visible"), [(0.1, True), (0.0, False), (-3.0, False)])
def test_an_object_is_visible_where_its_score_is_positive(score, visible):
    assert replace(result(1.0), object_score=score).visible is visible


def test_a_frame_that_was_not_tracked_is_not_settled():
    assert not tracked([0]).is_settled(3, reverse=False)


def test_a_frame_is_settled_in_the_direction_in_which_it_was_tracked():
    assert tracked(f3=False).is_settled(3, reverse=False)
    assert tracked(f3=True).is_settled(3, reverse=True)
    assert not tracked(f3=False).is_settled(3, reverse=True)
    assert not tracked(f3=True).is_settled(3, reverse=False)


def test_what_was_followed_from_a_prompt_holds_in_the_other_direction_too():
    """Forward from frame 0, or backward from frame 9; but a guess from prompts that lay ahead does not hold."""
    assert tracked([0], f3=False).is_settled(3, reverse=True)
    assert tracked([9], f3=True).is_settled(3, reverse=False)
    assert not tracked([9], f3=False).is_settled(3, reverse=True)
    assert not tracked([0], f3=True).is_settled(3, reverse=False)


def test_a_prompted_frame_is_settled_once_it_has_a_result():
    known = tracked([3])
    known.prompts[3] = FramePrompt(clicks=CLICKS)
    assert not known.is_settled(3, reverse=False)
    known.results[3] = result(1.0)
    assert known.is_settled(3, reverse=False)
    assert known.is_settled(3, reverse=True)


def test_logits_of_a_pending_answer_go_first():
    known = tracked()
    assert known.low_res_logits(3) is None
    known.results[3] = result(1.0)
    found = known.low_res_logits(3)
    assert found is not None
    assert torch.equal(found, torch.ones(1, 4, 4))
    empty = DecodedMasks(torch.zeros(1, 4, 4, 4), torch.zeros(1, 4), torch.zeros(1, 4, 8), torch.zeros(1, 1))
    answer = ObjectMasks(torch.full((1, 1, 4, 4), 2.0), torch.ones(1), torch.ones(1, 1), torch.zeros(1, 8), empty)
    known.pending[3] = Pending(answer, conditioning=True)
    found = known.low_res_logits(3)
    assert found is not None
    assert torch.equal(found, torch.full((1, 4, 4), 2.0))


def test_tensors_are_kept_where_asked():
    tensor = torch.ones(2)
    assert KeepOn()(tensor).load() is tensor
    assert KeepOn(torch.device("cpu"))(tensor).load() is tensor
    assert KeepOn(torch.device("meta"))(tensor).load().device.type == "meta"
    assert isinstance(KeepOn()(tensor), KeptTensor)
