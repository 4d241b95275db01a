"""The tracker on a small random model: what prompts and tracked frames leave behind."""

from dataclasses import replace

import pytest
import torch

from masklet.model import Sam2
from masklet.tracking import tracker as tracker_module
from masklet.tracking.policy import RELEASED_POLICY
from masklet.tracking.step import remember, step
from masklet.tracking.tracked_object import FramePrompt, InPlace
from masklet.tracking.tracker import Tracker
from masklet.types import ImageFeatures, Points

IDS = ["a", "b", "c"]


@pytest.fixture(scope="module")
def model(remembering_model) -> Sam2:
    return remembering_model


@pytest.fixture(scope="module")
def frames(model) -> ImageFeatures:
    return model.encode_image(torch.randn(6, 3, 64, 64, generator=torch.Generator().manual_seed(1)))


def tracker_of(model, **policy) -> Tracker[str]:
    return Tracker(model, replace(RELEASED_POLICY, **policy))


def click(x: int = 20, y: int = 20, *more: tuple[int, int]) -> FramePrompt:
    coords = torch.tensor([[(x, y), *more]], dtype=torch.float32)
    return FramePrompt(clicks=Points(coords, torch.ones(1, 1 + len(more), dtype=torch.long)))


def drawn(*, empty: bool = False) -> FramePrompt:
    mask = torch.zeros(1, 1, 64, 64, dtype=torch.bool)
    mask[..., 8:40, 8:40] = not empty
    return FramePrompt(mask=mask)


def followed(model, frames, upto: int = 3, **policy) -> Tracker[str]:
    """Three objects, clicked on frame 0 and tracked on the following ones."""
    tracker = tracker_of(model, **policy)
    for place, id_ in enumerate(IDS):
        tracker.prompt(frames[0], 0, id_, click(10 + 20 * place, 50 - 15 * place))
    for index in range(1, upto + 1):
        tracker.track(frames[index], index, IDS)
    return tracker


def logits(tracker: Tracker[str], id_: str, frame: int) -> torch.Tensor:
    return tracker.objects[id_].results[frame].logits.load()


def state(tracker: Tracker[str]) -> dict:
    """All that is known, as values that can be compared."""
    return {
        id_: (
            {frame: id(kept) for frame, kept in known.bank.features.items()},
            {frame: id(pointer) for frame, pointer in known.bank.pointers.items()},
            set(known.bank.conditioning),
            *(dict(part) for part in (known.prompts, known.results, known.pending, known.reverse, known.settled)),
        )
        for id_, known in tracker.objects.items()
    }


@pytest.fixture
def steps(monkeypatch) -> list[dict]:
    """What the step was called with."""
    calls: list[dict] = []

    def spy(model, features, selections, points=None, mask_logits=None, stability=None):
        calls.append({"selections": selections, "points": points, "mask_logits": mask_logits, "stability": stability})
        return step(model, features, selections, points, mask_logits, stability)

    monkeypatch.setattr(tracker_module, "step", spy)
    return calls


@pytest.fixture
def remembered(monkeypatch) -> list[tuple]:
    """What memories were made of: masks, binary, memory."""
    calls: list[tuple] = []

    def spy(model, features, masks, *, binary=False):
        calls.append((masks, binary, remember(model, features, masks, binary=binary)))
        return calls[-1][2]

    monkeypatch.setattr(tracker_module, "remember", spy)
    return calls


