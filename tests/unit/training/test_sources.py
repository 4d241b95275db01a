"""Finding, cleaning and packing pictures, and the regions of a photograph; nothing is downloaded."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.training import sources
from masklet.training.prepare import KINDS, PrepareConfig, clean_cutout, looks_photographed, prepare_cutouts
from masklet.training.regions import RegionConfig, find_regions
from masklet.training.sources import PACKAGES, SourcePackage, background_name, fetch, find_backgrounds


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
    counts = prepare_cutouts(tmp_path, PrepareConfig())
    assert counts == {kind: int(kind == "drawing") for kind in KINDS}
    index = np.load(tmp_path / "prepared" / "cutouts_index.npy")
    assert index.tolist() == [[0, 60, 60, KINDS.index("drawing")]]
    assert np.load(tmp_path / "prepared" / "cutouts.npy").shape == (60 * 60 * 4,)


def test_find_backgrounds_takes_one_file_a_wallpaper(tmp_path: Path) -> None:
    folder = tmp_path / "unpacked" / "plasma-workspace-wallpapers" / "Kite" / "contents"
    for size in (20, 40):
        path = folder / "images" / f"{size}x{size}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3)).astype(np.uint8)).save(path)
    Image.new("RGB", (400, 400)).save(folder / "screenshot.png")
    found = find_backgrounds(tmp_path)
    assert [path.name for path in found] == ["40x40.png"]
    assert background_name(found[0]) == "Kite"


def test_fetch_keeps_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("nothing should be called")

    monkeypatch.setattr(sources, "_call", refuse)
    for package in PACKAGES:
        (tmp_path / "unpacked" / package.folder / "here").mkdir(parents=True)
    fetch(tmp_path)


def test_unknown_registry_is_named(tmp_path: Path) -> None:
    package = SourcePackage(name="things", registry="floppy", licence="none", use="cutouts")
    with pytest.raises(ValueError, match="floppy"):
        fetch(tmp_path, (package,))


def test_licences_are_stated() -> None:
    assert all(package.licence and package.name in (sources.__doc__ or "") for package in PACKAGES)
    assert json.dumps([package.folder for package in PACKAGES]).count("/") == 0


def test_find_regions_finds_the_things_in_a_picture() -> None:
    pytest.importorskip("skimage")
    rng = np.random.default_rng(0)
    ys, xs = np.mgrid[:160, :160]
    rgb = np.where((ys > 90)[..., None], (60, 120, 40), (120, 170, 220)).astype(np.float32)
    disc = np.hypot(ys - 60, xs - 100) < 30
    rgb[disc] = (190, 60, 40)
    rgb += rng.normal(0, 6, rgb.shape)
    found = find_regions(rgb.clip(0, 255).astype(np.uint8), RegionConfig(max_regions=6))
    masks = [row[found.labels] for row in found.members]
    for truth in (disc, ys > 90, (ys <= 90) & ~disc):
        assert max((mask & truth).sum() / (mask | truth).sum() for mask in masks) > 0.9
    assert (np.diff(found.scores) <= 0).all()
    assert found.labels.dtype == np.uint16
