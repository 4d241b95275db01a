"""`Sam2VideoProcessor`: sessions, and prompts that are brought into them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from masklet.compat.transformers.image_processor import Sam2ImageProcessor
from masklet.compat.transformers.session import Sam2VideoInferenceSession
from masklet.compat.transformers.video_processor import Sam2VideoProcessor
from masklet.compat.transformers.video_video_processor import Sam2VideoVideoProcessor

FRAMES = np.random.default_rng(0).integers(0, 256, (4, 30, 60, 3), dtype=np.uint8)
SIZE = {"height": 64, "width": 64}


@pytest.fixture
def processor() -> Sam2VideoProcessor:
    return Sam2VideoProcessor(Sam2ImageProcessor(size=SIZE), Sam2VideoVideoProcessor(size=SIZE))


@pytest.fixture
def session(processor) -> Sam2VideoInferenceSession:
    return processor.init_video_session(FRAMES)


def points(session: Sam2VideoInferenceSession, obj_id: int, frame: int = 0) -> tuple[Any, Any]:
    inputs = session.point_inputs_per_obj[session.obj_id_to_idx(obj_id)][frame]
    return inputs["point_coords"].round(decimals=3).tolist(), inputs["point_labels"].tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_session_on_a_video(dtype, processor):
    session = processor.init_video_session(
        FRAMES, inference_device="cpu", dtype=dtype, max_vision_features_cache_size=3
    )
    expected = processor.video_processor(FRAMES, return_tensors="pt").pixel_values_videos[0]
    assert (session.num_frames, session.video_height, session.video_width) == (4, 30, 60)
    assert all(torch.equal(session.get_frame(t), expected[t].to(dtype)) for t in range(4))
    assert (session.dtype, session.cache.size, session.is_stream) == (dtype, 3, False)


def test_devices(processor):
    session = processor.init_video_session(inference_device="meta", video_storage_device="cpu")
    assert session.is_stream
    assert (session.inference_device, session.inference_state_device) == ("meta", "meta")
    assert session.video_storage_device == "cpu"
    assert session.video_height is None
    session = processor.init_video_session(FRAMES, "cpu", "meta", "cpu", "meta")
    assert session.inference_state_device == "meta"
    assert session.processed_frames[0].device.type == "meta"


def test_points_are_scaled_and_ragged_ones_filled_up(processor, session):
    given = {"input_points": [[[[30, 15]], [[60, 30], [0, 0]]]], "input_labels": [[[1], [0, 1]]]}
    assert processor.add_inputs_to_inference_session(session, 0, [5, 2], **given) is session
    assert points(session, 5) == ([[[[32, 32], [-10, -10]]]], [[[1, -10]]])
    assert points(session, 2) == ([[[[64, 64], [0, 0]]]], [[[0, 1]]])
    assert session.obj_ids == session.obj_with_new_inputs == [5, 2]


def test_a_box_comes_before_points(processor, session):
    processor.add_inputs_to_inference_session(
        session, 1, 3, input_boxes=[[[0, 0, 30, 15]]], input_points=[[[[15, 15]]]], input_labels=[[[1]]]
    )
    assert points(session, 3, 1) == ([[[[0, 0], [32, 32], [16, 32]]]], [[[2, 3, 1]]])


def test_points_join_those_before_or_take_their_place(processor, session):
    for x, clear in ((15, True), (30, False), (45, True)):
        processor.add_inputs_to_inference_session(
            session, 0, 1, input_points=[[[[x, 15]]]], input_labels=[[[1]]], clear_old_inputs=clear
        )
        expected = {15: [[16, 32]], 30: [[16, 32], [32, 32]], 45: [[48, 32]]}[x]
        assert points(session, 1)[0] == [[expected]]


def test_masks_and_points_take_each_others_place(processor, session):
    mask = np.zeros((30, 60), bool)
    mask[:15, :30] = True
    for ids, masks in ((1, mask), ([1], [torch.from_numpy(mask)[None, None]]), ([1, 2], [mask, ~mask])):
        processor.add_inputs_to_inference_session(session, 0, ids, input_masks=masks)
        found = session.mask_inputs_per_obj[0][0]
        assert found.shape == (1, 1, 64, 64)
        assert torch.equal(found[0, 0].bool(), (torch.arange(64) < 32)[:, None] & (torch.arange(64) < 32))
    processor.add_inputs_to_inference_session(session, 0, 1, input_points=[[[[9, 9]]]], input_labels=[[[1]]])
    assert session.mask_inputs_per_obj[0] == {}
    processor.add_inputs_to_inference_session(session, 0, 1, input_masks=mask)
    assert session.point_inputs_per_obj[0] == {}


def test_the_size_of_a_stream(processor):
    stream = processor.init_video_session()
    given: dict[str, Any] = {"input_points": [[[[30, 15]]]], "input_labels": [[[1]]]}
    with pytest.raises(ValueError, match="original_size is needed with points or boxes before the first frame"):
        processor.add_inputs_to_inference_session(stream, 0, 1, **given)
    assert stream.obj_ids == []
    processor.add_inputs_to_inference_session(stream, 0, 1, original_size=torch.tensor([30, 60]), **given)
    assert (stream.video_height, stream.video_width) == (30, 60)
    processor.add_inputs_to_inference_session(stream, 1, 1, **given)
    assert points(stream, 1, 1) == points(stream, 1, 0) == ([[[[32, 32]]]], [[[1]]])
    processor.add_inputs_to_inference_session(stream, 1, 1, input_masks=np.ones((60, 120)), original_size=(60, 120))
    assert (stream.video_height, stream.video_width) == (60, 120)


POINTS: dict[str, Any] = {"input_points": [[[[30, 15]]]], "input_labels": [[[1]]]}


@pytest.mark.parametrize(
    ("ids", "wrong", "message"),
    [
        (1, {"input_points": [[[[1, 1]]]]}, "points and labels must be given together"),
        (1, {"input_labels": [[[1]]]}, "points and labels must be given together"),
        (1, {}, "nothing is given"),
        (1, POINTS | {"input_masks": np.ones((30, 60))}, "a mask says all"),
        (1, {"input_boxes": [[[0, 0, 9, 9]]], "clear_old_inputs": False}, "needs clear_old_inputs=True"),
        ([1, 2], POINTS, "input_points is for 1 images of 1 objects, but there are one frame and 2 object ids"),
        (1, {"input_boxes": [[[0, 0, 9, 9], [1, 1, 2, 2]]]}, "input_boxes is for 1 images of 2 objects"),
        (1, {"input_boxes": [[[0, 0, 9, 9]], [[1, 1, 2, 2]]]}, "input_boxes is for 2 images of 1 objects"),
        ([1, 2], {"input_masks": [np.ones((30, 60))]}, "2 object ids and 1 masks"),
        (1, {"input_masks": np.ones(30)}, r"a mask of one object is .*not \(30,\)"),
        (1, {"input_masks": np.ones((1, 1, 1, 30, 60))}, "a mask of one object is"),
        (1, {"input_masks": np.ones((2, 30, 60))}, "a mask of one object is"),
        ([1, 1], POINTS, r"obj_ids are \[1, 1\], but each object comes once"),
        (None, POINTS, "obj_ids are None, but must be an id or a list of ids"),
        ({1, 2}, POINTS, r"obj_ids are \{1, 2\}, but must be an id or a list of ids"),
        (1, {"input_points": [[[1, 1]]], "input_labels": [[[1]]]}, "takes 4 levels of nesting .* but 3 were given"),
        (1, POINTS | {"original_size": (30,)}, "original_size"),
    ],
)
def test_wrong_inputs_change_nothing(ids, wrong, message, processor, session):
    with pytest.raises(ValueError, match=message):
        processor.add_inputs_to_inference_session(session, 0, ids, **wrong)
    assert (session.obj_ids, session.video_height) == ([], 30)


def test_a_frame_that_is_not_there(processor, session):
    with pytest.raises(KeyError, match="frame 4 cannot be prompted: the session has frames 0 to 3"):
        processor.add_inputs_to_inference_session(session, 4, 1, **POINTS)
    assert session.obj_ids == []


def test_frames_of_a_stream_are_processed_as_images(processor):
    inputs = processor(images=FRAMES[0], device="cpu", return_tensors="pt")
    assert inputs.pixel_values.shape == (1, 3, 64, 64)
    assert inputs.original_sizes.tolist() == [[30, 60]]
    (masks,) = processor.post_process_masks([torch.ones(2, 1, 16, 16)], inputs.original_sizes)
    assert masks.shape == (2, 1, 30, 60)
    assert masks.dtype == torch.bool


def test_settings_are_saved_and_loaded(processor, tmp_path: Path):
    processor.point_pad_value = -7
    processor.video_processor.image_mean = [0.1, 0.2, 0.3]
    processor.save_pretrained(tmp_path)
    loaded = Sam2VideoProcessor.from_pretrained(tmp_path)
    assert loaded.to_dict() == processor.to_dict()
    assert loaded.video_processor.image_mean == [0.1, 0.2, 0.3]
    assert loaded.to_dict()["processor_class"] == "Sam2VideoProcessor"
