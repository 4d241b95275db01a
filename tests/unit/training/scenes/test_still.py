"""Still scenes from tiny made-up pictures: bounds, determinism, and regions that fit the view."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from masklet.training.samples import Clip
from masklet.training.scenes.augment import AugmentConfig
from masklet.training.scenes.still import ScenesConfig, SyntheticScenes

SIDE = 64
CALM = AugmentConfig(
    tone_probability=0.0, saturation_probability=0.0, grayscale_probability=0.0, blur_probability=0.0,
    noise_probability=0.0, jpeg_probability=0.0,
)  # fmt: skip


@pytest.fixture
def config(pictures: Path) -> ScenesConfig:
    return ScenesConfig(root=pictures, image_size=SIDE, max_masks=5)


def draw(config: ScenesConfig, count: int, seed: int = 0) -> list[Clip]:
    source = SyntheticScenes(config)
    return [source.draw(index, np.random.default_rng([seed, index])) for index in range(count)]


def test_scenes_are_clips_of_one_frame_within_bounds(config):
    for clip in draw(config, 40):
        assert clip.frames.shape == (1, SIDE, SIDE, 3)
        assert clip.frames.dtype == np.uint8
        assert clip.masks.dtype == np.bool_
        assert clip.masks.shape[0] == 1
        assert 1 <= clip.masks.shape[1] <= config.max_masks
        areas = clip.masks.mean((0, 2, 3))
        assert areas.min() >= config.min_mask_area
        assert areas.max() <= config.max_mask_area


def test_the_same_state_gives_the_same_scene_whatever_the_index(config):
    source = SyntheticScenes(config)
    assert len(source) == config.nominal_length
    again = pickle.loads(pickle.dumps(source))
    for seed in range(8):
        first, second = source.draw(0, np.random.default_rng(seed)), again.draw(7, np.random.default_rng(seed))
        np.testing.assert_array_equal(first.frames, second.frames)
        np.testing.assert_array_equal(first.masks, second.masks)


def test_other_states_give_other_scenes(config):
    pairs = zip(draw(config, 4, 0), draw(config, 4, 1), strict=True)
    assert all(not np.array_equal(one.frames, other.frames) for one, other in pairs)


def test_regions_alone_are_regions_of_the_view(config):
    for clip in draw(replace(config, object_weight=0.0, mosaic_weight=0.0, augment=CALM), 10):
        for mask in clip.masks[0]:
            # A view has one colour a quadrant; a mask of one or two quadrants shows as few, but for its border.
            inside = clip.frames[0][mask]
            common = np.sort(np.unique(inside, axis=0, return_counts=True)[1])[-2:].sum()
            assert common / len(inside) > 0.85


def test_each_recipe_can_be_taken_alone(config):
    weights = ("region_weight", "object_weight", "mosaic_weight")
    for name in weights:
        alone = replace(config, **{weight: float(weight == name) for weight in weights})
        assert len(draw(alone, 5)) == 5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"image_size": 8}, "8"),
        ({"max_masks": 0}, "0"),
        ({"max_objects": 300}, "300"),
        ({"min_mask_area": 0.9}, "0.9"),
        ({"union_probability": 1.5}, "1.5"),
        ({"region_weight": -1.0}, "-1.0"),
        ({"kind_weights": (0.0,)}, "kind_weights"),
    ],
)
def test_wrong_config_is_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        ScenesConfig(**wrong)


def test_settings_without_any_object_are_named(config, monkeypatch):
    monkeypatch.setattr("masklet.training.scenes.still.MAX_TRIES", 10)
    with pytest.raises(ValueError, match="max_objects is 8"):
        draw(replace(config, min_mask_area=0.0001, max_mask_area=0.0002), 1)


def test_missing_pictures_are_named(tmp_path):
    with pytest.raises(ValueError, match=str(tmp_path)):
        SyntheticScenes(ScenesConfig(root=tmp_path))
