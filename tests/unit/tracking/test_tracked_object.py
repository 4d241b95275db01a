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
    for keep in (KeepOn(), KeepOn(torch.device("cpu"))):
        kept = keep(tensor).load()
        assert torch.equal(kept, tensor)
        assert kept.data_ptr() != tensor.data_ptr()  # a copy, so that a row does not keep its batch alive
    assert KeepOn(torch.device("meta"))(tensor).load().device.type == "meta"
    assert isinstance(KeepOn()(tensor), KeptTensor)


def test_a_box_takes_the_place_of_another_and_clicks_are_added():
    other = Points.of_boxes(torch.tensor([[[5.0, 6.0], [7.0, 8.0]]]))
    assert FramePrompt(box=BOX).with_more(FramePrompt(box=other)) == FramePrompt(box=other)
    assert FramePrompt(box=BOX).with_more(FramePrompt(clicks=CLICKS)) == FramePrompt(box=BOX, clicks=CLICKS)
    assert FramePrompt(clicks=CLICKS).with_more(FramePrompt(box=BOX)) == FramePrompt(box=BOX, clicks=CLICKS)
    assert FramePrompt(mask=torch.ones(1, 1, 4, 4)).with_more(FramePrompt(box=BOX)) == FramePrompt(box=BOX)
    clicks = FramePrompt(clicks=CLICKS).with_more(FramePrompt(clicks=CLICKS)).clicks
    assert clicks is not None
    assert clicks.labels.tolist() == [[1, 1]]


@pytest.mark.parametrize(("reverse", "left"), [(False, {1: False, 2: True, 5: False}), (True, {5: True, 7: False})])
def test_what_lies_beyond_a_frame_that_is_tracked_no_longer_holds(reverse, left):
    known = tracked([0], f1=False, f2=True, f5=False, f7=False)
    known.note_tracked(5, reverse)
    assert known.settled == left
    assert known.reverse == {5: reverse}


@pytest.mark.parametrize(("reverse", "left"), [(False, {4, 5, 20}), (True, {4, 5, 20})])
def test_memories_around_the_prompts_right_before_a_frame_are_cleared(reverse, left):
    """Of 4 and 5, seven frames to each side, going forward to 6 or in reverse to 3; not around 20."""
    known = tracked([5])
    for frame in (1, 4, 5, 9, 12, 20, 21):
        known.bank.add(frame, InPlace(torch.ones(1)), torch.ones(1), conditioning=frame == 5)
    known.prompts.update({frame: FramePrompt(clicks=CLICKS) for frame in (4, 5, 20)})
    known.clear_around_prompts_before(3 if reverse else 6, reverse)
    assert known.bank.features.keys() == {*left, 21}


def with_history(prompts, conditioning) -> TrackedObject:
    known = tracked()
    for frame in range(6):
        known.bank.add(frame, InPlace(torch.ones(1)), torch.ones(1), conditioning=frame in conditioning)
        known.results[frame] = result(1.0)
        known.note_tracked(frame, False)
    known.prompts.update({frame: FramePrompt(clicks=CLICKS) for frame in prompts})
    return known


def test_a_prompt_that_is_taken_back_leaves_the_others():
    known = with_history(prompts=[0, 3], conditioning=[0, 3])
    known.take_back(3)
    assert known.prompts.keys() == known.bank.conditioning == {0}
    assert known.bank.features.keys() == known.results.keys() == known.reverse.keys() == {0, 1, 2, 4, 5}
    assert not known.settled


def test_a_correction_conditions_once_no_other_prompt_does():
    known = with_history(prompts=[0, 3], conditioning=[0])
    known.take_back(0)
    assert known.bank.conditioning == known.prompts.keys() == {3}
    assert known.results.keys() == {1, 2, 3, 4, 5}


def test_nothing_is_left_of_an_object_whose_last_prompt_is_taken_back():
    known = with_history(prompts=[0], conditioning=[0])
    known.take_back(0)
    assert not any((known.prompts, known.results, known.reverse, known.settled))
    assert not any((known.bank.features, known.bank.pointers, known.bank.conditioning))
