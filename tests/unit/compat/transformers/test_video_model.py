"""`Sam2VideoModel`: what it does otherwise than `transformers`, on purpose; streams; errors.

Its numbers, where they are those of `transformers`, are in tests/parity.
"""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from masklet.compat.transformers.config import Sam2VideoConfig
from masklet.compat.transformers.image_processor import Sam2ImageProcessor
from masklet.compat.transformers.native_config import from_native
from masklet.compat.transformers.session import Sam2VideoInferenceSession
from masklet.compat.transformers.video_model import Sam2VideoModel
from masklet.compat.transformers.video_processor import Sam2VideoProcessor
from masklet.compat.transformers.video_video_processor import Sam2VideoVideoProcessor
from masklet.config import DecoderConfig, MemoryConfig, ModelConfig, TrunkConfig

SIDE, NUM_FRAMES = 64, 8
CONFIG = ModelConfig(
    image_size=SIDE,
    dim=128,
    trunk=TrunkConfig(
        embed_dim=8, stage_depths=(1, 1, 1, 1), window_sizes=(8, 4, 4, 2), global_blocks=(0,), position_grid=(4, 4)
    ),
    decoder=DecoderConfig(num_heads=2, mlp_dim=32),
    memory=MemoryConfig(dim=64, attention_layers=1, attention_mlp_dim=32, fuser_layers=1),
)
LARGER = {"hypernetworks": 3, "decoder.transformer": 1.5, "cross_attention.v": 4, "cross_attention.out": 4}
LARGER |= {"memory_time": 5, "memory_encoder": 2, "pointer": 3}
PIXELS = torch.randn(NUM_FRAMES, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
PROCESSOR = Sam2VideoProcessor(
    Sam2ImageProcessor(size={"height": SIDE, "width": SIDE}),
    Sam2VideoVideoProcessor(size={"height": SIDE, "width": SIDE}),
)


@pytest.fixture(scope="module")
def model() -> Sam2VideoModel:
    """Random weights, some of them enlarged so that objects are present and memory counts."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Sam2VideoModel(from_native(CONFIG, Sam2VideoConfig)).eval().requires_grad_(False)
    for name, weights in model.engine.named_parameters():
        for part, factor in LARGER.items():
            weights.mul_(factor if part in name else 1)
    model.engine.get_parameter("mask_decoder.object_head.layers.2.bias").fill_(4.0)
    return model


def video(**options: Any) -> Sam2VideoInferenceSession:
    return Sam2VideoInferenceSession(PIXELS, SIDE, SIDE, **options)


def click(session: Sam2VideoInferenceSession, frame: int, obj_id: int, x: int = 20, y: int = 30, **more: Any) -> None:
    PROCESSOR.add_inputs_to_inference_session(
        session, frame, obj_id, input_points=[[[[x, y]]]], input_labels=[[[1]]], original_size=(SIDE, SIDE), **more
    )


def follow(model: Sam2VideoModel, session: Sam2VideoInferenceSession, **options: Any) -> dict[int, Tensor]:
    return {out.frame_idx: out.pred_masks for out in model.propagate_in_video_iterator(session, **options)}


def far(found: Tensor, other: Tensor) -> float:
    return (found - other).abs().max().item()


def test_one_prompted_object_leaves_the_memories_of_others_as_they_are(model):
    """There, an object tracked on a frame on which another is prompted gets a binary memory."""
    alone, company = video(), video()
    for session in (alone, company):
        click(session, 0, 1)
        model(session, 0)
    click(company, 3, 2, x=50)
    for session in (alone, company):
        for frame in (1, 2, 3, 4):
            model(session, frame)
    for frame in (3, 4):
        ours, expected = (session.get_output(0, frame, "maskmem_features", False) for session in (company, alone))
        torch.testing.assert_close(ours.float(), expected.float(), atol=0.03, rtol=0.03)


def test_reverse_holds_for_the_objects_after_one_that_begins(model):
    """There, an object on its first frame makes those after it be tracked forward."""
    both, alone = video(), video()
    click(both, 4, 1, x=50)
    for session in (both, alone):
        click(session, 6, 2)
        for frame in (6, 5):
            model(session, frame, reverse=True)
    both.obj_with_new_inputs = [1]
    ours = model(both, 4, reverse=True).pred_masks[1]
    expected = model(alone, 4, reverse=True).pred_masks[0]
    assert far(ours, expected) < 1e-4
    assert both.objects[2].reverse[4]
    assert far(model(alone, 4).pred_masks[0], expected) > 1e-3


def test_a_refinement_counts_though_propagation_begins_before_it(model):
    """As in the documentation: a click on a later frame, and propagation again. There, it is passed over."""
    session = video()
    click(session, 0, 1)
    model(session, 0)
    before = follow(model, session)
    click(session, 5, 1, x=55, y=8)
    after = follow(model, session)
    assert session.obj_with_new_inputs == []
    assert list(after) == list(range(NUM_FRAMES))
    for frame in range(NUM_FRAMES):
        assert (far(before[frame], after[frame]) > 1e-2) == (frame >= 5), frame
    assert far(after[5], follow(model, session)[5]) == 0, "it stays"
    assert far(after[5], model(session, 5).pred_masks) == 0, "and is not tracked anew"


def test_prompts_on_any_frames_are_answered_before_the_first_is_tracked(model):
    """There, the frame at which propagation begins takes them for its own, or those added last hide the others."""
    at_once, one_by_one = video(), video()
    for session in (at_once, one_by_one):
        click(session, 5, 1)
        if session is one_by_one:
            model(session, 5)
        click(session, 2, 2, x=50)
        if session is one_by_one:
            model.propagate_in_video_iterator(session, start_frame_idx=2, max_frame_num_to_track=0)
    assert at_once.obj_with_new_inputs == [1, 2]
    ours, expected = follow(model, at_once), follow(model, one_by_one)
    assert list(ours) == list(expected) == [2, 3, 4, 5, 6, 7]
    assert {obj_id: known.bank.conditioning for obj_id, known in at_once.objects.items()} == {1: {5}, 2: {2}}
    for frame, masks in ours.items():
        assert far(masks, expected[frame]) < 1e-3, frame


def test_the_list_of_object_ids_stays_as_it_is(model):
    session, ids = video(), [3, 4]
    points, labels = [[[[20, 30]], [[50, 30]]]], [[[1], [1]]]
    PROCESSOR.add_inputs_to_inference_session(session, 0, ids, input_points=points, input_labels=labels)
    out = model(session, 0)
    assert ids == out.object_ids == [3, 4]
    assert out.pred_masks.shape == (2, 1, SIDE // 4, SIDE // 4)
    assert out.object_score_logits.shape == (2, 1)


def stream(model: Sam2VideoModel, count: int, prompts: dict[int, int]) -> tuple[Sam2VideoInferenceSession, list[Any]]:
    """prompts: frame -> object id. What came out, and the session."""
    session, found = Sam2VideoInferenceSession(max_vision_features_cache_size=3), []
    for t in range(count):
        if t in prompts:
            click(session, t, prompts[t])
        found.append(model(inference_session=session, frame=PIXELS[t % NUM_FRAMES]))
    return session, found


def test_a_stream_gives_the_numbers_of_a_video_and_stays_small(model):
    session, found = stream(model, 40, {0: 1, 3: 2})
    whole = Sam2VideoInferenceSession(PIXELS.repeat(5, 1, 1, 1), SIDE, SIDE)
    click(whole, 0, 1)
    expected = follow(model, whole, start_frame_idx=0, max_frame_num_to_track=2)
    click(whole, 3, 2)
    expected |= follow(model, whole, start_frame_idx=3)
    assert [out.frame_idx for out in found] == list(range(40))
    for out in found:
        assert far(out.pred_masks, expected[out.frame_idx]) < 1e-4, out.frame_idx
    assert list(session.processed_frames) == [39]
    assert session.num_frames == 40
    for known in session.objects.values():
        assert len(known.bank.features) <= 8
        assert len(known.bank.pointers) <= 17
        assert len(known.results) == 1
        assert not known.prompts
    assert not any(session.point_inputs_per_obj.values())


def test_the_newest_frame_of_a_stream_can_be_corrected(model):
    session, found = stream(model, 6, {0: 1})
    click(session, 5, 1, x=50, y=8)
    corrected = model(session, 5)
    assert far(corrected.pred_masks, found[5].pred_masks) > 1e-3
    after = model(session, frame=PIXELS[6])
    assert far(after.pred_masks, stream(model, 7, {0: 1})[1][6].pred_masks) > 1e-4
    for call in (lambda: click(session, 3, 1), lambda: model(session, 3), lambda: follow(model, session)):
        with pytest.raises(ValueError, match=r"of the 7 frames of this stream, \[6\] are kept"):
            call()


def test_an_object_of_frames_to_come_is_absent_until_then(model):
    session = Sam2VideoInferenceSession()
    click(session, 0, 1)
    click(session, 2, 2, x=50)
    found = [model(session, frame=frame) for frame in PIXELS[:3]]
    for out in found[:2]:
        assert out.object_ids == [1, 2]
        assert (out.pred_masks[1] == -1024).all()
        assert out.object_score_logits[1] < 0
    assert found[2].object_score_logits[1] > 0


def test_frames_may_be_added_first_and_propagated_then(model):
    session = Sam2VideoInferenceSession()
    for frame in PIXELS:
        session.add_new_frame(frame)
    click(session, 0, 1)
    whole = video()
    click(whole, 0, 1)
    ours, expected = follow(model, session), follow(model, whole)
    assert len(ours) == NUM_FRAMES
    assert all(far(ours[frame], expected[frame]) == 0 for frame in ours)


def test_a_model_in_training_mode_tracks_as_any_other(model):
    found = []
    for mode in (True, False):
        session = video()
        click(session, 0, 1)
        found.append(follow(model.train(mode), session)[3])
    assert far(*found) == 0
    assert not found[0].requires_grad


def test_bfloat16(model):
    half = Sam2VideoModel(from_native(CONFIG, Sam2VideoConfig)).eval()
    half.load_state_dict(model.state_dict())
    half.to(torch.bfloat16)
    session, exact = video(dtype=torch.bfloat16), video()
    for one in (session, exact):
        click(one, 0, 1)
    expected = follow(model, exact)
    for out in half.propagate_in_video_iterator(session):
        assert out.pred_masks.dtype == out.object_score_logits.dtype == torch.bfloat16
        assert far(out.pred_masks.float(), expected[out.frame_idx]) < 0.3 * expected[out.frame_idx].abs().max()
    mixed = video(dtype=torch.float32)
    click(mixed, 0, 1)
    assert half(mixed, 0).pred_masks.dtype == torch.bfloat16


def test_where_things_are_kept(model):
    """Memory features, masks and cached features go to one device; pointers stay with the model."""
    session = video(inference_state_device="cpu", video_storage_device="cpu", max_vision_features_cache_size=3)
    click(session, 0, 1)
    follow(model, session)
    assert [frame for frame in range(NUM_FRAMES) if session.cache.get_vision_features(frame)] == [5, 6, 7]


def test_without_the_memory_encoder_a_frame_is_not_looked_at(model):
    session = video()
    click(session, 0, 1)
    model(session, 0)
    model(session, 1, run_mem_encoder=False)
    assert session.get_output(0, 1, "maskmem_features", False) is None
    assert session.get_output(0, 1, "pred_masks", False) is not None
    assert model(session, 2).pred_masks.isfinite().all()


def test_without_the_memory_encoder_what_was_remembered_before_stays(model):
    """A prompted frame is not looked at anew, so that its memory is what it was."""
    session, other = video(), video()
    for one in (session, other):
        click(one, 0, 1)
        model(one, 0)
    model(session, 0, run_mem_encoder=False)
    assert far(model(session, 1).pred_masks, model(other, 1).pred_masks) == 0


def test_features_that_are_kept_need_no_gradient(model):
    """Whichever is called first: the graph of the image encoder would take much memory."""
    trainable, session = copy.deepcopy(model).requires_grad_(True), video()
    click(session, 0, 1)
    next(trainable.propagate_in_video_iterator(session))
    assert not session.cache.get_vision_features(0).stride16.requires_grad


def test_removed_inputs_are_not_answered(model):
    session = video()
    click(session, 0, 1)
    click(session, 4, 1, x=50)
    session.remove_point_inputs(0, 4)
    follow(model, session)
    assert session.objects[1].bank.conditioning == {0}


def test_what_goes_wrong_is_said(model):
    session = video()
    with pytest.raises(TypeError, match="inference_session is NoneType, but frames belong to a session"):
        model(frame=PIXELS[0])
    with pytest.raises(ValueError, match="no objects to follow"):
        model(session, 0)
    with pytest.raises(ValueError, match="no objects to follow"):
        model(live := Sam2VideoInferenceSession(), frame=PIXELS[0])
    assert live.num_frames is None, "the frame does not count"
    session.obj_id_to_idx(9)
    with pytest.raises(ValueError, match="object 9 has no points, box or mask yet"):
        model(session, 0)
    click(session, 0, 9)
    with pytest.raises(ValueError, match="give frame_idx"):
        model(session)
    with pytest.raises(KeyError, match="no frame 8: the session has frames 0 to 7"):
        model(session, NUM_FRAMES)
    with pytest.raises(ValueError, match="shape"):
        model(session, frame=PIXELS[0, :, :32])
    live = Sam2VideoInferenceSession()
    click(live, 0, 1)
    with pytest.raises(ValueError, match=r"frame has the shape \(2, 3, 64, 64\), but frames come one by one"):
        model(live, frame=PIXELS[:2])
    assert live.num_frames is None, "they do not count"
    with pytest.raises(ValueError, match="give a tensor"):
        model(session, frame=PIXELS[0].numpy())
    session.add_mask_inputs(0, 0, torch.ones(1, 1, SIDE, SIDE))
    with pytest.raises(ValueError, match="object 9 has points and a mask on frame 0"):
        model(session, 0)
    live = Sam2VideoInferenceSession()
    click(live, 3, 1)
    with pytest.raises(ValueError, match="the session has no frames"):
        follow(model, live)
    live.add_new_frame(PIXELS[0])
    with pytest.raises(ValueError, match="no object is prompted on a frame that is there yet"):
        follow(model, live)


def test_masks_are_chosen_as_in_all_released_models():
    config = from_native(CONFIG, Sam2VideoConfig)
    config.multimask_max_pt_num = 2
    with pytest.raises(ValueError, match="multimask_max_pt_num is 2, but only 1 is supported"):
        Sam2VideoModel(config)
