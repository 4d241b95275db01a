"""Random changes as a whole: their probabilities, what frames share, and that the draws decide."""

from dataclasses import replace

import numpy as np
import pytest

from masklet.training.data.colour import JitterConfig
from masklet.training.data.geometry import AffineConfig, CropConfig
from masklet.training.data.transforms import PUBLISHED, SQUARE_ONLY, TransformConfig, Transforms
from masklet.training.samples import Clip


@pytest.fixture
def clip() -> Clip:
    """Four frames that are alike, with two objects; the left and the upper half differ from the others."""
    rng = np.random.default_rng(0)
    frame = rng.integers(60, 200, (40, 56, 3)).astype(np.uint8)
    masks = np.zeros((2, 40, 56), bool)
    masks[0, 4:20, 4:24], masks[1, 12:36, 30:50] = True, True
    return Clip(frames=np.broadcast_to(frame, (4, *frame.shape)), masks=np.broadcast_to(masks, (4, *masks.shape)))


def share(config: TransformConfig, clip: Clip, changed) -> float:
    """How often a result differs as `changed` tells from one without random changes."""
    transforms, rng = Transforms(config, 32), np.random.default_rng(0)
    plain = Transforms(SQUARE_ONLY, 32)(clip, rng)
    return float(np.mean([changed(transforms(clip, rng), plain) for _ in range(400)]))


def is_flipped(clip: Clip, plain: Clip) -> bool:
    return bool((clip.masks == plain.masks[..., ::-1]).all())


def is_upside_down(clip: Clip, plain: Clip) -> bool:
    return bool((clip.masks == plain.masks[..., ::-1, :]).all())


def is_grey(clip: Clip, plain: Clip) -> bool:
    return bool((clip.frames == clip.frames[..., :1]).all())


def is_tiled(clip: Clip, plain: Clip) -> bool:
    return bool((clip.frames[:, :16] == clip.frames[:, 16:]).all())


@pytest.mark.parametrize(
    ("name", "probability", "changed"),
    [
        ("flip_probability", 0.3, is_flipped),
        ("vertical_flip_probability", 0.3, is_upside_down),
        ("grayscale_probability", 0.2, is_grey),
        ("mosaic_probability", 0.2, is_tiled),
    ],
)
def test_probabilities_are_kept(clip: Clip, name: str, probability: float, changed) -> None:
    for value in (0.0, 1.0):
        assert share(replace(SQUARE_ONLY, **{name: value}), clip, changed) == value
    assert share(replace(SQUARE_ONLY, **{name: probability}), clip, changed) == pytest.approx(probability, abs=0.07)


def test_published_values() -> None:
    assert TransformConfig() == PUBLISHED
    assert (PUBLISHED.affine.degrees, PUBLISHED.affine.shear) == (25, 20)
    assert (PUBLISHED.flip_probability, PUBLISHED.grayscale_probability) == (0.5, 0.05)
    assert PUBLISHED.jitter == JitterConfig(brightness=0.1, contrast=0.03, saturation=0.03)
    assert PUBLISHED.frame_jitter == JitterConfig(brightness=0.1, contrast=0.05, saturation=0.05)
    assert PUBLISHED.crop == CropConfig()
    assert PUBLISHED.mosaic_probability == PUBLISHED.vertical_flip_probability == 0


def test_frames_share_all_but_their_own_jitter(clip: Clip) -> None:
    everything = TransformConfig(
        vertical_flip_probability=0.5,
        crop=CropConfig(area=(0.4, 1)),
        affine=AffineConfig(degrees=10, scale=(0.9, 1.1)),
        mosaic_probability=0.3,
        frame_jitter=JitterConfig(),
    )
    for seed in range(20):
        alike = Transforms(everything, 48)(clip, np.random.default_rng(seed))
        assert (alike.frames == alike.frames[0]).all()
        assert (alike.masks == alike.masks[0]).all()
    own = Transforms(replace(SQUARE_ONLY, frame_jitter=PUBLISHED.frame_jitter), 48)(clip, np.random.default_rng(0))
    assert len({frame.tobytes() for frame in own.frames}) == 4
    assert (own.masks == own.masks[0]).all()


def test_the_draws_decide_alone(clip: Clip) -> None:
    before = clip.frames.copy(), clip.masks.copy()
    transforms = Transforms(PUBLISHED, 48)
    first, again, other = (transforms(clip, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.frames, again.frames)
    np.testing.assert_array_equal(first.masks, again.masks)
    assert (first.frames != other.frames).any()
    np.testing.assert_array_equal(clip.frames, before[0])
    np.testing.assert_array_equal(clip.masks, before[1])


def test_the_result_is_a_clip_of_the_model_s_size(clip: Clip) -> None:
    config = replace(PUBLISHED, crop=CropConfig(area=(0.1, 0.5), aspect=(0.5, 2)), mosaic_probability=0.5)
    for seed in range(40):
        changed = Transforms(config, 64)(clip, np.random.default_rng(seed))
        assert changed.frames.shape == (4, 64, 64, 3)
        assert changed.frames.dtype == np.uint8
        assert changed.masks.dtype == bool
        assert changed.masks.shape[0] == 4
        assert changed.masks.shape[2:] == (64, 64)
        assert len(changed.masks[0]) >= 1
        assert changed.masks[0].any((1, 2)).all()


def test_square_only_leaves_a_square_clip_as_it_is() -> None:
    rng = np.random.default_rng(0)
    clip = Clip(frames=rng.integers(0, 256, (1, 32, 32, 3)).astype(np.uint8), masks=np.ones((1, 1, 32, 32), bool))
    same = Transforms(SQUARE_ONLY, 32)(clip, rng)
    np.testing.assert_array_equal(same.frames, clip.frames)
    np.testing.assert_array_equal(same.masks, clip.masks)


def test_values_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="mosaic_probability is 15, but it must be a probability"):
        TransformConfig(mosaic_probability=15)
    with pytest.raises(ValueError, match="even number of pixels, not 33"):
        Transforms(PUBLISHED, 33)
