"""Light that changes over a clip, and shadows that pass."""

import numpy as np
import pytest

from masklet.training.scenes.lighting import LightingConfig, random_lighting

GREY = np.full((64, 64, 3), 120, np.uint8)


def frames(seed: int, config: LightingConfig) -> np.ndarray:
    lighting = random_lighting(np.random.default_rng(seed), config, 6, 1.0)
    return np.stack([lighting.apply(GREY, index) for index in range(6)])


def test_without_light_nothing_changes():
    assert (frames(0, LightingConfig(change_probability=0.0, shadow_probability=0.0)) == GREY).all()


def test_brightness_and_colour_drift():
    config = LightingConfig(change_probability=1.0, shadow_probability=0.0)
    for seed in range(5):
        clip = frames(seed, config).astype(int)
        assert (clip == clip[:, :1, :1]).all(), "the same all over a frame"
        means = clip[:, 0, 0]
        assert np.ptp(means.mean(1)) > 2
        assert (means == 120).all(1).any(), "one frame has the light of the pictures"
        assert np.abs(np.diff(means.mean(1))).max() < 60


def test_shadows_darken_some_of_a_frame_and_pass():
    config = LightingConfig(change_probability=0.0, shadow_probability=1.0, max_shadow=0.5)
    moved = 0
    for seed in range(8):
        clip = frames(seed, config)
        assert clip.max() <= 120
        assert clip.min() >= 58
        moved += not np.array_equal(clip[0], clip[-1])
    assert moved >= 6


def test_light_comes_as_often_as_asked():
    config = LightingConfig(change_probability=0.5, shadow_probability=0.2)
    drawn = [random_lighting(np.random.default_rng(seed), config, 3, 1.0) for seed in range(300)]
    assert 120 < sum(one.gains is not None for one in drawn) < 180
    assert 35 < sum(one.shade is not None for one in drawn) < 85


def test_wrong_config_is_named():
    with pytest.raises(ValueError, match="max_shadow"):
        LightingConfig(max_shadow=2.0)
