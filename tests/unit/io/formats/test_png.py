from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from masklet.io.files import read_mask_png, write_mask_png
from masklet.io.formats.picture import AnnotatedPicture, ObjectMask
from masklet.io.formats.png import PngWriter, read_png


def write(folder: Path, pictures: list[AnnotatedPicture]) -> None:
    with PngWriter(folder) as writer:
        for picture in pictures:
            writer.write(picture)


def test_masks_come_back(tmp_path: Path, hard_pictures: list[AnnotatedPicture], save_pictures: Callable):
    folder = tmp_path / "masks"
    write(folder, hard_pictures)
    (picture,) = read_png(folder, pictures=save_pictures(hard_pictures))
    assert picture.name == "a/cup.jpg"
    assert [(found.id, found.rle) for found in picture.objects] == [
        (found.id, found.rle) for found in hard_pictures[0].objects
    ]
    assert next(read_png(folder)).name == "a/cup.png"
    np.testing.assert_array_equal(read_mask_png(folder / "a/cup/3.png"), hard_pictures[0].objects[2].mask)


def test_masks_that_overlap_are_kept_and_pictures_are_in_order(tmp_path: Path):
    masks = [np.ones((3, 4), bool), np.eye(3, 4, dtype=bool)]
    objects = tuple(ObjectMask.of_mask(mask, id_) for mask, id_ in zip(masks, (10, 9), strict=True))
    names = ["b/a.png", "b.png", "c.png"]
    write(tmp_path, [AnnotatedPicture(name=name, height=3, width=4, objects=objects) for name in names])
    pictures = list(read_png(tmp_path))
    assert [picture.name for picture in pictures] == ["b.png", "b/a.png", "c.png"]
    assert all(picture.objects == objects[::-1] for picture in pictures)


def test_what_an_earlier_run_left_goes(tmp_path: Path):
    objects = tuple(ObjectMask.of_mask(np.ones((3, 4), bool), id_) for id_ in (1, 2, 3))
    write(tmp_path, [AnnotatedPicture(name=name, height=3, width=4, objects=objects) for name in ("a.jpg", "b.jpg")])
    for name in ("note.png", "00002.png"):  # a frame of someone's video
        (tmp_path / "a" / name).touch()
    write(tmp_path, [AnnotatedPicture(name="a.jpg", height=3, width=4, objects=objects[:1])])
    assert {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*.png")} == {
        "a/1.png",
        "a/note.png",
        "a/00002.png",
        "b/1.png",
        "b/2.png",
        "b/3.png",
    }


def test_masks_of_different_sizes(tmp_path: Path):
    (tmp_path / "a").mkdir()
    write_mask_png(tmp_path / "a" / "1.png", np.ones((3, 4), bool))
    write_mask_png(tmp_path / "a" / "2.png", np.ones((4, 3), bool))
    with pytest.raises(ValueError, match=r"a cannot be read: object 2 of a\.png"):
        list(read_png(tmp_path))


def test_the_folder_of_one_picture(tmp_path: Path):
    found = (ObjectMask.of_mask(np.ones((3, 4), bool), 2),)
    write(tmp_path, [AnnotatedPicture(name="cup.jpg", height=3, width=4, objects=found)])
    for path in (tmp_path / "cup", tmp_path / "cup" / "2.png"):
        (picture,) = read_png(path)
        assert (picture.name, picture.objects) == ("cup.png", found)