@pytest.mark.parametrize("failing", ["decode_masks", "encode_memory"])
@pytest.mark.parametrize("prompt", [click(), drawn()])
@pytest.mark.parametrize("id_", ["a", "new"])
def test_a_prompt_that_fails_leaves_nothing_behind(model, frames, monkeypatch, failing, prompt, id_):
    tracker = followed(model, frames)
    before = state(tracker)

    def fail(*given):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(model, failing, fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        tracker.prompt(frames[2], 2, id_, prompt)
    assert state(tracker) == before


def test_a_prompt_whose_memory_cannot_be_kept_leaves_nothing_behind(model, frames):
    """As on a disk that is full: the features may fit, and the logits not."""
    tracker = followed(model, frames)
    before = state(tracker)

    def keep(tensor):
        if tensor.dtype == torch.float32:
            raise OSError("no space left")
        return InPlace(tensor)

    tracker.keep = keep
    with pytest.raises(OSError, match="no space left"):
        tracker.prompt(frames[2], 2, "a", click())
    assert state(tracker) == before


def test_a_first_prompt_is_read_from_the_frame_alone(model, frames, steps):
    tracker = tracker_of(model)
    tracker.prompt(frames[0], 0, "a", click())
    tracker.prompt(frames[3], 3, "a", click())  # another frame, not tracked: alone again
    assert [call["selections"] for call in steps] == [None, None]
    assert tracker.objects["a"].bank.conditioning == {0, 3}
    assert tracker.objects["a"].prompts.keys() == {0, 3}
    assert steps[0]["stability"] == RELEASED_POLICY.stability


def test_a_correction_looks_at_the_memory_of_other_frames(model, frames, steps):
    tracker = followed(model, frames)
    steps.clear()
    tracker.prompt(frames[3], 3, "a", click())
    ((chosen,),) = [call["selections"] for call in steps]
    assert [slot for slot, _ in chosen.spatial] == [6, 1, 0]  # frames 0, 1 and 2
    assert [far for far, _ in chosen.pointers] == [3, 1, 2]
    tracker.prompt(frames[3], 3, "a", click(), own=True)
    ((chosen,),) = [call["selections"] for call in steps[1:]]
    assert [slot for slot, _ in chosen.spatial] == [6, 6, 1, 0]  # frames 0, 3, 1 and 2
    assert [far for far, _ in chosen.pointers] == [3, 0, 1, 2]


def test_a_correction_looks_in_the_direction_in_which_the_frame_was_tracked(model, frames, steps):
    tracker = tracker_of(model)
    tracker.prompt(frames[5], 5, "a", click())
    tracker.track(frames[4], 4, ["a"], reverse=True)
    tracker.track(frames[3], 3, ["a"], reverse=True)
    steps.clear()
    tracker.prompt(frames[3], 3, "a", click())
    ((chosen,),) = [call["selections"] for call in steps]
    assert [far for far, _ in chosen.pointers] == [2, 1]
    assert tracker.objects["a"].reverse == {4: True, 3: True}


@pytest.mark.parametrize("conditions", [True, False])
def test_a_correction_conditions_if_the_policy_says_so(model, frames, conditions):
    tracker = followed(model, frames, corrections_condition=conditions)
    before = logits(tracker, "a", 2)
    tracker.prompt(frames[2], 2, "a", click(60, 60))
    known = tracker.objects["a"]
    assert known.bank.conditioning == ({0, 2} if conditions else {0})
    assert 2 in known.bank.features
    assert 2 in known.prompts
    assert not known.settled
    assert (logits(tracker, "a", 2) - before).abs().max() > 1e-2
    assert tracker.objects["b"].settled


def test_the_mask_so_far_is_refined(model, frames, steps):
    tracker = followed(model, frames)
    known = tracker.objects["a"]
    wild = torch.linspace(-90, 90, 256).view(1, 16, 16)
    known.results[2] = replace(known.results[2], logits=InPlace(wild))
    steps.clear()
    tracker.prompt(frames[2], 2, "a", click(), defer=True)
    assert torch.equal(steps[0]["mask_logits"], wild[None].clamp(-32, 32))
    tracker.prompt(frames[2], 2, "a", click(), defer=True)  # what is pending goes before what is remembered
    assert not torch.equal(steps[1]["mask_logits"], steps[0]["mask_logits"])
    tracker.prompt(frames[2], 2, "a", click(), refine=False)
    assert steps[2]["mask_logits"] is None
    tracker.prompt(frames[4], 4, "a", click())
    assert steps[3]["mask_logits"] is None  # nothing was found there


def test_a_drawn_mask_needs_no_step(model, frames, steps):
    tracker = tracker_of(model)
    tracker.prompt(frames[0], 0, "a", drawn())
    tracker.prompt(frames[0], 0, "b", drawn(empty=True))
    assert steps == []
    assert set(logits(tracker, "a", 0)[0, 4:8, 4:8].flatten().tolist()) == {10.0}
    assert tracker.objects["a"].results[0].visible
    assert not tracker.objects["b"].results[0].visible


def test_a_pending_answer_is_not_remembered_until_it_is_committed(model, frames):
    at_once, later = tracker_of(model), tracker_of(model)
    at_once.prompt(frames[0], 0, "a", click())
    later.prompt(frames[0], 0, "a", click(), defer=True)
    known = later.objects["a"]
    assert not known.bank.features
    assert not known.results
    assert known.pending.keys() == {0}
    later.commit(frames[0], 0, "a")
    assert not known.pending
    assert torch.equal(logits(later, "a", 0), logits(at_once, "a", 0))
    expected = at_once.objects["a"].bank
    assert torch.equal(known.bank.features[0].load(), expected.features[0].load())
    assert known.bank.conditioning == {0}


def test_a_pending_correction_of_a_conditioning_frame_is_dropped(model, frames):
    """In the original a frame counts as tracked also where its prompt was only given again."""
    tracker = followed(model, frames, corrections_condition=False)
    known = tracker.objects["a"]
    known.reverse[0] = False
    before = logits(tracker, "a", 0)
    for frame in (0, 2):
        tracker.prompt(frames[frame], frame, "a", click(60, 60), defer=True)
        assert not known.pending[frame].conditioning
        tracker.commit(frames[frame], frame, "a")
    assert logits(tracker, "a", 0) is before
    assert not known.pending
    assert known.bank.conditioning == {0}
    assert (logits(tracker, "a", 2) - logits(followed(model, frames), "a", 2)).abs().max() > 1e-2


def test_memories_are_rounded_and_kept_apart(model, frames):
    """Each row has a storage of its own, of its own size, so none keeps its batch alive."""
    tracker = followed(model, frames)
    for known in tracker.objects.values():
        for frame in range(4):
            memory = known.bank.features[frame].load()
            assert memory.dtype == torch.bfloat16
            for tensor in (memory, known.bank.pointers[frame], known.results[frame].logits.load()):
                assert tensor.untyped_storage().nbytes() == tensor.nbytes
            assert known.results[frame].logits.load().dtype == torch.float32
            assert known.results[frame].logits.load().shape == (1, 16, 16)


@pytest.mark.parametrize("limit", [1, 16, 32])
def test_objects_in_several_passes_equal_those_in_one(model, frames, steps, monkeypatch, limit):
    together = followed(model, frames)
    assert [len(call["selections"]) for call in steps[-3:]] == [3, 3, 3]
    monkeypatch.setattr(tracker_module, "MAX_TOKENS_PER_PASS_ON_CPU", limit)  # an object has 16 tokens
    steps.clear()
    apart = followed(model, frames)
    assert [len(call["selections"]) for call in steps[3:]] == ([2, 1] * 3 if limit == 32 else [1] * 9)
    for id_ in IDS:
        assert (logits(apart, id_, 3) > 0).any()
        torch.testing.assert_close(logits(apart, id_, 3), logits(together, id_, 3), atol=1e-3, rtol=1e-3)
    assert (logits(apart, "a", 3) - logits(apart, "b", 3)).abs().max() > 1e-2


def test_objects_that_were_not_asked_for_are_left_alone(model, frames):
    tracker = followed(model, frames)
    before = state(tracker)
    tracker.track(frames[4], 4, ["c"], reverse=True)
    after = state(tracker)
    assert (after["a"], after["b"]) == (before["a"], before["b"])
    assert tracker.objects["c"].reverse[4] is tracker.objects["c"].settled[4] is True
    assert tracker.objects["c"].bank.conditioning == {0}


def test_only_prompted_memories_are_made_of_binary_masks(model, frames, remembered):
    tracker = followed(model, frames, 1)
    tracker.prompt(frames[2], 2, "a", click())  # "b" and "c" are tracked on the same frame
    tracker.track(frames[2], 2, ["b", "c"])
    assert [(binary, len(masks.logits)) for masks, binary, _ in remembered] == [
        *[(True, 1)] * 3,
        (False, 3),
        (True, 1),
        (False, 2),
    ]
    remembered.clear()
    followed(model, frames, 1, binary_prompted_memory=False)
    assert not any(binary for _, binary, _ in remembered)


@pytest.mark.parametrize(("area", "filled"), [(1, 0.1), (0, -5.0)])
def test_holes_are_filled_before_a_prompt_is_remembered_and_after_a_tracked_frame_is(
    model, frames, remembered, monkeypatch, area, filled
):
    holed = torch.full((1, 1, 16, 16), 5.0)
    holed[..., 6, 6] = -5.0

    def punched(*given):
        found = step(*given)
        return replace(found, logits=holed.expand(len(found.logits), 1, 16, 16))

    monkeypatch.setattr(tracker_module, "step", punched)
    tracker = followed(model, frames, 1, max_hole_area=area)
    assert [masks.logits[:, 0, 6, 6].tolist() for masks, _, _ in remembered] == [
        *[pytest.approx([filled])] * 3,
        [-5.0] * 3,
    ]
    for id_ in IDS:
        assert [logits(tracker, id_, frame)[0, 6, 6].item() for frame in (0, 1)] == pytest.approx([filled, filled])


@pytest.mark.parametrize("clears", [True, False])
def test_a_prompt_clears_the_memories_around_it_if_the_policy_says_so(model, frames, clears):
    tracker = followed(model, frames, clear_around_corrections=clears)
    tracker.prompt(frames[2], 2, "a", click())
    assert tracker.objects["a"].bank.features.keys() == ({0, 2} if clears else {0, 1, 2, 3})
    assert tracker.objects["b"].bank.features.keys() == {0, 1, 2, 3}


def test_pointers_of_a_short_video_are_measured_by_its_length(model, frames, steps):
    tracker: Tracker[str] = Tracker(model, RELEASED_POLICY, num_frames=6)
    tracker.prompt(frames[0], 0, "a", click())
    tracker.track(frames[1], 1, ["a"])
    assert steps[-1]["selections"][0].pointer_span == 5
    assert tracker_of(model).num_frames is None


def test_a_policy_reaches_the_memories(model):
    known = tracker_of(model, memory_stride=3, max_conditioning_frames=4).new_object()
    assert (known.bank.policy.stride, known.bank.policy.max_conditioning_frames) == (3, 4)
    assert (known.bank.policy.num_memories, known.bank.policy.max_pointers) == (7, 16)


def test_a_stream_forgets_what_lies_behind(model, frames):
    tracker = tracker_of(model)
    tracker.prompt(frames[0], 0, "a", click())
    for index in range(1, 30):
        tracker.track(frames[index % 6], index, ["a"])
        tracker.forget(index)
    known = tracker.objects["a"]
    assert known.results.keys() == known.reverse.keys() == known.settled.keys() == {29}
    assert not known.prompts
    # Six maps and fifteen pointers before frame 29, which may still be corrected, and its own.
    assert sorted(known.bank.features) == [0, *range(23, 30)]
    assert sorted(known.bank.pointers) == [0, *range(14, 30)]


def test_no_gradient_is_kept(model, frames, tiny):
    torch.manual_seed(0)
    learner = Sam2(tiny)
    tracker = tracker_of(learner)
    tracker.prompt(frames[0], 0, "a", click())
    tracker.track(frames[1], 1, ["a"])
    assert not tracker.objects["a"].bank.pointers[1].requires_grad
    assert not logits(tracker, "a", 1).requires_grad
