from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.io.formats.picture import AnnotatedPicture, ObjectMask, VideoInfo
from masklet.io.formats.voc import VocWriter, read_voc
from masklet.io.label_maps import davis_palette


def write(folder: Path, pictures: list[AnnotatedPicture]) -> None:
    with VocWriter(folder) as writer:
        for picture in pictures:
            writer.write(picture)


def test_pictures_come_back(tmp_path: Path, hard_pictures: list[AnnotatedPicture], save_pictures: Callable):
    folder = tmp_path / "voc"
    write(folder, hard_pictures)
    pictures = list(read_voc(folder, pictures=save_pictures(hard_pictures)))
    assert [(picture.name, picture.size) for picture in pictures] == [("a/cup.jpg", (120, 160)), ("jug.png", (30, 20))]
    assert [(found.id, found.label, found.rle) for found in pictures[0].objects] == [
        (found.id, found.label, found.rle) for found in hard_pictures[0].objects
    ]
    assert [picture.name for picture in read_voc(folder)] == ["a/cup.png", "jug.png"]


def test_the_files_are_those_of_voc(tmp_path: Path, hard_pictures: list[AnnotatedPicture]):
    write(tmp_path, hard_pictures)
    with Image.open(tmp_path / "SegmentationObject/a/cup.png") as image:
        assert image.mode == "P"
        assert image.getpalette() == davis_palette()
        objects = np.array(image)
    with Image.open(tmp_path / "SegmentationClass/a/cup.png") as image:
        classes = np.array(image)
    for found in hard_pictures[0].objects:
        assert (objects[found.mask] == found.id).all()
        assert (classes[found.mask] == (1 if found.label == "cup" else 2)).all()
    assert (tmp_path / "labels.txt").read_text().splitlines() == ["background", "cup", "handle, left"]


def test_the_smaller_object_is_on_top(tmp_path: Path):
    small, large = np.zeros((3, 4), bool), np.ones((3, 4), bool)
    small[1, 1:3] = True
    objects = (ObjectMask.of_mask(small, 1), ObjectMask.of_mask(large, 2))
    write(tmp_path, [AnnotatedPicture(name="a.jpg", height=3, width=4, objects=objects)])
    (picture,) = read_voc(tmp_path)
    np.testing.assert_array_equal(picture.objects[0].mask, small)
    np.testing.assert_array_equal(picture.objects[1].mask, large & ~small)


def test_as_many_objects_as_there_is_room_for(tmp_path: Path):
    masks = np.eye(255, dtype=bool)[:, None]
    objects = tuple(ObjectMask.of_mask(mask, id_, label=f"{id_}") for id_, mask in enumerate(masks, start=1))
    whole = AnnotatedPicture(name="a.jpg", height=1, width=255, objects=objects[:-1])
    with VocWriter(tmp_path) as writer:
        with pytest.raises(ValueError, match=r"b\.jpg has the object 255, .*the format png or coco"):
            writer.write(AnnotatedPicture(name="b.jpg", height=1, width=255, objects=objects))
        writer.write(whole)
        other = ObjectMask.of_mask(masks[0], 1, label="other")
        with pytest.raises(ValueError, match=r"with c\.jpg there are over 254 labels"):
            writer.write(AnnotatedPicture(name="c.jpg", height=1, width=255, objects=(other,)))
    (picture,) = read_voc(tmp_path, pictures=None)
    assert picture.objects == whole.objects


def test_a_videos_frames_are_as_davis_has_them(tmp_path: Path):
    found = ObjectMask.of_mask(np.ones((3, 4), bool), 7)
    with VocWriter(tmp_path, video=VideoInfo(name="clip", height=3, width=4)) as writer:
        for index in (0, 1):
            frame = AnnotatedPicture(name=f"{index:05d}.jpg", height=3, width=4, objects=(found,), frame_index=index)
            writer.write(frame)
    assert [np.unique(np.array(Image.open(tmp_path / f"SegmentationObject/0000{i}.png"))) for i in (0, 1)] == [7, 7]


def test_files_of_others(tmp_path: Path):
    (tmp_path / "SegmentationObject").mkdir()
    Image.fromarray(np.array([[0, 3, 255]], np.uint8)).save(tmp_path / "SegmentationObject" / "a.png")
    (picture,) = read_voc(tmp_path)
    assert [(found.id, found.label, found.area) for found in picture.objects] == [(3, "object", 1)]
    (tmp_path / "SegmentationClass").mkdir()
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / "SegmentationClass" / "a.png")
    with pytest.raises(ValueError, match=r"SegmentationClass.a\.png cannot be read: it is \(2, 2\)"):
        list(read_voc(tmp_path))
