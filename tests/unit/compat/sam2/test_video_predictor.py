"""The original's video predictor: signatures, shapes, errors, and what becomes of prompts."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
import torch

from masklet.compat.sam2 import (
    SAM2VideoPredictor,
    build_sam2_video_predictor,
    build_sam2_video_predictor_hf,
)
from masklet.ops.multimask import RELEASED_STABILITY

CLICK = {"points": [[20, 15]], "labels": [1]}
OTHER_CLICK = {"points": [[40, 30], [5, 5]], "labels": [1, 0]}
ABSENT = -1024.0

SIGNATURES = {
    "init_state": {
        "video_path": ...,
        "offload_video_to_cpu": False,
        "offload_state_to_cpu": False,
        "async_loading_frames": False,
    },
    "add_new_points_or_box": {
        "inference_state": ...,
        "frame_idx": ...,
        "obj_id": ...,
        "points": None,
        "labels": None,
        "clear_old_points": True,
        "normalize_coords": True,
        "box": None,
    },
    "add_new_mask": {"inference_state": ..., "frame_idx": ..., "obj_id": ..., "mask": ...},
    "propagate_in_video_preflight": {"inference_state": ...},
    "propagate_in_video": {
        "inference_state": ...,
        "start_frame_idx": None,
        "max_frame_num_to_track": None,
        "reverse": False,
    },
    "clear_all_prompts_in_frame": {"inference_state": ..., "frame_idx": ..., "obj_id": ..., "need_output": True},
    "reset_state": {"inference_state": ...},
    "remove_object": {"inference_state": ..., "obj_id": ..., "strict": False, "need_output": True},
}


@pytest.fixture
def state(predictor, frames):
    return predictor.init_state(frames)


def track(predictor, state, **kwargs) -> dict[int, torch.Tensor]:
    return {frame: masks for frame, _, masks in predictor.propagate_in_video(state, **kwargs)}


def same(first: dict[int, torch.Tensor], second: dict[int, torch.Tensor]) -> bool:
    assert first.keys() == second.keys()
    return all(torch.allclose(first[frame], second[frame], atol=1e-4) for frame in first)


def known(state, obj_id):
    return state["tracker"].objects[obj_id]


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_the_originals(name):
    parameters = list(inspect.signature(getattr(SAM2VideoPredictor, name)).parameters.values())[1:]
    found = {p.name: ... if p.default is inspect.Parameter.empty else p.default for p in parameters}
    assert found == SIGNATURES[name]
    assert list(found) == list(SIGNATURES[name])


def test_builders_have_the_originals_signatures():
    parameters = inspect.signature(build_sam2_video_predictor).parameters
    assert list(parameters) == [
        "config_file",
        "ckpt_path",
        "device",
        "mode",
        "hydra_overrides_extra",
        "apply_postprocessing",
        "vos_optimized",
        "kwargs",
    ]
    assert list(inspect.signature(build_sam2_video_predictor_hf).parameters) == ["model_id", "kwargs"]
    assert list(inspect.signature(SAM2VideoPredictor.from_pretrained).parameters) == ["model_id", "kwargs"]


def test_the_state(predictor, frames):
    state = predictor.init_state(frames, async_loading_frames=True)
    assert (state["num_frames"], state["video_height"], state["video_width"]) == frames.shape[:3]
    assert len(state["images"]) == len(frames)
    assert state["device"] == state["storage_device"] == torch.device("cpu")
    assert not state["offload_video_to_cpu"]
    assert not state["offload_state_to_cpu"]
    assert state["obj_ids"] == []


def test_outputs_are_logits_of_all_objects_at_the_videos_size(predictor, state):
    frame, ids, masks = predictor.add_new_points_or_box(state, 2, "dog", **CLICK)
    assert (frame, ids) == (2, ["dog"])
    assert masks.shape == (1, 1, 40, 56)
    assert masks.dtype == torch.float32
    assert not masks.requires_grad
    _, ids, both = predictor.add_new_points_or_box(state, 2, 7, box=[5, 5, 30, 30])
    assert ids == ["dog", 7]
    assert torch.equal(both[:1], masks)
    for _, ids, masks in predictor.propagate_in_video(state):
        assert ids == ["dog", 7]
        assert masks.shape == (2, 1, 40, 56)
        assert masks.dtype == torch.float32


def test_objects_of_which_nothing_is_known_on_a_frame_are_absent_there(predictor, state):
    predictor.add_new_points_or_box(state, 0, 1, **CLICK)
    masks = predictor.add_new_points_or_box(state, 3, 2, **CLICK)[2]
    torch.testing.assert_close(masks[0], torch.full_like(masks[0], ABSENT))
    assert (masks[1] > ABSENT / 2).all()


def test_old_lists_of_ids_stay_and_a_reset_empties_the_present_one(predictor, state):
    first = predictor.add_new_points_or_box(state, 0, 1, **CLICK)[1]
    second = predictor.add_new_points_or_box(state, 0, 2, **CLICK)[1]
    assert (first, second) == ([1], [1, 2])
    assert second is state["obj_ids"]
    assert next(predictor.propagate_in_video(state))[1] is second
    assert predictor.remove_object(state, 1)[0] == [2]
    assert second == [1, 2]
    left = state["obj_ids"]
    predictor.reset_state(state)
    assert left == []
    assert left is state["obj_ids"]


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({}, [2, 3, 4, 5, 6, 7]),
        ({"start_frame_idx": 0}, [0, 1, 2, 3, 4, 5, 6, 7]),
        ({"max_frame_num_to_track": 0}, [2]),
        ({"max_frame_num_to_track": 2}, [2, 3, 4]),
        ({"start_frame_idx": 6, "max_frame_num_to_track": 9}, [6, 7]),
        ({"start_frame_idx": 8}, []),
        ({"reverse": True}, [2, 1, 0]),
        ({"reverse": True, "start_frame_idx": 5, "max_frame_num_to_track": 2}, [5, 4, 3]),
        ({"reverse": True, "start_frame_idx": 0}, []),
    ],
)
def test_which_frames_propagation_yields(kwargs, expected, predictor, state):
    predictor.add_new_points_or_box(state, 4, 1, **CLICK)
    predictor.add_new_points_or_box(state, 2, 2, **CLICK)
    assert list(track(predictor, state, **kwargs)) == expected


def test_a_video_of_one_frame(predictor, frames):
    state = predictor.init_state(frames[:1])
    clicked = predictor.add_new_points_or_box(state, 0, 1, **CLICK)[2]
    assert torch.equal(track(predictor, state)[0], clicked)
    assert predictor.add_new_points_or_box(state, 0, 1, **CLICK)[2].isfinite().all()


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ({"points": [[1, 2]]}, "given together"),
        ({"box": [0, 0, 5, 5], "clear_old_points": False}, "clear_old_points=True"),
    ],
)
def test_wrong_prompts_are_named_and_leave_nothing_behind(prompt, message, predictor, state):
    with pytest.raises(ValueError, match=message):
        predictor.add_new_points_or_box(state, 0, 1, **prompt)
    assert state["obj_ids"] == []
    assert not state["tracker"].objects


def test_frames_that_are_not_there(predictor, state):
    for frame in (-1, 8):
        with pytest.raises(ValueError, match=f"no frame {frame}: the video has frames 0 to 7"):
            predictor.add_new_points_or_box(state, frame, 1, **CLICK)
        with pytest.raises(ValueError, match=f"no frame {frame}"):
            predictor.add_new_mask(state, frame, 1, np.ones((40, 56), bool))
    predictor.add_new_points_or_box(state, 0, 1, **CLICK)
    with pytest.raises(ValueError, match="no frame 8"):
        predictor.clear_all_prompts_in_frame(state, 8, 1)
    with pytest.raises(ValueError, match="no frame -1"):
        track(predictor, state, start_frame_idx=-1)
    with pytest.raises(ValueError, match="no frame 8"):
        track(predictor, state, start_frame_idx=8, reverse=True)


def test_a_mask_of_more_axes_is_an_assertion_as_in_the_original(predictor, state):
    with pytest.raises(AssertionError, match=r"\(1, 40, 56\)"):
        predictor.add_new_mask(state, 0, 1, np.ones((1, 40, 56), bool))


def test_nothing_to_propagate(predictor, state):
    with pytest.raises(RuntimeError, match="no object has points, a box or a mask"):
        track(predictor, state)
    predictor.add_new_points_or_box(state, 0, 1, **CLICK)
    predictor.add_new_points_or_box(state, 1, 2, **CLICK)
    predictor.clear_all_prompts_in_frame(state, 1, 2)
    with pytest.raises(RuntimeError, match="object 2 has no points"):
        track(predictor, state)


def test_coordinates_from_0_to_1(predictor, frames):
    points, box = np.array([[20.0, 15.0], [5.0, 5.0]]), np.array([4.0, 4.0, 30.0, 30.0])
    found = []
    for scale, normalize in ((1, True), ([56, 40], False)):
        prompt = {"points": points / scale, "labels": [1, 0], "box": (box.reshape(2, 2) / scale).ravel()}
        state = predictor.init_state(frames)
        found.append(predictor.add_new_points_or_box(state, 0, 1, **prompt, normalize_coords=normalize)[2])
    torch.testing.assert_close(*found)


def test_the_deprecated_name(predictor, frames):
    first, second = predictor.init_state(frames), predictor.init_state(frames)
    ours = predictor.add_new_points(first, 0, 1, [[20, 15]], [1])
    assert torch.equal(ours[2], predictor.add_new_points_or_box(second, 0, 1, **CLICK)[2])


def test_clicks_are_replaced_or_added(predictor, state):
    predictor.add_new_points_or_box(state, 0, 1, **CLICK)
    predictor.add_new_points_or_box(state, 0, 1, **OTHER_CLICK, clear_old_points=False)
    assert known(state, 1).prompts[0].points.labels.tolist() == [[1, 1, 0]]
    predictor.add_new_points_or_box(state, 0, 1, **OTHER_CLICK)
    assert known(state, 1).prompts[0].points.labels.tolist() == [[1, 0]]
    predictor.add_new_points_or_box(state, 0, 1, **CLICK, box=[1, 2, 30, 30])
    assert known(state, 1).prompts[0].points.labels.tolist() == [[2, 3, 1]]


def test_a_second_prompt_refines_the_first_one_even_if_it_replaces_it(predictor, frames):
    state = predictor.init_state(frames)
    predictor.add_new_points_or_box(state, 0, 1, **CLICK)
    refined = predictor.add_new_points_or_box(state, 0, 1, **OTHER_CLICK)[2]
    fresh = predictor.add_new_points_or_box(predictor.init_state(frames), 0, 1, **OTHER_CLICK)[2]
    assert not torch.allclose(refined, fresh, atol=1e-3)


def test_a_mask_is_taken_as_it_is(predictor, state):
    mask = np.zeros((40, 56), bool)
    mask[8:32, 10:46] = True
    found = predictor.add_new_mask(state, 0, 1, mask)[2][0, 0]
    agree = (found > 0).numpy() == mask
    assert agree.mean() > 0.95
    assert found.abs().max() == pytest.approx(10)
    assert torch.equal(predictor.add_new_mask(state, 0, 2, torch.from_numpy(mask))[2][1, 0], found)


def test_clearing_prompts_and_prompting_again(predictor, state):
    predictor.add_new_points_or_box(state, 0, 1, **CLICK)
    predictor.add_new_points_or_box(state, 2, 1, **CLICK)
    track(predictor, state)
    assert predictor.clear_all_prompts_in_frame(state, 2, 1, need_output=False) is None
    assert known(state, 1).bank.conditioning == {0}
    assert 2 in known(state, 1).bank.features, "what was found there is an ordinary memory now"
    frame, ids, masks = predictor.clear_all_prompts_in_frame(state, 0, 1)
    assert (frame, ids, masks.shape) == (0, [1], (1, 1, 40, 56))
    with pytest.raises(RuntimeError, match="object 1 has no points"):
        track(predictor, state)
    # Frame 5 was tracked, but an object without prompts has nothing to correct.
    predictor.add_new_points_or_box(state, 5, 1, **CLICK)
    track(predictor, state)
    assert known(state, 1).bank.conditioning == {5}
    with pytest.raises(ValueError, match=r"no object 9; the objects are \[1\]"):
        predictor.clear_all_prompts_in_frame(state, 0, 9)
    assert state["obj_ids"] == [1]


def test_removing_objects(predictor, state):
    for obj_id, frame in (("a", 0), ("b", 1), ("c", 3)):
        predictor.add_new_points_or_box(state, frame, obj_id, **CLICK)
    predictor.add_new_points_or_box(state, 3, "b", **CLICK)
    before = track(predictor, state)
    ids, updated = predictor.remove_object(state, "b")
    assert ids == ["a", "c"]
    assert [frame for frame, _ in updated] == [1, 3]
    for frame, masks in updated:
        assert torch.equal(masks, before[frame][[0, 2]])
    assert same({f: m[[0, 2]] for f, m in before.items()}, track(predictor, state))
    assert predictor.remove_object(state, "b") == (["a", "c"], [])
    with pytest.raises(RuntimeError, match=r"no object 'b' to remove; the objects are \['a', 'c'\]"):
        predictor.remove_object(state, "b", strict=True)
    assert predictor.remove_object(state, "a", need_output=False) == (["c"], [])
    assert predictor.remove_object(state, "c") == ([], [])
    predictor.add_new_points_or_box(state, 0, "c", **CLICK)


def test_objects_that_come_and_go_while_others_are_followed(predictor, state):
    predictor.add_new_points_or_box(state, 0, 1, **CLICK)
    predictor.add_new_points_or_box(state, 0, 2, **CLICK)
    seen = []
    for frame, ids, masks in predictor.propagate_in_video(state):
        seen.append((list(ids), len(masks)))
        if frame == 1:
            predictor.add_new_points_or_box(state, 4, 3, **CLICK)
        if frame == 2:
            predictor.remove_object(state, 1)
        if frame == 4:
            predictor.reset_state(state)
    assert seen == [([1, 2], 2)] * 3 + [([2], 1)] * 2


def test_corrections_of_a_tracked_frame(predictor, state):
    predictor.add_new_points_or_box(state, 0, 1, **CLICK)
    before = track(predictor, state)
    corrected = predictor.add_new_points_or_box(state, 4, 1, **OTHER_CLICK)[2]
    assert not torch.allclose(corrected, before[4], atol=1e-3)
    # As in the original, by default a correction is an ordinary memory, and tracking over its frame takes its place.
    assert same(before, track(predictor, state))
    assert known(state, 1).bank.conditioning == {0}
    predictor.add_new_points_or_box(state, 4, 1, **OTHER_CLICK)
    after = track(predictor, state, start_frame_idx=5)
    assert not torch.allclose(after[5], before[5], atol=1e-4)

    predictor.add_all_frames_to_correct_as_cond = True
    corrected = predictor.add_new_points_or_box(state, 4, 1, **OTHER_CLICK)[2]
    after = track(predictor, state)
    assert torch.allclose(after[4], corrected, atol=1e-4)
    assert known(state, 1).bank.conditioning == {0, 4}


def test_a_waiting_correction_is_shown_whatever_the_question(predictor, state):
    predictor.add_new_points_or_box(state, 0, 1, **CLICK)
    track(predictor, state)
    corrected = predictor.add_new_points_or_box(state, 4, 1, **OTHER_CLICK)[2]
    # Object 2 is prompted there for the first time: its answer is of the other kind.
    both = predictor.add_new_points_or_box(state, 4, 2, **CLICK)[2]
    assert torch.equal(both[0], corrected[0])


def test_state_on_the_cpu_is_there_and_changes_nothing(predictor, frames):
    here, away = predictor.init_state(frames), predictor.init_state(frames, offload_state_to_cpu=True)
    assert away["storage_device"] == torch.device("cpu")
    for state in (here, away):
        predictor.add_new_points_or_box(state, 0, 1, **CLICK)
    assert same(track(predictor, here), track(predictor, away))


def test_memories_are_kept_on_the_storage_device(predictor, state, monkeypatch):
    """With a device that the tensors are seen to go to, as there may be only one here."""
    asked = []
    to = torch.Tensor.to

    def spy(tensor, *args, **kwargs):
        if args and args[0] == torch.device("meta"):
            asked.append(tuple(tensor.shape))
            return tensor
        return to(tensor, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "to", spy)
    state["tracker"].keep = type(state["tracker"].keep)(torch.device("meta"))
    predictor.add_new_points_or_box(state, 0, 1, **CLICK)
    track(predictor, state, max_frame_num_to_track=1)
    assert asked == [(16, 16), (1, 16, 16)] * 2, "memory features and logits, of two frames"


def test_frames_before_the_first_prompt(predictor, state):
    """They have maps to look at, but no pointer: in float32 the original fails there."""
    predictor.add_new_points_or_box(state, 3, 1, **CLICK)
    masks = track(predictor, state, start_frame_idx=0)
    assert list(masks) == list(range(8))
    assert all(m.isfinite().all() and (m > ABSENT / 2).all() for m in masks.values())


def test_clearing_memory_around_prompts(predictor, state):
    """An option with which the original fails."""
    predictor.clear_non_cond_mem_around_input = True
    predictor.add_all_frames_to_correct_as_cond = True
    predictor.add_new_points_or_box(state, 0, 1, **CLICK)
    predictor.add_new_points_or_box(state, 0, 2, **CLICK)
    track(predictor, state)
    assert set(known(state, 1).bank.features) == set(range(8))
    predictor.add_new_points_or_box(state, 7, 1, **CLICK)
    predictor.propagate_in_video_preflight(state)
    # Frames 0 to 14 are near, but those that prompts have made conditioning stay.
    assert set(known(state, 1).bank.features) == {0, 7}
    assert set(known(state, 1).results) == {0, 7}
    assert set(known(state, 2).bank.features) == set(known(state, 2).results) == set(range(8))
    assert len(track(predictor, state)) == 8


def test_the_direction_of_one_object_is_not_that_of_another(predictor, frames):
    together, alone = predictor.init_state(frames), predictor.init_state(frames)
    for state in (together, alone):
        predictor.add_new_points_or_box(state, 5, 1, **CLICK)
        track(predictor, state, reverse=True)
    predictor.add_new_points_or_box(together, 0, 2, **CLICK)
    assert known(together, 1).reverse == dict.fromkeys(range(6), True)
    assert known(together, 2).reverse == {}
    for state in (together, alone):
        predictor.add_new_points_or_box(state, 3, 1, **OTHER_CLICK)
    first, second = (predictor.add_new_points_or_box(s, 2, 1, **OTHER_CLICK)[2][0] for s in (together, alone))
    assert torch.equal(first, second)


def test_a_prompted_object_does_not_change_the_memories_of_others(predictor, frames):
    predictor.binarize_mask_from_pts_for_mem_enc = True
    together, alone = predictor.init_state(frames), predictor.init_state(frames)
    for state in (together, alone):
        predictor.add_new_points_or_box(state, 0, 1, **CLICK)
    predictor.add_new_points_or_box(together, 2, 2, **CLICK)
    first, second = track(predictor, together), track(predictor, alone)
    assert same({frame: masks[:1] for frame, masks in first.items()}, second)
    for frame, kept in known(alone, 1).bank.features.items():
        torch.testing.assert_close(known(together, 1).bank.features[frame].load(), kept.load())


def test_binary_memories_are_of_prompted_frames(predictor, frames):
    states = []
    for binary in (False, True):
        predictor.binarize_mask_from_pts_for_mem_enc = binary
        state = predictor.init_state(frames)
        predictor.add_new_points_or_box(state, 0, 1, **CLICK)
        predictor.propagate_in_video_preflight(state)
        states.append(known(state, 1).bank.features[0].load())
    assert not torch.equal(*states)
    predictor.train()
    state = predictor.init_state(frames)
    predictor.add_new_points_or_box(state, 0, 1, **CLICK)
    predictor.propagate_in_video_preflight(state)
    assert torch.equal(known(state, 1).bank.features[0].load(), states[0]), "not in training mode, as in the original"


def test_switches_can_be_changed_after_building(predictor, state):
    predictor.add_new_points_or_box(state, 0, 1, **CLICK)
    plain = predictor.add_new_points_or_box(state, 0, 2, points=[[21, 15]], labels=[1])[2]
    predictor.non_overlap_masks = True
    apart = predictor.add_new_points_or_box(state, 0, 2, points=[[21, 15]], labels=[1])[2]
    assert (apart > 0).sum(0).max() == 1
    assert (plain > 0).sum(0).max() == 2
    torch.testing.assert_close(predictor._apply_non_overlapping_constraints(apart), apart)

    predictor.fill_hole_area = 4
    predictor.memory_temporal_stride_for_eval = 2
    predictor.max_cond_frames_in_attn = 3
    track(predictor, state)
    assert state["tracker"].policy.max_hole_area == 4
    assert state["tracker"].policy.stability == RELEASED_STABILITY
    policy = known(state, 1).bank.policy
    assert (policy.stride, policy.max_conditioning_frames) == (2, 3)


def test_holes_are_filled(predictor, frames, monkeypatch):
    def found(area):
        predictor.fill_hole_area = area
        return predictor.add_new_points_or_box(predictor.init_state(frames), 0, 1, **CLICK)[2]

    whole, filled = found(0), found(10_000)
    assert (whole <= 0).any()
    assert (filled > 0).all()


def test_reset_and_start_over(predictor, frames):
    used, fresh = predictor.init_state(frames), predictor.init_state(frames)
    predictor.add_new_points_or_box(used, 2, 5, **CLICK)
    track(predictor, used)
    predictor.reset_state(used)
    for state in (used, fresh):
        predictor.add_new_points_or_box(state, 1, 1, **CLICK)
    assert same(track(predictor, used), track(predictor, fresh))


SMALL = ["++model.image_size=64"]


def test_the_builder_sets_what_the_original_sets():
    built = build_sam2_video_predictor("nano", device="cpu", hydra_overrides_extra=SMALL)
    assert not built.training
    assert (built.fill_hole_area, built.binarize_mask_from_pts_for_mem_enc) == (8, True)
    assert built.stability == RELEASED_STABILITY
    assert not built.add_all_frames_to_correct_as_cond
    plain = build_sam2_video_predictor(
        "nano", device="cpu", hydra_overrides_extra=SMALL, apply_postprocessing=False, mode="train"
    )
    assert plain.training
    assert (plain.fill_hole_area, plain.binarize_mask_from_pts_for_mem_enc) == (0, False)
    assert plain.stability is None


def test_the_builder_takes_the_predictors_fields():
    overrides = [
        *SMALL,
        "++model.fill_hole_area=0",
        "++model.non_overlap_masks=true",
        "++model.clear_non_cond_mem_around_input=true",
        "++model.add_all_frames_to_correct_as_cond=true",
        "++model.memory_temporal_stride_for_eval=3",
        "++model.max_cond_frames_in_attn=4",
    ]
    built = build_sam2_video_predictor("nano", device="cpu", hydra_overrides_extra=overrides)
    assert built.fill_hole_area == 0
    assert built.non_overlap_masks
    assert built.clear_non_cond_mem_around_input
    assert built.add_all_frames_to_correct_as_cond
    assert (built.memory_temporal_stride_for_eval, built.max_cond_frames_in_attn) == (3, 4)


def test_unknown_hub_ids():
    for make in (build_sam2_video_predictor_hf, SAM2VideoPredictor.from_pretrained):
        with pytest.raises(ValueError, match="facebook/sam2-hiera-tiny"):
            make("facebook/sam3")


OPTIMIZED = """
import sys
import numpy as np
import torch
from masklet.compat.sam2 import build_sam2_video_predictor

