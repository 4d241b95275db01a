from collections.abc import Callable
from pathlib import Path

import pytest

from masklet.io.formats.picture import AnnotatedPicture
from masklet.io.formats.pictures import find_picture, name_picture


def test_pictures_are_found_by_their_stems(hard_pictures: list[AnnotatedPicture], save_pictures: Callable):
    folder: Path = save_pictures(hard_pictures)
    assert find_picture(folder, "a/cup") == ("a/cup.jpg", (120, 160))
    assert find_picture(folder, "jug") == ("jug.png", (30, 20))
    assert name_picture(folder, "a/cup", ".png") == "a/cup.jpg"
    assert name_picture(None, "a/cup", ".png") == "a/cup.png"
    with pytest.raises(FileNotFoundError, match=r"no picture cup\.jpg"):
        find_picture(folder, "cup")
