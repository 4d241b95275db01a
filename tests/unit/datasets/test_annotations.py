"""Masks of a video's frames in files: label maps, and a folder an object."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.datasets.annotations import LabelMaps, ObjectFolders, open_annotations
from masklet.io.files import write_mask_png
from masklet.io.label_maps import write_labels

LABELS = np.array([[0, 3, 3], [255, 0, 3]])
MASK = LABELS == 3


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    folder = tmp_path / "maps"
    folder.mkdir()
    write_labels(folder / "frame2.png", LABELS)
    write_labels(folder / "frame10.png", LABELS * 0)
    (folder / "notes.txt").write_text("of somebody")
    return folder


@pytest.fixture
def objects(tmp_path: Path) -> Path:
    """The object 0 on three frames, empty on the second, and the object 12 on the last alone."""
    folder = tmp_path / "objects"
    for child, frames in (("000", {"2": MASK, "9": MASK & False, "10": MASK}), ("012", {"10": ~MASK})):
        (folder / child).mkdir(parents=True)
        for frame, mask in frames.items():
            write_mask_png(folder / child / f"{frame}.png", mask)
    (folder / "notes").mkdir()
    return folder


def test_label_maps_hold_the_objects_in_the_picture(maps: Path) -> None:
    annotations = open_annotations(maps)
    assert annotations.frames == ("frame2", "frame10")
    masks = annotations.read("frame2")
    assert list(masks) == [3, 255]
    assert np.array_equal(masks[3], MASK)
    assert masks[3].dtype == np.bool_
    assert annotations.read("frame10") == {}
    assert annotations.path("frame2") == maps / "frame2.png"


def test_of_binary_maps_all_that_is_not_0_is_one_object(maps: Path) -> None:
    annotations = LabelMaps(maps, binary=True)
    assert list(annotations.read("frame2")) == [1]
    assert np.array_equal(annotations.read("frame2")[1], LABELS > 0)
    assert annotations.read("frame10") == {}


def test_a_frame_without_a_label_map_is_named(maps: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"frame3.png"):
        LabelMaps(maps).read("frame3")


def test_folders_hold_each_object_on_its_own_frames(objects: Path) -> None:
    annotations = open_annotations(objects)
    assert isinstance(annotations, ObjectFolders)
    assert annotations.frames == ("2", "9", "10")
    assert annotations.object_frames == {0: ("2", "9", "10"), 12: ("10",)}
    assert list(annotations.read("2")) == [0]
    assert np.array_equal(annotations.read("2")[0], MASK)
    assert not annotations.read("9")[0].any()
    masks = annotations.read("10")
    assert np.array_equal(masks[0], ~masks[12])
    assert annotations.path("2") == objects
    with pytest.raises(FileNotFoundError, match="objects has no mask of frame 11"):
        annotations.read("11")


def test_an_objects_picture_is_named_though_it_is_missing(objects: Path) -> None:
    annotations = ObjectFolders(objects)
    assert annotations.object_path(12, "2") == objects / "012" / "2.png"
    assert annotations.object_path(7, "2") == objects / "007" / "2.png"


def test_any_value_but_0_is_the_object(objects: Path) -> None:
    Image.fromarray(MASK.astype(np.uint8)).save(objects / "000" / "2.png")
    assert np.array_equal(ObjectFolders(objects).read("2")[0], MASK)


def test_label_maps_among_objects_are_refused(objects: Path) -> None:
    write_labels(objects / "012" / "10.png", LABELS)
    with pytest.raises(ValueError, match=r"012/10.png holds 3 values"):
        ObjectFolders(objects).read("10")


def test_two_folders_of_one_object_are_refused(objects: Path) -> None:
    (objects / "12").mkdir()
    with pytest.raises(ValueError, match=r"objects/012 and .*objects/12 are|objects/12 and .*objects/012 are"):
        ObjectFolders(objects)


def test_folders_without_masks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere of masks"):
        open_annotations(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="has neither PNGs nor folders named by object ids"):
        open_annotations(tmp_path)
    with pytest.raises(ValueError, match="a PNG a frame was expected"):
        LabelMaps(tmp_path)
    with pytest.raises(ValueError, match="has no folders of objects"):
        ObjectFolders(tmp_path)
    (tmp_path / "001").mkdir()
    with pytest.raises(ValueError, match="a PNG for each object and frame was expected"):
        open_annotations(tmp_path)


def test_names_that_are_digits_and_no_numbers_are_of_no_object(objects: Path) -> None:
    (objects / "²").mkdir()
    assert list(ObjectFolders(objects).objects) == [0, 12]


def test_both_layouts_in_one_folder_are_refused(maps: Path) -> None:
    (maps / "001").mkdir()
    with pytest.raises(ValueError, match=r"maps has .*frame2\.png.* and .*001"):
        open_annotations(maps)