frames = np.random.default_rng(0).integers(0, 256, (20, 40, 56, 3), dtype=np.uint8)
counters = torch._dynamo.utils.counters

def follow(optimized):
    torch.manual_seed(0)
    predictor = build_sam2_video_predictor(
        "sam2.1_hiera_tiny", sys.argv[1], device="cpu", hydra_overrides_extra=["++model.image_size=64"],
        vos_optimized=optimized,
    )
    state = predictor.init_state(frames)
    found, graphs = [predictor.add_new_points_or_box(state, 0, 1, points=[[20, 15]], labels=[1])[2]], []
    for _ in range(2):
        for _, _, masks in predictor.propagate_in_video(state):
            found.append(masks)
            graphs.append(counters["stats"]["unique_graphs"])
        predictor.add_new_mask(state, 3, 2, np.ones((40, 56), bool))
    for _, _, masks in predictor.propagate_in_video(state, start_frame_idx=8, max_frame_num_to_track=2):
        found.append(masks)
    return found, graphs

plain, none = follow(False)
assert not any(none)
optimized, graphs = follow(True)
for a, b in zip(plain, optimized, strict=True):
    union = ((a > 0) | (b > 0)).sum()
    assert ((a > 0) & (b > 0)).sum() >= 0.999 * union, (a - b).abs().max()
assert any((a > 0).any() for a in plain)
assert graphs[2] > 0
assert len(set(graphs[2:20])) == 1, ("a program for each length of memory", graphs)
assert len(set(graphs[24:])) == 1, ("with two objects", graphs)
assert not counters["graph_break"], counters["graph_break"]
"""


@pytest.mark.slow
def test_the_optimized_predictor_gives_the_same_masks_and_is_compiled_once(standin):
    # In a process of its own: the compiler cannot trace the checks of shapes that the tests run with.
    path = standin("sam2.1_hiera_tiny")
    done = subprocess.run([sys.executable, "-c", OPTIMIZED, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
