"""Clips from tiny made-up pictures: bounds, determinism, and masks that go where the pixels go."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from masklet.training.scenes.augment import AugmentConfig
from masklet.training.scenes.clips import ClipConfig, ClipSample, MovingScenes
from masklet.training.scenes.synthetic import SceneConfig

SIDE = 64
CALM = AugmentConfig(
    tone_probability=0.0, saturation_probability=0.0, grayscale_probability=0.0, blur_probability=0.0,
    noise_probability=0.0, jpeg_probability=0.0,
)  # fmt: skip
SMALL = ClipConfig(num_frames=4, scene=SceneConfig(image_size=SIDE, augment=CALM))


def take(root: Path, count: int, config: ClipConfig = SMALL, seed: int = 0) -> list[ClipSample]:
    return list(itertools.islice(MovingScenes(root, config, seed=seed), count))


def test_every_object_is_seen_first(pictures):
    for clip in take(pictures, 20):
        assert clip.frames.shape == (4, SIDE, SIDE, 3)
        assert clip.frames.dtype == np.uint8
        assert clip.masks.shape[0] == 4
        assert clip.masks.shape[2:] == (SIDE, SIDE)
        assert clip.masks.dtype == np.bool_
        areas = clip.masks[0].mean((1, 2))
        assert len(areas) >= 1
        assert areas.min() >= SMALL.scene.min_mask_area
        assert areas.max() <= SMALL.scene.max_mask_area


def test_same_seed_gives_the_same_stream(pictures):
    first, second, other = (take(pictures, 3, seed=seed) for seed in (3, 3, 4))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.frames, b.frames)
        np.testing.assert_array_equal(a.masks, b.masks)
    assert any(not np.array_equal(a.frames, b.frames) for a, b in zip(first, other, strict=True))


def test_without_speeds_nothing_moves(pictures):
    still = ClipConfig(num_frames=3, drift=0, turn=0, growth=0, camera_drift=0, camera_zoom=0, scene=SMALL.scene)
    for clip in take(pictures, 5, still):
        assert (clip.frames == clip.frames[:1]).all()
        assert (clip.masks == clip.masks[:1]).all()


def test_masks_follow_the_pixels(pictures):
    """A region of the pictures has one colour or two, and what its mask covers later has the same ones."""
    followed = 0
    for clip in take(pictures, 30, ClipConfig(num_frames=4, max_objects=0, scene=SMALL.scene)):
        for masks in clip.masks.transpose(1, 0, 2, 3):
            colours, counts = np.unique(clip.frames[0][masks[0]], axis=0, return_counts=True)
            common = colours[np.argsort(-counts)[:2]].astype(int)
            for frame, mask in zip(clip.frames[1:], masks[1:], strict=True):
                if mask.sum() > 40:
                    apart = np.abs(frame[mask].astype(int)[:, None] - common).max(-1).min(-1)
                    assert (apart < 12).mean() > 0.8
                    followed += 1
    assert followed > 30


def test_things_move(pictures):
    clips = take(pictures, 5)
    assert any((clip.masks[0] != clip.masks[-1]).any() for clip in clips)
    assert all((clip.frames[0] != clip.frames[-1]).any() for clip in clips)


def test_missing_pictures_are_named(tmp_path):
    with pytest.raises(ValueError, match=str(tmp_path)):
        MovingScenes(tmp_path)
