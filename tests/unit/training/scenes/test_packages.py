"""What is taken of the packages: things, not signs."""

import numpy as np
import pytest
from PIL import Image

from masklet.training.scenes.cutouts import KINDS, prepare_cutouts
from masklet.training.scenes.packages import package_cutouts, package_photographs


def save(path) -> None:
    rgba = np.zeros((100, 100, 4), np.uint8)
    rgba[20:-20, 20:-20] = (10, 200, 90, 255)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgba).save(path)


@pytest.fixture
def root(tmp_path):
    unpacked = tmp_path / "unpacked"
    for name in ("animals/cartoon/cat.png", "animals/cat_mirror.png", "symbols/a.png"):
        save(unpacked / "tuxpaint-stamps-default" / name)
    for name in ("animals/dog.png", "animals/smilies/dog.png", "signs/stop.png"):
        save(unpacked / "openclipart-png" / "usr" / "share" / "openclipart" / "png" / name)
    for name in ("1f34e.webp", "1f44d-1f3fd.webp", "0031.webp"):
        save(unpacked / "lobehub-fluent-emoji-3d" / name)
    return tmp_path


def test_things_are_taken_and_signs_are_not(root):
    names = [source.name for source in package_cutouts(root)]
    assert [name.rpartition("/")[2] for name in names] == ["cat.png", "dog.png", "1f34e.webp"]
    expected = {"drawing": 1, "clipart": 1, "emoji3d": 1}
    assert prepare_cutouts(package_cutouts(root), root) == dict.fromkeys((*KINDS, "unfit"), 0) | expected


def test_photographs_have_regions_and_backdrops_do_not(root):
    folder = root / "unpacked" / "mate-backgrounds"
    folder.mkdir()
    for name in ("Garden.jpg", "Gradient.jpg"):
        Image.new("RGB", (400, 300)).save(folder / name)
    found = {one.path.name: (one.num_views, one.with_regions) for one in package_photographs(root, 5)}
    assert found == {"Garden.jpg": (5, True), "Gradient.jpg": (2, False)}
