"""Scenes from tiny made-up pictures: bounds, determinism, and regions that fit the view."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from masklet.training.scenes.augment import AugmentConfig
from masklet.training.scenes.synthetic import ImageSample, SceneConfig, SyntheticScenes

SIDE = 64
SMALL = SceneConfig(image_size=SIDE, max_masks=5)


def take(root: Path, count: int, config: SceneConfig = SMALL, seed: int = 0) -> list[ImageSample]:
    return list(itertools.islice(SyntheticScenes(root, config, seed=seed), count))


def test_samples_keep_their_bounds(pictures: Path) -> None:
    for sample in take(pictures, 40):
        assert sample.image.shape == (SIDE, SIDE, 3)
        assert sample.image.dtype == np.uint8
        assert sample.masks.dtype == np.bool_
        assert 1 <= len(sample.masks) <= SMALL.max_masks
        areas = sample.masks.mean((1, 2))
        assert areas.min() >= SMALL.min_mask_area
        assert areas.max() <= SMALL.max_mask_area


def test_same_seed_gives_the_same_stream(pictures: Path) -> None:
    first, second, other = take(pictures, 4, seed=3), take(pictures, 4, seed=3), take(pictures, 4, seed=4)
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a.image, b.image)
        assert np.array_equal(a.masks, b.masks)
    assert any(not np.array_equal(a.image, b.image) for a, b in zip(first, other, strict=True))


@pytest.mark.slow
def test_workers_give_different_streams(pictures: Path) -> None:
    loader = DataLoader(
        SyntheticScenes(pictures, SMALL), batch_size=None, num_workers=2, multiprocessing_context="spawn"
    )
    first, second = itertools.islice(loader, 2)
    assert not np.array_equal(first.image, second.image)


def test_regions_alone_are_regions_of_the_view(pictures: Path) -> None:
    calm = AugmentConfig(
        tone_probability=0.0, saturation_probability=0.0, grayscale_probability=0.0, blur_probability=0.0,
        noise_probability=0.0, jpeg_probability=0.0,
    )  # fmt: skip
    config = SceneConfig(image_size=SIDE, object_weight=0.0, mosaic_weight=0.0, augment=calm)
    for sample in take(pictures, 10, config):
        for mask in sample.masks:
            # A view has one colour a quadrant; a mask of one or two quadrants shows as few, but for its border.
            inside = sample.image[mask]
            common = np.sort(np.unique(inside, axis=0, return_counts=True)[1])[-2:].sum()
            assert common / len(inside) > 0.85


@pytest.mark.parametrize(
    ("wrong", "message"), [({"image_size": 8}, "8"), ({"max_masks": 0}, "0"), ({"min_mask_area": 0.9}, "0.9")]
)
def test_wrong_config_is_named(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SceneConfig(**wrong)


def test_missing_pictures_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=str(tmp_path)):
        SyntheticScenes(tmp_path)
