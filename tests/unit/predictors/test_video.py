"""Video sessions on a small random model: prompts at any time, streams that equal whole videos, and bad input."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from masklet.model import Sam2
from masklet.predictors.image import ImagePredictor
from masklet.predictors.session_options import SessionOptions
from masklet.predictors.video import VideoSession
from masklet.tracking import tracker as tracker_module
from masklet.tracking.policy import RELEASED_POLICY, TrackingPolicy
from masklet.types import FrameMasks

SIZE = (48, 64)
NUM_FRAMES = 20


def picture(index: int) -> np.ndarray:
    """Coarse noise that moves to the right."""
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    return np.roll(noise.repeat(8, 0).repeat(8, 1), 3 * index, axis=1)


VIDEO = np.stack([picture(index) for index in range(NUM_FRAMES)])


@pytest.fixture(scope="module")
def model(remembering_model) -> Sam2:
    return remembering_model


def point_at_three(session: VideoSession, frame: int = 0) -> None:
    session.add_points(frame, 1, [(20, 20)], [1])
    session.add_box(frame, 2, (5, 5, 40, 30))
    session.add_points(frame, 3, [(50, 10), (10, 40)], [1, 0])


def session_of(model, video=VIDEO, *, policy=None, **options) -> VideoSession:
    """A session in which three objects were pointed at on frame 0."""
    session = VideoSession(
        model, video, policy=replace(RELEASED_POLICY, **(policy or {})), options=SessionOptions(**options)
    )
    point_at_three(session)
    return session


def run(session: VideoSession, **how) -> dict[int, FrameMasks]:
    return {frame.frame_index: frame for frame in session.propagate(return_logits=True, **how)}


def same(a: FrameMasks, b: FrameMasks, tolerance: float = 1e-3) -> None:
    assert a.logits is not None
    assert b.logits is not None
    assert a.logits.keys() == b.logits.keys()
    assert a.prompted == b.prompted
    for id_ in a.logits:
        np.testing.assert_allclose(a.logits[id_], b.logits[id_], atol=tolerance, rtol=tolerance)
        assert a.scores[id_] == pytest.approx(b.scores[id_], abs=tolerance)
        assert a.object_scores[id_] == pytest.approx(b.object_scores[id_], abs=tolerance)


def far(a: FrameMasks, b: FrameMasks, id_: int) -> float:
    assert a.logits is not None
    assert b.logits is not None
    return float(np.abs(a.logits[id_] - b.logits[id_]).max())


def spied(session: VideoSession) -> list[tuple[int, list[int], bool]]:
    """The calls of `Tracker.track` from now on: frame, object ids, reverse."""
    calls: list[tuple[int, list[int], bool]] = []
    track = session.tracker.track

    def spy(features, frame_index, object_ids, *, reverse=False):
        calls.append((frame_index, list(object_ids), reverse))
        track(features, frame_index, object_ids, reverse=reverse)

    session.tracker.track = spy  # type: ignore[method-assign]
    return calls


def results_of(session: VideoSession, id_: int) -> dict[int, object]:
    return dict(session.tracker.objects[id_].results)


# Answers to prompts


def test_the_model_of_these_tests_is_no_degenerate_one(model):
    frames = run(session_of(model))
    assert all(frame.visible == {1: True, 2: True, 3: True} for frame in frames.values())
    assert all(0.01 < mask.mean() < 0.9 for frame in frames.values() for mask in frame.masks.values())
    assert all(far(frame, replace(frame, logits={1: frame.logits[2]}), 1) > 0.1 for frame in frames.values())
    assert far(frames[10], frames[11], 1) > 0.1


@pytest.mark.parametrize(
    "prompt",
    [
        {"points": [(20, 20)], "labels": [1]},
        {"box": (5, 5, 40, 30)},
        {"points": [(9, 9), (1, 4)], "labels": [1, 0], "box": (5, 5, 40, 30)},
    ],
)
def test_the_first_answer_is_that_of_the_image_predictor(model, prompt):
    session = VideoSession(model, VIDEO, policy=replace(RELEASED_POLICY, max_hole_area=0))
    answer = session.add_points(
        3, 1, prompt.get("points"), prompt.get("labels"), box=prompt.get("box"), return_logits=True
    )
    predictor = ImagePredictor(model)
    given = {"boxes" if name == "box" else name: value for name, value in prompt.items()}
    several = "box" not in prompt
    still = predictor.predict(predictor.encode(VIDEO[3]), **given, multimask=several, return_logits=True)
    best = int(still.scores.argmax())
    assert answer.logits is not None
    assert answer.masks[1].shape == SIZE
    assert answer.masks[1].dtype == bool
    assert np.array_equal(answer.masks[1], answer.logits[1] > 0)
    np.testing.assert_allclose(answer.logits[1], still.logits[best], atol=1e-4, rtol=1e-4)
    assert answer.scores[1] == pytest.approx(float(still.scores[best]), abs=1e-5)
    assert answer.object_scores[1] == pytest.approx(float(still.object_score), abs=1e-4)
    assert answer.prompted == {1}


def test_clicks_are_added_and_refine_the_mask_so_far(model):
    step_by_step, anew = VideoSession(model, VIDEO), VideoSession(model, VIDEO)
    step_by_step.add_points(0, 1, [(20, 20)], [1])
    refined = step_by_step.add_points(0, 1, [(50, 40)], [0], return_logits=True)
    clicks = step_by_step.tracker.objects[1].prompts[0].clicks
    assert clicks is not None
    assert clicks.coords[0, :, 0].tolist() == [20, 50]
    assert clicks.labels.tolist() == [[1, 0]]
    at_once = anew.add_points(0, 1, [(20, 20), (50, 40)], [1, 0], return_logits=True)
    assert far(refined, at_once, 1) > 1e-2
    replaced = step_by_step.add_points(0, 1, [(20, 20), (50, 40)], [1, 0], replace=True, return_logits=True)
    same(replaced, at_once)


def test_a_box_and_clicks_make_one_prompt(model):
    session = VideoSession(model, VIDEO)
    session.add_points(0, 1, [(20, 20)], [1])
    session.add_box(0, 1, (5, 5, 40, 30))
    session.add_points(0, 1, [(50, 40)], [0])
    points = session.tracker.objects[1].prompts[0].points
    assert points is not None
    assert points.labels.tolist() == [[2, 3, 1, 0]]
    session.add_box(0, 1, (8, 8, 30, 30))  # in place of the other
    points = session.tracker.objects[1].prompts[0].points
    assert points is not None
    assert points.coords[0, :, 0].tolist() == [8, 30, 20, 50]
    session.add_box(0, 1, (1, 2, 3, 4), replace=True)
    points = session.tracker.objects[1].prompts[0].points
    assert points is not None
    assert points.coords[0, :, 0].tolist() == [1, 3]


def block() -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[12:36, 16:48] = True
    return mask


@pytest.mark.parametrize("kind", ["bool", "logits", "low-res logits"])
def test_a_mask_is_taken_as_it_is(model, kind):
    mask = {
        "bool": block(),
        "logits": np.where(block(), 4.0, -2.0),
        "low-res logits": torch.from_numpy(block()[1::3, 2::4]).float() * 8 - 4,
    }[kind]
    session = VideoSession(model, VIDEO)
    answer = session.add_mask(0, 1, mask, return_logits=True)
    assert (answer.masks[1] == block()).mean() > 0.97
    assert answer.logits is not None
    assert answer.logits[1].max() == pytest.approx(10)
    assert answer.logits[1].min() == pytest.approx(-10)
    assert (answer.scores[1], answer.object_scores[1], answer.visible[1]) == (1, 10, True)


def test_an_empty_mask_says_that_the_object_is_not_there(model):
    answer = VideoSession(model, VIDEO).add_mask(0, 1, np.zeros(SIZE, bool))
    assert not answer.visible[1]
    assert not answer.masks[1].any()


def test_clicks_refine_a_mask_and_a_mask_takes_the_place_of_clicks(model):
    session = VideoSession(model, VIDEO)
    session.add_mask(0, 1, block())
    clicked = session.add_points(0, 1, [(20, 20)], [1], return_logits=True)
    prompt = session.tracker.objects[1].prompts[0]
    assert prompt.mask is None
    assert prompt.points is not None
    alone = VideoSession(model, VIDEO).add_points(0, 1, [(20, 20)], [1], return_logits=True)
    assert far(clicked, alone, 1) > 1e-2
    again = session.add_mask(0, 1, block())
    assert session.tracker.objects[1].prompts[0].points is None
    assert (again.masks[1] == block()).mean() > 0.97


@pytest.mark.parametrize(("area", "hole"), [(1, False), (0, True)])
def test_holes_are_filled_up_to_the_policys_area(model, area, hole):
    """Here 1.0 low-res pixel is 3 x 4 of the frame."""
    mask = block()
    mask[24:27, 28:32] = False
    session = VideoSession(model, VIDEO, policy=TrackingPolicy(max_hole_area=area))
    assert session.add_mask(0, 1, mask).masks[1][25, 29] == (not hole)


@pytest.mark.parametrize(("area", "stays"), [(2, False), (1, True), (0, True)])
def test_specks_are_left_out_of_what_is_given_out_alone(model, monkeypatch, area, stays):
    specked = torch.full((1, 1, 16, 16), -5.0)
    specked[..., 2:8, 2:8] = specked[..., 12, 12:14] = 5.0
    plain = tracker_module.step

    def spotted(*given):
        found = plain(*given)
        return replace(found, logits=specked.expand(len(found.logits), 1, 16, 16))

    monkeypatch.setattr(tracker_module, "step", spotted)
    session = VideoSession(model, VIDEO, policy=TrackingPolicy(max_sprinkle_area=area))
    session.add_points(0, 1, [(20, 20)], [1])
    for frame in session.propagate(max_frames=1):
        inside = frame.masks[1]
        assert inside[10:20, 12:24].all()
        assert inside[24:].any() == stays
        kept = session.tracker.objects[1].results[frame.frame_index].logits.load()
        assert torch.equal(kept, specked[0])


def test_drawn_masks_keep_their_specks(model):
    session = VideoSession(model, VIDEO, policy=TrackingPolicy(max_sprinkle_area=4))
    mask = block()
    mask[0:3, 0:4] = True
    assert session.add_mask(0, 1, mask).masks[1][1, 1]


def test_objects_do_not_overlap_if_so_asked(model):
    plain, apart = run(session_of(model)), run(session_of(model, non_overlapping=True))
    for index in range(NUM_FRAMES):
        inside = np.stack(list(apart[index].masks.values()))
        assert inside.sum(0).max() == 1
        assert np.array_equal(inside.any(0), np.stack(list(plain[index].masks.values())).any(0))
    assert np.stack(list(plain[5].masks.values())).sum(0).max() > 1


# Propagation


def test_a_whole_video_is_followed_forward(model):
    session = session_of(model)
    calls = spied(session)
    frames = run(session)
    assert list(frames) == list(range(NUM_FRAMES))
    assert frames[0].prompted == {1, 2, 3}
    assert not frames[1].prompted
    assert frames[1].masks.keys() == frames[1].scores.keys() == frames[1].visible.keys() == {1, 2, 3}
    assert calls == [(index, [1, 2, 3], False) for index in range(1, NUM_FRAMES)]
    assert next(session.propagate()).logits is None


def test_what_holds_is_given_again_without_work(model, monkeypatch):
    session = session_of(model)
    before = run(session)
    calls = spied(session)
    monkeypatch.setattr(model, "encode_image", None)  # not even a frame is read
    for index, frame in run(session).items():
        same(frame, before[index])
    same(session.masks(7, return_logits=True), before[7])
    assert calls == []


@pytest.mark.parametrize("clears", [False, True])
@pytest.mark.parametrize("left_at", [3, 4, 6])
def test_a_generator_that_was_left_goes_on_where_it_was(model, clears, left_at):
    def prompted() -> VideoSession:
        session = session_of(model, policy={"clear_around_corrections": clears})
        session.add_points(4, 1, [(30, 30)], [1])
        return session

    expected = run(prompted())
    session = prompted()
    for frame in session.propagate():
        if frame.frame_index == left_at:
            break
    calls = spied(session)
    for index, frame in run(session).items():
        same(frame, expected[index])
    assert [index for index, _, _ in calls] == list(range(left_at + 1, NUM_FRAMES))


def test_objects_can_come_and_go_while_a_generator_is_under_way(model):
    session = session_of(model)
    seen = {}
    for frame in session.propagate():
        seen[frame.frame_index] = set(frame.masks)
        if frame.frame_index == 5:
            session.remove_object(2)
            session.add_points(5, 9, [(30, 30)], [1])
    assert seen[5] == {1, 2, 3}
    assert all(seen[index] == {1, 3, 9} for index in range(6, NUM_FRAMES))
    assert session.object_ids == [1, 3, 9]


@pytest.mark.parametrize("conditions", [True, False])
@pytest.mark.parametrize("clears", [True, False])
def test_a_correction_has_effect_and_leaves_the_other_objects_alone(model, conditions, clears):
    session = session_of(model, policy={"corrections_condition": conditions, "clear_around_corrections": clears})
    before = run(session)
    others = {id_: results_of(session, id_) for id_ in (2, 3)}
    answer = session.add_points(10, 1, [(60, 44)], [1], return_logits=True)
    assert far(answer, before[10], 1) > 1e-2
    assert answer.prompted == {1}
    calls = spied(session)
    after = run(session)
    same(after[10], answer)
    for index in range(NUM_FRAMES):
        if index >= 10 or (index and conditions):
            assert far(after[index], before[index], 1) > 1e-3
        else:
            assert far(after[index], before[index], 1) < 1e-3
    assert [index for index, _, _ in calls] == [*range(1, 10), *range(11, NUM_FRAMES)]
    assert all(ids == [1] for _, ids, _ in calls)
    for id_, results in others.items():
        now = results_of(session, id_)
        assert all(now[index] is results[index] for index in range(NUM_FRAMES))


@pytest.mark.parametrize("conditions", [True, False])
def test_a_correction_does_not_clear_another(model, conditions):
    """What was said of a frame is not among the memories that a prompt nearby may contradict."""
    policy = {"corrections_condition": conditions, "clear_around_corrections": True}
    session, expected = session_of(model, policy=policy), session_of(model, policy=policy)
    for each, frames in ((session, (10, 12)), (expected, (12,))):
        run(each)
        for frame in frames:
            each.add_points(frame, 1, [(60, 44)], [1])
    assert session.tracker.objects[1].bank.features.keys() >= {0, 10, 12}
    assert far(run(session)[13], run(expected)[13], 1) > 1e-3


def test_results_that_came_of_others_which_were_found_anew_are_found_anew_too(model):
    """Frames 11 to 19 were tracked after the correction, but from frames 6 to 10 as they were before it."""
    session, expected = session_of(model), session_of(model)
    run(expected, max_frames=11)
    expected.add_points(5, 1, [(60, 44)], [1])
    for frame in session.propagate():
        if frame.frame_index == 10:
            session.add_points(5, 1, [(60, 44)], [1])
    for each in (session, expected):
        run(each, start=5, max_frames=6)
    for index, frame in run(session, start=11).items():
        same(frame, expected.masks(index, return_logits=True) if index < 11 else run(expected, start=11)[index])


def test_a_correction_that_is_propagated_from_its_frame_leaves_earlier_frames(model):
    session = session_of(model)
    before = run(session)
    session.add_points(10, 1, [(60, 44)], [1])
    calls = spied(session)
    run(session, start=10)
    assert [index for index, _, _ in calls] == list(range(11, NUM_FRAMES))
    same(session.masks(9, return_logits=True), before[9])


def test_a_later_prompt_of_one_object_does_not_erase_the_others(model):
    session = session_of(model)
    run(session)
    others = {id_: results_of(session, id_) for id_ in (1, 2, 3)}
    session.add_box(10, 4, (20, 10, 50, 40))
    calls = spied(session)
    after = run(session)
    assert all(ids == [4] for _, ids, _ in calls)
    assert all(after[index].masks.keys() == {1, 2, 3, 4} for index in range(NUM_FRAMES))
    assert all(results_of(session, id_) == results for id_, results in others.items())


def test_an_objects_numbers_do_not_depend_on_its_company(model):
    together = run(session_of(model))
    alone = VideoSession(model, VIDEO)
    alone.add_box(0, 2, (5, 5, 40, 30))
    for index, frame in run(alone).items():
        assert far(frame, together[index], 2) < 1e-3


def test_clearing_a_correction_restores_what_was(model):
    session = session_of(model)
    before = run(session)
    session.add_points(10, 1, [(60, 44)], [1])
    run(session)
    session.clear_prompts(10, 1)
    after = run(session)
    for index in range(NUM_FRAMES):
        same(after[index], before[index])


def test_a_frame_whose_prompt_was_taken_back_is_as_if_it_was_never_tracked(model):
    """What is said of it next counts alone, as in the original."""
    session = session_of(model)
    run(session)
    session.add_points(10, 1, [(60, 44)], [1])
    session.clear_prompts(10, 1)
    assert session.masks(10).masks.keys() == {2, 3}
    answer = session.add_points(10, 1, [(30, 30)], [1], return_logits=True)
    alone = VideoSession(model, VIDEO).add_points(10, 1, [(30, 30)], [1], return_logits=True)
    assert far(answer, alone, 1) < 1e-3


def test_frames_that_were_reached_over_a_gap_are_followed_anew_once_it_is_closed(model):
    session = session_of(model)
    over_a_gap = run(session, start=10)
    expected = run(session_of(model))
    assert far(over_a_gap[12], expected[12], 1) > 1e-3
    for index, frame in run(session).items():
        same(frame, expected[index])


def test_a_prompt_ahead_clears_the_memories_around_it_when_it_is_passed(model):
    """If the policy says so: seven frames to each side, but not other prompted ones."""
    session = session_of(model, policy={"clear_around_corrections": True})
    session.add_points(10, 1, [(60, 44)], [1])
    run(session, max_frames=12)
    assert sorted(session.tracker.objects[1].bank.features) == [0, 1, 2, 10, 11]
    assert sorted(session.tracker.objects[2].bank.features) == list(range(12))


def test_an_object_without_a_prompt_is_not_followed(model):
    session = session_of(model)
    session.clear_prompts(0, 2)
    with pytest.raises(ValueError, match="object 2 has no prompt left"):
        session.propagate()
    session.add_points(4, 2, [(30, 30)], [1])
    assert run(session)[19].masks.keys() == {1, 2, 3}


@pytest.mark.parametrize("conditions", [True, False])
@pytest.mark.parametrize("frame", [0, 4])
def test_an_object_whose_prompts_were_all_taken_back_begins_anew(model, conditions, frame):
    """Nothing of what was found from a click on the wrong thing is left, wherever the next click is."""
    session = session_of(model, policy={"corrections_condition": conditions})
    run(session)
    session.clear_prompts(0, 1)
    assert 1 not in session.masks(0).masks
    assert 1 not in session.masks(7).masks
    fresh = session_of(model, policy={"corrections_condition": conditions})
    fresh.remove_object(1)
    for each in (session, fresh):
        each.add_points(frame, 1, [(30, 30)], [1])
    for how in ({"start": frame, "direction": "backward"}, {"start": 0}):
        expected = run(fresh, **how)
        for index, found in run(session, **how).items():
            assert far(found, expected[index], 1) < 1e-3


def test_a_correction_is_followed_though_the_prompt_before_it_was_taken_back(model):
    session = session_of(model, policy={"corrections_condition": False})
    run(session)
    session.add_points(10, 1, [(60, 44)], [1])
    answer = session.masks(10, return_logits=True)
    session.clear_prompts(0, 1)
    frames = run(session, direction="both")
    same(frames[10], answer)
    assert all(1 in frame.masks for frame in frames.values())


def test_a_removed_object_leaves_the_others_as_they_are(model):
    session = session_of(model)
    before = run(session)
    session.remove_object(2)
    calls = spied(session)
    after = run(session)
    assert calls == []
    assert all(far(after[index], before[index], id_) == 0 for index in after for id_ in (1, 3))
    assert after[3].masks.keys() == {1, 3}


def test_after_a_reset_all_begins_anew(model):
    session = session_of(model)
    before = run(session)
    session.reset()
    assert session.object_ids == []
    assert not session.masks(3).masks
    with pytest.raises(ValueError, match="nothing to follow"):
        session.propagate()
    point_at_three(session)
    for index, frame in run(session).items():
        same(frame, before[index])


def test_backward_is_forward_in_a_video_that_runs_backward(model):
    session = VideoSession(model, VIDEO[::-1].copy())
    point_at_three(session, NUM_FRAMES - 1)
    backward = run(session, direction="backward")
    assert list(backward) == list(range(NUM_FRAMES - 1, -1, -1))
    for index, frame in run(session_of(model)).items():
        same(backward[NUM_FRAMES - 1 - index], replace(frame, frame_index=NUM_FRAMES - 1 - index))


def test_both_ways_finds_each_object_once_on_every_frame_from_its_own_prompt(model):
    session = VideoSession(model, VIDEO)
    firsts = {1: 5, 2: 12, 3: 0}
    for id_, first in firsts.items():
        session.add_points(first, id_, [(20, 20)], [1])
    session.add_points(15, 1, [(20, 20)], [1])
    calls = spied(session)
    run(session, direction="both")
    found = sorted((id_, index, reverse) for index, ids, reverse in calls for id_ in ids)
    prompted = {*((id_, first) for id_, first in firsts.items()), (1, 15)}
    assert found == [
        (id_, index, index < firsts[id_]) for id_ in (1, 2, 3) for index in range(20) if (id_, index) not in prompted
    ]
    assert all(session.masks(index).masks.keys() == {1, 2, 3} for index in range(NUM_FRAMES))


def test_a_part_of_the_video(model):
    session = session_of(model)
    assert list(run(session, start=3, max_frames=4)) == [3, 4, 5, 6]
    assert list(run(session, start=6, max_frames=3, direction="backward")) == [6, 5, 4]
    assert [f.frame_index for f in session.propagate(start=5, max_frames=2, direction="both")] == [5, 6, 4, 3]
    assert not session.masks(12).masks


# Streams


def prompts_on(session: VideoSession, index: int) -> None:
    """A person who has something to say now and then: corrections, of a prompted frame too, and a new object."""
    if index == 0:
        point_at_three(session)
    if index == 7:
        session.add_points(7, 4, [(30, 30)], [1])
    if index == 12:
        session.add_points(12, 1, [(60, 44)], [1])
        session.add_points(12, 1, [(2, 44)], [0])
    if index == 13:
        session.add_mask(13, 2, block())
        session.add_points(13, 4, [(10, 10)], [0])


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"memory_stride": 2},
        {"corrections_condition": False, "memory_stride": 3},
        {"max_conditioning_frames": 2, "clear_around_corrections": True},
    ],
)
def test_a_stream_equals_a_whole_video(model, policy):
    policy = replace(RELEASED_POLICY, **policy)
    whole, stream = VideoSession(model, VIDEO, policy=policy), VideoSession(model, policy=policy)
    prompts_on(whole, 0)
    for frame in whole.propagate():
        index = frame.frame_index
        if index:
            prompts_on(whole, index)
        stream.step(VIDEO[index])
        prompts_on(stream, index)
        assert stream.newest_frame == index
        same(stream.masks(index, return_logits=True), whole.masks(index, return_logits=True))
    assert stream.frame_size == SIZE
    assert stream.num_frames is None


def test_in_a_video_of_fewer_than_16_frames_pointers_are_measured_by_its_length(model):
    """So it is in the original; a stream, which knows no length, measures as a long video does."""
    short, long = run(session_of(model, VIDEO[:10])), run(session_of(model))
    assert far(short[1], long[1], 1) > 1e-5
    just = run(session_of(model, VIDEO[:16]))
    same(just[15], long[15])


def test_a_stream_is_taken_from_an_iterator_as_it_comes(model):
    taken = []

    def camera():
        for index in range(NUM_FRAMES):
            taken.append(index)
            yield VIDEO[index]

    expected = run(session_of(model))
    session = VideoSession(model, camera())
    assert not session.step().masks
    assert taken == [0]
    point_at_three(session)
    for frame in session.propagate(max_frames=3, return_logits=True):
        same(frame, expected[frame.frame_index])
    assert taken == [0, 1, 2, 3]
    assert [frame.frame_index for frame in session.propagate()] == list(range(4, NUM_FRAMES))
    with pytest.raises(EOFError, match="after 20 frames"):
        session.step()
    assert np.array_equal(session.frame(19), VIDEO[19])


def num_tensors(session: VideoSession) -> int:
    return sum(
        len(known.bank.features) + len(known.bank.pointers) + len(known.results) + len(known.prompts)
        for known in session.tracker.objects.values()
    )


@pytest.mark.parametrize("stride", [1, 3])
def test_a_streams_state_does_not_grow(model, stride):
    session = VideoSession(model, policy=TrackingPolicy(memory_stride=stride))
    sizes = []
    for index in range(60):
        session.step(picture(index))
        if index == 0:
            point_at_three(session)
        sizes.append(num_tensors(session))
    assert len(set(sizes[40:])) == 1
    assert sizes[-1] <= 3 * (1 + 7 + 1 + 16 + 1)
    assert all(known.results.keys() == {59} for known in session.tracker.objects.values())
    with pytest.raises(ValueError, match=r"frame 58 is not the newest frame .* it is 59"):
        session.masks(58)


def test_a_frame_of_another_size_does_not_count(model):
    session, expected = VideoSession(model), VideoSession(model)
    for each in (session, expected):
        each.step(VIDEO[0])
        point_at_three(each)
    with pytest.raises(ValueError, match="frame 1 is 48 x 64 pixels, but those before are 64 x 48"):
        session.step(VIDEO[1].transpose(1, 0, 2))
    assert session.newest_frame == 0
    same(session.step(VIDEO[1], return_logits=True), expected.step(VIDEO[1], return_logits=True))


@pytest.mark.parametrize("failing", ["encode_image", "encode_memory"])
def test_a_frame_that_cannot_be_worked_on_does_not_count(model, monkeypatch, failing):
    """Where memory ran out, or the user interrupted: the same frame, or another, can be given again."""
    session, expected = VideoSession(model), VideoSession(model)
    for each in (session, expected):
        each.step(VIDEO[0])
        point_at_three(each)

    def fail(*given):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(model, failing, fail)
        with pytest.raises(KeyboardInterrupt):
            session.step(VIDEO[5])
    assert session.newest_frame == 0
    assert np.array_equal(session.frame(0), VIDEO[0])
    same(session.masks(0, return_logits=True), expected.masks(0, return_logits=True))
    for each in (session, expected):
        each.add_points(0, 1, [(1, 1)], [0])
    same(session.step(VIDEO[1], return_logits=True), expected.step(VIDEO[1], return_logits=True))


def test_the_newest_frame_is_kept_though_its_array_is_used_again(model):
    buffer = VIDEO[0].copy()
    session = VideoSession(model)
    session.step(buffer)
    buffer[:] = 0
    assert np.array_equal(session.frame(0), VIDEO[0])


def test_a_stream_whose_objects_were_all_taken_back_goes_on(model):
    session = VideoSession(model)
    session.step(VIDEO[0])
    point_at_three(session)
    session.clear_prompts(0, 1)
    assert session.step(VIDEO[1]).masks.keys() == {2, 3}
    session.reset()
    assert not session.step(VIDEO[2]).masks
    session.add_points(2, 1, [(20, 20)], [1])
    assert session.step(VIDEO[3]).masks.keys() == {1}


def test_a_correction_that_is_taken_back_in_a_stream_leaves_no_trace(model):
    session, expected = VideoSession(model), VideoSession(model)
    for index in range(4):
        for each in (session, expected):
            each.step(VIDEO[index])
            prompts_on(each, index)
        if index == 2:
            session.add_points(2, 1, [(60, 44)], [1])
            session.clear_prompts(2, 1)
        same(session.masks(index, return_logits=True), expected.masks(index, return_logits=True))


# How a session works


@pytest.mark.parametrize("place", ["cpu", "folder"])
def test_where_state_is_kept_changes_no_number(model, tmp_path, place):
    expected = run(session_of(model))
    session = session_of(model, state=tmp_path if place == "folder" else place)
    for index, frame in run(session).items():
        same(frame, expected[index])
    session.add_points(10, 1, [(60, 44)], [1])
    assert session.masks(10).prompted == {1}
    if place == "folder":
        assert len(list(tmp_path.rglob("*.safetensors"))) == 2 * 3 * NUM_FRAMES


@pytest.mark.parametrize(("size", "encoded"), [(1, 4), (2, 2)])
def test_a_frame_is_encoded_once_while_its_features_are_kept(model, monkeypatch, size, encoded):
    calls = []
    encode = model.encode_image
    monkeypatch.setattr(model, "encode_image", lambda pixels: calls.append(1) or encode(pixels))
    session = VideoSession(model, VIDEO, options=SessionOptions(feature_cache_size=size))
    for frame in (0, 0, 1, 1, 0, 1):
        session.add_points(frame, 1, [(20, 20)], [1])
    assert len(calls) == encoded


def test_all_objects_of_a_frame_go_through_memory_together(model, monkeypatch):
    session = session_of(model)
    batches = []
    encode = model.encode_memory
    monkeypatch.setattr(
        model, "encode_memory", lambda e, mask, *more: batches.append(len(mask)) or encode(e, mask, *more)
    )
    run(session, start=1, max_frames=4)
    assert batches == [3, 3, 3, 3]


def test_half_precision(model):
    half = copy.deepcopy(model).to(torch.bfloat16)
    session = session_of(half)
    session.add_mask(3, 4, block())
    frames = run(session)
    assert frames[0].logits is not None
    assert frames[19].masks.keys() == {1, 2, 3, 4}
    expected = session_of(model).masks(0)
    for id_ in (1, 2, 3):
        assert (frames[0].masks[id_] == expected.masks[id_]).mean() > 0.9
        assert np.isfinite(frames[0].logits[id_]).all()
        assert frames[0].logits[id_].dtype == np.float32


def test_another_image_size_than_the_models_own(model):
    larger = Sam2(model.config.with_image_size(128)).eval()
    larger.load_state_dict(model.state_dict())
    session = session_of(larger)
    before = run(session)
    assert before[19].masks[1].shape == SIZE
    assert session.tracker.objects[1].results[19].logits.load().shape == (1, 32, 32)
    assert (session.add_mask(4, 1, block()).masks[1] == block()).mean() > 0.97
    stream = VideoSession(larger)
    for index in range(NUM_FRAMES):
        stream.step(VIDEO[index])
        if index == 0:
            point_at_three(stream)
    same(stream.masks(19, return_logits=True), before[19])


class Damaged:
    """A video one frame of which cannot be read at first."""

    frame_size = SIZE

    def __init__(self):
        self.damaged = True
        self.closed = False

    def __len__(self):
        return NUM_FRAMES

    def __getitem__(self, index):
        if index == 5 and self.damaged:
            raise ValueError("frame 5 cannot be read")
        return VIDEO[index]

    def close(self):
        self.closed = True


def test_a_frame_that_cannot_be_read_leaves_what_was_found(model):
    expected = run(session_of(model))
    video = Damaged()
    session = session_of(model, video)
    found = []
    with pytest.raises(ValueError, match="frame 5 cannot be read"):
        found.extend(session.propagate())
    assert [frame.frame_index for frame in found] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="frame 5 cannot be read"):
        session.add_points(5, 1, [(3, 3)], [1])
    same(session.masks(4, return_logits=True), expected[4])
    assert not session.masks(5).masks
    video.damaged = False
    calls = spied(session)
    for index, frame in run(session).items():
        same(frame, expected[index])
    assert [index for index, _, _ in calls] == list(range(5, NUM_FRAMES))


def test_a_frame_of_a_stream_that_cannot_be_read_does_not_count(model, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    session = VideoSession(model, iter([VIDEO[0], tmp_path / "broken.png", VIDEO[1]]))
    session.step()
    point_at_three(session)
    with pytest.raises(ValueError, match="cannot be read"):
        list(session.propagate())
    assert session.newest_frame == 0
    assert session.masks(0).masks.keys() == {1, 2, 3}
    expected = run(session_of(model), max_frames=2)
    (frame,) = session.propagate(return_logits=True)
    same(frame, expected[1])


def test_a_session_lets_go_of_its_video(model):
    video = Damaged()
    with VideoSession(model, video) as session:
        session.add_points(0, 1, [(20, 20)], [1])
        assert not video.closed
    assert video.closed
    assert session.masks(0).masks.keys() == {1}


# What is refused


@pytest.mark.parametrize("frame", [-1, NUM_FRAMES])
def test_frames_that_are_not_there(model, frame):
    session = session_of(model)
    for ask in (session.frame, session.masks, lambda f: session.add_points(f, 1, [(1, 1)], [1])):
        with pytest.raises(ValueError, match=f"no frame {frame}: the video has frames 0 to 19"):
            ask(frame)
    with pytest.raises(ValueError, match=f"no frame {frame} to start from"):
        session.propagate(start=frame)


def test_numbers_of_any_library_are_indices_and_ids(model):
    session, expected = VideoSession(model, VIDEO), VideoSession(model, VIDEO)
    for one, zero in ((np.int64(1), np.uint8(0)), (torch.tensor(1), torch.tensor(0))):
        session.add_points(zero, one, [(20, 20)], [1])
        session.add_points(zero, one, [(50, 40)], [0])
        expected.add_points(0, 1, [(20, 20)], [1])
        expected.add_points(0, 1, [(50, 40)], [0])
        same(session.masks(zero, return_logits=True), expected.masks(0, return_logits=True))
        assert type(session.masks(zero).frame_index) is int
        assert [type(id_) for id_ in session.object_ids] == [int]
        for each in (session, expected):
            each.clear_prompts(zero, one)
            each.remove_object(one)


def test_other_things_are_no_indices_and_no_ids(model):
    session = session_of(model)
    with pytest.raises(TypeError, match="object_id is 'dog', but it must be a whole number"):
        session.add_points(0, "dog", [(1, 1)], [1])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"object_id is 1\.5"):
        session.remove_object(1.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"frame_index is 0\.0, but it must be a whole number"):
        session.masks(0.0)  # type: ignore[arg-type]
    assert session.object_ids == [1, 2, 3]


def test_objects_that_are_not_there(model):
    session = session_of(model)
    for ask in (lambda: session.remove_object(7), lambda: session.clear_prompts(0, 7)):
        with pytest.raises(ValueError, match=r"no object 7; the objects are \[1, 2, 3\]"):
            ask()
    with pytest.raises(ValueError, match=r"object 1 has no prompt on frame 3; it has on \[0\]"):
        session.clear_prompts(3, 1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "empty prompt"),
        ({"points": [(1, 1)]}, "without labels"),
        ({"points": [(1, 1)], "labels": [9]}, "mean nothing"),
        ({"points": [(65, 1)], "labels": [1]}, "outside the frame"),
        ({"box": (70, 1, 80, 9)}, "outside the frame"),
    ],
)
def test_a_prompt_that_makes_no_sense_changes_nothing(model, wrong, message):
    session = session_of(model)
    before = results_of(session, 1)
    for id_ in (1, 8):
        with pytest.raises(ValueError, match=message):
            session.add_points(0, id_, **wrong)
    with pytest.raises(ValueError, match="fits nothing"):
        session.add_mask(0, 8, np.zeros((3, 3), bool))
    assert session.object_ids == [1, 2, 3]
    assert results_of(session, 1) == before


def test_nothing_to_follow(model):
    with pytest.raises(ValueError, match="point at an object first"):
        VideoSession(model, VIDEO).propagate()
    with pytest.raises(ValueError, match="'left'"):
        session_of(model).propagate(direction="left")  # type: ignore[arg-type]


def test_streams_and_videos_are_followed_each_in_their_way(model):
    pushed, pulled = VideoSession(model), VideoSession(model, iter(VIDEO))
    with pytest.raises(ValueError, match="step is for streams"):
        session_of(model).step(VIDEO[0])
    with pytest.raises(ValueError, match="give step a frame"):
        pushed.step()
    with pytest.raises(ValueError, match="call step without one"):
        pulled.step(VIDEO[0])
    with pytest.raises(ValueError, match="call step with each"):
        pushed.propagate()
    with pytest.raises(ValueError, match="without start and direction"):
        pulled.propagate(start=0)
    with pytest.raises(ValueError, match="without start and direction"):
        pulled.propagate(direction="both")
    with pytest.raises(ValueError, match="max_frames is 0"):
        pulled.propagate(max_frames=0)
    with pytest.raises(ValueError, match="none has come yet: call step first"):
        pushed.add_points(0, 1, [(1, 1)], [1])


@pytest.mark.parametrize(
    ("options", "message"), [({"feature_cache_size": 0}, "at least one frame"), ({"state": "disk"}, "'disk'")]
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        SessionOptions(**options)


def test_a_place_for_state_that_cannot_be_made_opens_no_video(model, tmp_path, monkeypatch):
    monkeypatch.setattr("masklet.predictors.video.open_video", None)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        VideoSession(model, VIDEO, options=SessionOptions(state=tmp_path / "file"))
