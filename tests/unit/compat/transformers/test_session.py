"""Sessions: objects and their inputs, frames of videos and streams, caches, outputs that go in and come out."""

import pytest
import torch

from masklet.compat.transformers.session import OUTPUT_KEYS, FeatureCache, NotInSession, Sam2VideoInferenceSession
from masklet.types import ImageFeatures

FRAMES = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 8, 8)
CLICK = {"point_coords": torch.zeros(1, 1, 1, 2), "point_labels": torch.ones(1, 1, 1, dtype=torch.int32)}


@pytest.fixture
def session() -> Sam2VideoInferenceSession:
    return Sam2VideoInferenceSession(FRAMES, 30, 50)


def features(number: float) -> ImageFeatures:
    return ImageFeatures(*(torch.full((1, 2, 2, 2), number) for _ in range(3)), ((8, 8),))


def test_objects_have_ids_of_any_kind_and_indices_in_their_order(session):
    assert [session.obj_id_to_idx(obj_id) for obj_id in (7, -3, 7, 0)] == [0, 1, 0, 2]
    assert session.obj_ids == [7, -3, 0]
    assert [session.obj_idx_to_id(index) for index in range(3)] == [7, -3, 0]
    assert session.get_obj_num() == 3


@pytest.mark.parametrize("kind", [KeyError, ValueError])
def test_what_is_not_in_the_session_is_named(kind, session):
    session.obj_id_to_idx(7)
    with pytest.raises(kind, match=r"no object of index 3: the session has 1 objects, of ids \[7\]"):
        session.add_point_inputs(3, 0, CLICK)
    with pytest.raises(kind, match="no object of index 1"):
        session.remove_mask_inputs(1, 0)
    with pytest.raises(kind, match=r"no object 9: the ids of the session's objects are \[7\]"):
        session.obj_with_new_inputs = [9]
    with pytest.raises(kind, match="no frame 4: the session has frames 0 to 3"):
        session.get_frame(4)
    with pytest.raises(kind, match="frame 4 cannot be prompted"):
        session.add_mask_inputs(0, 4, torch.ones(1, 1, 8, 8))
    with pytest.raises(kind, match="no frame 0: the session has no frames yet"):
        Sam2VideoInferenceSession(dtype=torch.float32).get_frame(0)
    with pytest.raises(kind, match="no output 'high_res_masks'"):
        session.get_output(0, 0, "high_res_masks")


def test_inputs_are_new_until_they_are_taken_back(session):
    a, b = session.obj_id_to_idx(5), session.obj_id_to_idx(6)
    session.add_point_inputs(a, 1, CLICK)
    session.add_mask_inputs(b, 2, torch.ones(1, 1, 8, 8))
    assert session.obj_with_new_inputs == [5, 6]
    assert session.unanswered == {(1, a), (2, b)}
    assert session.has_inputs(a, 1)
    session.add_mask_inputs(a, 1, torch.ones(1, 1, 8, 8))
    session.remove_point_inputs(a, 1)
    assert session.obj_with_new_inputs == [5, 6], "the mask is new"
    session.remove_mask_inputs(a, 1)
    session.remove_mask_inputs(a, 1)
    assert session.obj_with_new_inputs == [6]
    session.unanswered.clear()
    session.obj_with_new_inputs = [6]
    assert session.unanswered == {(2, b)}


def test_frames_are_kept_in_the_dtype_that_is_asked_for(session):
    assert session.num_frames == 4
    assert torch.equal(session.get_frame(2), FRAMES[2])
    for dtype in (torch.bfloat16, "bfloat16"):
        assert Sam2VideoInferenceSession(FRAMES, dtype=dtype).get_frame(1).dtype == torch.bfloat16


