"""Prepared pictures: read from all parts, kinds by weight, crops with the regions they show."""

import pickle

import cv2
import numpy as np
import pytest

from masklet.training.scenes.parts import write_part
from masklet.training.scenes.pictures import Pictures, PicturesConfig, Window

WHOLE = Window(0, 0, 80, 80, flip=False)


@pytest.fixture
def config(pictures) -> PicturesConfig:
    return PicturesConfig(root=pictures, blob_probability=0.0)


def test_kinds_come_by_weight(config):
    only = Pictures(PicturesConfig(root=config.root, blob_probability=0.0, kind_weights=(0, 0, 1, 0, 1)))
    rng = np.random.default_rng(0)
    sides = [only.cutout(rng).shape[0] for _ in range(60)]
    assert set(sides) == {40, 56}
    assert 15 < sides.count(40) < 45


def test_too_few_weights_are_named(config):
    few = Pictures(PicturesConfig(root=config.root, blob_probability=0.0, kind_weights=(1, 1)))
    with pytest.raises(ValueError, match="2 weights"):
        few.cutout(np.random.default_rng(0))


def test_blobs_where_there_are_no_cutouts(config, tmp_path):
    views = Pictures(config)._views[0]
    write_part(tmp_path, "views", {f"views_{name}": array for name, array in views.items()}, ["one"])
    blob = Pictures(PicturesConfig(root=tmp_path)).cutout(np.random.default_rng(0))
    assert blob.shape[2] == 4
    assert (blob[..., :3] <= blob[..., 3:]).all()


def test_a_crop_of_all_shows_regions_where_they_are(config):
    pictures, rng = Pictures(config), np.random.default_rng(0)
    crops = [pictures.crop(rng, WHOLE, (80, 80), 3) for _ in range(30)]
    assert any(len(crop.regions) == 3 for crop in crops)
    assert any(not crop.regions for crop in crops)
    for crop in crops:
        for region in crop.regions:
            assert region[:40].any()
            assert not region[41:].any()
    assert all(len(pictures.crop(rng, WHOLE, (80, 80), 1).regions) <= 1 for _ in range(10))


def test_flips_mirror_pixels_and_regions(config):
    pictures = Pictures(config)
    for seed in range(6):
        straight, mirrored = (
            pictures.crop(np.random.default_rng(seed), Window(10, 20, 50, 40, flip=flip), (50, 40), 3)
            for flip in (False, True)
        )
        np.testing.assert_array_equal(mirrored.rgb, straight.rgb[:, ::-1])
        for one, other in zip(mirrored.regions, straight.regions, strict=True):
            np.testing.assert_array_equal(one, other[:, ::-1])


def test_textures_have_their_size(config):
    assert Pictures(config).texture(np.random.default_rng(0), 50).shape == (50, 50, 3)
    filled = Pictures(config).textured(
        cv2.circle(np.zeros((50, 50), np.uint8), (25, 25), 9, 255, -1), np.random.default_rng(0)
    )
    assert not filled[0, 0].any()
    assert filled[25, 25, 3] == 255


def test_pictures_are_opened_anew_not_copied(config):
    packed = pickle.dumps(Pictures(config))
    assert len(packed) < 4000
    assert len(pickle.loads(packed)._views) == 3
