"""Scenes from tiny made-up pictures: bounds, determinism, and regions that fit the view."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from masklet.training.augment import AugmentConfig
from masklet.training.prepare import write_cutouts, write_views
from masklet.training.synthetic import SceneConfig, SyntheticScenes

SIDE = 64
SMALL = SceneConfig(image_size=SIDE, max_masks=5)


def disc(size: int = 40) -> np.ndarray:
    """A red disc, uint8 (size, size, 4), colour times alpha."""
    ys, xs = np.mgrid[:size, :size] - (size - 1) / 2
    rgba = np.zeros((size, size, 4), np.uint8)
    rgba[np.hypot(ys, xs) < size / 2] = (200, 30, 30, 255)
    return rgba


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared pictures: one cut-out of each kind, three views of four quadrants, one without regions."""
    root = tmp_path_factory.mktemp("pictures")
    cutouts = [disc(size) for size in (24, 32, 40, 48, 56)]
    offsets = np.cumsum([0, *(cutout.size for cutout in cutouts)])
    index = [(int(offsets[kind]), *cutout.shape[:2], kind) for kind, cutout in enumerate(cutouts)]
    write_cutouts(root / "prepared", [cutout.ravel() for cutout in cutouts], index)
    labels = np.kron(np.array([[0, 1], [2, 3]], np.uint16), np.ones((40, 40), np.uint16))
    members = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0]], bool)
    rng = np.random.default_rng(0)
    views = []
    for number in range(3):
        rgb = rng.integers(0, 256, (4, 3)).astype(np.uint8)[labels]
        scores = np.array([0.9, 0.4, 0.2], np.float32) * (number < 2)
        views.append((rgb, labels, members, scores))
    write_views(root / "prepared", views, len(views))
    return root


def take(root: Path, count: int, config: SceneConfig = SMALL, seed: int = 0):
    return list(itertools.islice(SyntheticScenes(root, config, seed=seed), count))


def test_samples_keep_their_bounds(root: Path) -> None:
    for sample in take(root, 40):
        assert sample.image.shape == (SIDE, SIDE, 3)
        assert sample.image.dtype == torch.uint8
        assert sample.masks.dtype == torch.bool
        assert 1 <= len(sample.masks) <= SMALL.max_masks
        areas = sample.masks.float().mean((1, 2))
        assert areas.min() >= SMALL.min_mask_area
        assert areas.max() <= SMALL.max_mask_area


def test_same_seed_gives_the_same_stream(root: Path) -> None:
    first, second, other = take(root, 4, seed=3), take(root, 4, seed=3), take(root, 4, seed=4)
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a.image, b.image)
        assert torch.equal(a.masks, b.masks)
    assert any(not torch.equal(a.image, b.image) for a, b in zip(first, other, strict=True))


@pytest.mark.slow
def test_workers_give_different_streams(root: Path) -> None:
    loader = DataLoader(SyntheticScenes(root, SMALL), batch_size=None, num_workers=2, multiprocessing_context="spawn")
    first, second = itertools.islice(loader, 2)
    assert not torch.equal(first.image, second.image)


def test_regions_alone_are_regions_of_the_view(root: Path) -> None:
    calm = AugmentConfig(
        tone_probability=0.0, saturation_probability=0.0, grayscale_probability=0.0, blur_probability=0.0,
        noise_probability=0.0, jpeg_probability=0.0,
    )  # fmt: skip
    config = SceneConfig(image_size=SIDE, object_weight=0.0, mosaic_weight=0.0, augment=calm)
    for sample in take(root, 10, config):
        for mask in sample.masks:
            # A view has one colour a quadrant; a mask of one or two quadrants shows as few, but for its border.
            inside = sample.image[mask]
            common = inside.unique(dim=0, return_counts=True)[1].sort(descending=True)[0][:2].sum()
            assert common / len(inside) > 0.85


@pytest.mark.parametrize(
    ("wrong", "message"), [({"image_size": 8}, "8"), ({"max_masks": 0}, "0"), ({"min_mask_area": 0.9}, "0.9")]
)
def test_wrong_config_is_named(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SceneConfig(**wrong)


def test_missing_pictures_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=str(tmp_path)):
        SyntheticScenes(tmp_path)