def test_frames_of_a_stream(session):
    stream = Sam2VideoInferenceSession()
    assert (stream.num_frames, stream.processed_frames) == (None, None)
    assert [stream.add_new_frame(frame) for frame in FRAMES] == [0, 1, 2, 3]
    assert stream.add_new_frame(FRAMES[:1], 7) == 7
    assert stream.get_frame(7).shape == (3, 8, 8)
    assert stream.num_frames == 8
    assert stream.add_new_frame(FRAMES[0]) == 8
    assert session.add_new_frame(FRAMES[0]) == 4, "a video can become longer"


def test_a_stream_lets_go_of_what_lies_behind():
    stream = Sam2VideoInferenceSession(max_vision_features_cache_size=9)
    index = stream.obj_id_to_idx(1)
    for number, frame in enumerate(FRAMES):
        stream.add_new_frame(frame)
        stream.add_point_inputs(index, number, CLICK)
        stream.cache.cache_vision_features(number, features(number))
    stream.add_mask_inputs(index, 9, torch.ones(1, 1, 8, 8))
    stream.forget_before(3)
    assert list(stream.processed_frames) == [3]
    assert list(stream.point_inputs_per_obj[index]) == [3]
    assert stream.unanswered == {(3, index), (9, index)}
    assert [number for number in range(4) if stream.cache.get_vision_features(number)] == [3]
    assert (stream.num_frames, stream.add_new_frame(FRAMES[0])) == (4, 4)
    with pytest.raises(NotInSession, match=r"frame 2 cannot be prompted: of the 5 frames of this stream, \[3, 4\] are"):
        stream.add_point_inputs(index, 2, CLICK)


def test_a_frame_in_the_place_of_another_needs_new_features(session):
    session.cache.cache_vision_features(2, features(2))
    session.add_new_frame(FRAMES[0], 2)
    assert session.cache.get_vision_features(2) is None
    assert torch.equal(session.get_frame(2), FRAMES[0])


def test_the_features_that_were_used_last_are_kept():
    cache = FeatureCache(2, "cpu")
    cache.cache_vision_features(5, features(5))
    cache.cache_vision_features(3, features(3))
    assert cache.get_vision_features(5).stride16[0, 0, 0, 0] == 5
    cache.cache_vision_features(1, features(1))
    assert [number for number in (1, 3, 5) if cache.get_vision_features(number)] == [1, 5]
    with pytest.raises(ValueError, match="max_vision_features_cache_size is 0"):
        Sam2VideoInferenceSession(max_vision_features_cache_size=0)


def test_resetting(session):
    for reset, kept in ((session.reset_tracking_data, True), (session.reset_inference_session, False)):
        session.add_point_inputs(session.obj_id_to_idx(4), 0, CLICK)
        session.store_output(0, 0, "object_pointer", torch.ones(1, 1, 6))
        session.cache.cache_vision_features(0, features(0))
        reset()
        assert (session.obj_ids, session.objects, session.obj_with_new_inputs, session.num_frames) == ([], {}, [], 4)
        assert (session.cache.get_vision_features(0) is not None) == kept


def test_what_is_stored_comes_out_again(session):
    index = session.obj_id_to_idx(4)
    values = {
        "pred_masks": torch.randn(1, 1, 4, 4),
        "object_pointer": torch.randn(1, 1, 6),
        "object_score_logits": torch.full((1, 1, 1), 2.5),
        "maskmem_features": torch.randn(9, 1, 3).bfloat16(),
    }
    assert set(values) == set(OUTPUT_KEYS)
    assert session.get_output(index, 1, "pred_masks") is None
    session.store_output(
        index, 1, output_value=values | {"high_res_masks": torch.zeros(1)}, is_conditioning_frame=False
    )
    for key, value in values.items():
        assert torch.equal(session.get_output(index, 1, key, is_conditioning_frame=False), value)
        assert session.get_output(index, 1, key) is None
    session.store_output(index, 1, "object_score_logits", torch.tensor(-1.0))
    assert session.get_output(index, 1, "object_score_logits").tolist() == [[[-1.0]]]
    assert torch.equal(session.get_output(index, 1, "pred_masks"), values["pred_masks"])
