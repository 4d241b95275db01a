"""Finding and unpacking packages; nothing is downloaded."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.training.scenes import sources
from masklet.training.scenes.sources import (
    PACKAGES,
    SourcePackage,
    background_name,
    carve_webp,
    fetch,
    find_backgrounds,
    is_photograph,
)


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
    assert all(package.licence for package in PACKAGES)
    assert len({package.name for package in PACKAGES}) == len(PACKAGES)
    assert json.dumps([package.folder for package in PACKAGES]).count("/") == 0


def test_carve_webp_finds_uncompressed_pictures(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 120, 3)).astype(np.uint8)
    picture = tmp_path / "picture.webp"
    Image.fromarray(noise).save(picture, quality=95)
    resource = tmp_path / "erase.rcc"
    resource.write_bytes(b"qresRIFF" + picture.read_bytes() + b"between" + picture.read_bytes() + b"RIFF")
    assert carve_webp(resource, tmp_path / "pictures") == 2
    found = sorted((tmp_path / "pictures").iterdir())
    assert [path.name for path in found] == ["erase-000.webp", "erase-001.webp"]
    assert found[1].read_bytes() == picture.read_bytes()
    assert is_photograph(found[0])
    assert not is_photograph(picture)
