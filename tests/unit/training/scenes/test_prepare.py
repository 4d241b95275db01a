"""Cleaning and packing cut-outs, and cutting views of photographs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.training.scenes.prepare import (
    KINDS,
    VIEW_SIZE,
    clean_cutout,
    looks_photographed,
    prepare_cutouts,
    random_view,
    write_views,
)


def square_cutout(side: int = 60, margin: int = 20) -> np.ndarray:
    rgba = np.zeros((side + 2 * margin, side + 2 * margin, 4), np.uint8)
    rgba[margin:-margin, margin:-margin] = (10, 200, 90, 255)
    return rgba


def test_clean_cutout_trims_and_shrinks() -> None:
    cleaned = clean_cutout(square_cutout(), 48)
    assert cleaned is not None
    assert cleaned.shape == (48, 48, 4)
    assert (cleaned[..., 3] == 255).all()


def test_clean_cutout_multiplies_colour_by_alpha() -> None:
    rgba = square_cutout()
    rgba[20:23, 20:-20, 3] = 100
    rgba[..., :3] = 255
    cleaned = clean_cutout(rgba, 320)
    assert cleaned is not None
    assert (cleaned[..., :3] <= cleaned[..., 3:]).all()


@pytest.mark.parametrize("fault", ["empty", "opaque", "faint", "scattered", "thin"])
def test_clean_cutout_rejects(fault: str) -> None:
    rgba = square_cutout()
    if fault == "empty":
        rgba[..., 3] = 0
    elif fault == "opaque":
        rgba[..., 3] = 255
    elif fault == "faint":
        rgba[20:60, 20:-20, 3] = 90
    elif fault == "scattered":
        rgba[45:55, :, 3] = 0
    else:
        rgba[..., 3] = 0
        rgba[np.arange(100), np.arange(100), 3] = 255
        rgba[np.arange(99), np.arange(1, 100), 3] = 255
    assert clean_cutout(rgba, 320) is None


def test_photographs_have_many_colours() -> None:
    flat = square_cutout()
    noisy = flat.copy()
    noisy[..., :3] = np.random.default_rng(0).integers(0, 256, (*flat.shape[:2], 3))
    assert looks_photographed(noisy)
    assert not looks_photographed(flat)


def test_prepare_cutouts_packs_and_counts(tmp_path: Path) -> None:
    stamps = tmp_path / "unpacked" / "tuxpaint-stamps-default"
    (stamps / "animals" / "cartoon").mkdir(parents=True)
    (stamps / "symbols").mkdir()
    for name in ("animals/cartoon/cat.png", "animals/cat_mirror.png", "symbols/a.png"):
        Image.fromarray(square_cutout()).save(stamps / name)
    counts = prepare_cutouts(tmp_path)
    assert counts == {kind: int(kind == "drawing") for kind in KINDS}
    index = np.load(tmp_path / "prepared" / "cutouts_index.npy")
    assert index.tolist() == [[0, 60, 60, KINDS.index("drawing")]]
    assert np.load(tmp_path / "prepared" / "cutouts.npy").shape == (60 * 60 * 4,)


def test_views_are_square_and_the_first_is_whole() -> None:
    ramp = np.linspace(0, 255, 500).astype(np.uint8)
    rgb = np.repeat(np.tile(ramp, (300, 1))[..., None], 3, 2)
    rng = np.random.default_rng(0)
    whole, crop = random_view(rgb, rng, whole=True), random_view(rgb, rng, whole=False)
    assert whole.shape == crop.shape == (VIEW_SIZE, VIEW_SIZE, 3)
    assert np.ptp(whole) > 250
    assert np.ptp(crop) <= np.ptp(whole)


def test_write_views_round_trips(tmp_path: Path) -> None:
    views = [(np.full((4, 4, 3), n, np.uint8), np.zeros((4, 4), np.uint16), np.ones((2, 3), bool)) for n in range(3)]
    write_views(tmp_path, ((*view, np.ones(2, np.float32)) for view in views), 3)
    assert np.load(tmp_path / "views_rgb.npy")[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert np.load(tmp_path / "views_scores.npy").dtype == np.float32
