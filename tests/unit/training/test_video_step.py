"""The training step on clips: it is the tracker's, frame by frame, and memories are learned through time."""

import pytest
import torch
import torch.nn.functional as F

from masklet.model import Sam2
from masklet.predictors.video_prompts import to_model_mask
from masklet.tracking.policy import TrackingPolicy
from masklet.tracking.tracked_object import FramePrompt
from masklet.tracking.tracker import Tracker
from masklet.training.losses import LossWeights, mask_losses
from masklet.training.video_step import PromptedClips, video_step

SIDE, FRAMES, CLIPS, OBJECTS = 64, 4, 2, 3


@pytest.fixture
def model(model_config) -> Sam2:
    torch.manual_seed(0)
    return Sam2(model_config)


@pytest.fixture
def clips() -> PromptedClips:
    """Squares that move to the right; the last object is gone from the third frame on."""
    generator = torch.Generator().manual_seed(1)
    masks = torch.zeros(FRAMES, CLIPS * OBJECTS, SIDE, SIDE, dtype=torch.bool)
    for frame in range(FRAMES):
        for row in range(CLIPS * OBJECTS):
            masks[frame, row, 6 * row : 6 * row + 20, 4 * frame + 8 : 4 * frame + 28] = True
    masks[2:, -1] = False
    pixels = torch.randn(FRAMES, CLIPS, 3, SIDE, SIDE, generator=generator)
    clicks = torch.tensor([[18.0, 6.0 * row + 10] for row in range(CLIPS * OBJECTS)])
    return PromptedClips(pixels, masks, clicks)


def losses_of(model: Sam2, clips: PromptedClips, mask_probability: float, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    return video_step(model, clips, generator, mask_probability=mask_probability, weights=LossWeights())


def test_losses_are_those_of_the_tracker(model, clips):
    """The tracker follows each object alone; memories in bfloat16 are its only difference."""
    model.eval()
    with torch.no_grad():
        losses = losses_of(model, clips, mask_probability=1.0)
    assert len(losses) == FRAMES - 1
    policy = TrackingPolicy(binary_prompted_memory=False, max_hole_area=0, stability=None)
    decoded: list[list] = [[] for _ in range(FRAMES)]
    head = model.mask_decoder.register_forward_hook(lambda module, given, found: calls.append(found))
    for row in range(CLIPS * OBJECTS):
        tracker: Tracker[int] = Tracker(model, policy, FRAMES)
        for frame in range(FRAMES):
            calls: list = []
            with torch.no_grad():
                features = model.encode_image(clips.pixels[frame, row // OBJECTS][None])
            if frame == 0:
                mask = to_model_mask(clips.masks[0, row], SIDE)
                tracker.prompt(features, 0, 1, FramePrompt(mask=mask))
            else:
                tracker.track(features, frame, [1])
            decoded[frame] += calls
    head.remove()
    for index in range(1, FRAMES):
        target = F.avg_pool2d(clips.masks[index].float(), 4)
        rows = [mask_losses(found, target[n, None], True, LossWeights()) for n, found in enumerate(decoded[index])]
        alone = torch.stack([row.total for row in rows]).mean()
        torch.testing.assert_close(losses[index - 1].total, alone, atol=5e-3, rtol=5e-3)


def test_a_click_or_a_box_is_learned_from_too(model, clips):
    losses = losses_of(model, clips, mask_probability=0.0)
    assert len(losses) == FRAMES
    assert all(loss.total.isfinite() for loss in losses)


def test_memory_parts_learn_and_the_image_encoder_does_not(model, clips):
    torch.stack([loss.total for loss in losses_of(model, clips, mask_probability=1.0)]).sum().backward()
    learned = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    for name in (
        "memory_time",
        "mask_downsample.weight",
        "pointer_time_projection.weight",
        "pointer_projection.layers.0.weight",
        "memory_encoder.projection.weight",
        "memory_attention.layers.0.cross_attention.k_projection.weight",
    ):
        assert name in learned
    assert not any(name.startswith(("trunk", "neck")) for name in learned)


def test_what_a_late_frame_says_reaches_the_first_memory(model, clips):
    losses = losses_of(model, clips, mask_probability=1.0)
    (gradient,) = torch.autograd.grad(losses[-1].total, model.mask_downsample.weight)
    assert gradient.abs().max() > 0


def test_prompts_come_in_the_given_shares(model, clips):
    with torch.no_grad():
        kinds = [len(losses_of(model, clips, 0.6, seed)) == FRAMES - 1 for seed in range(60)]
    assert 0.4 < sum(kinds) / len(kinds) < 0.8
