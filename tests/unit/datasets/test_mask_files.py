"""Masks in files: which file is whose, and what the objects in one are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.datasets.mask_files import open_masks, pair_masks, read_black_white
from masklet.io.files import write_mask_png
from masklet.io.label_maps import write_labels

SIZE = (20, 30)


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def found(images: Path, masks: Path, suffix: str = "") -> dict[str, str]:
    return {pair.path.name: pair.masks.relative_to(masks).as_posix() for pair in pair_masks(images, masks, suffix)}


def test_a_mask_has_the_name_of_its_picture(tmp_path: Path) -> None:
    images, masks = touch(tmp_path / "a", "9.jpg", "10.png", "11.jpg"), touch(tmp_path / "b", "9.tif", "notes.txt")
    (masks / "10").mkdir()
    assert found(images, masks) == {"9.jpg": "9.tif", "10.png": "10", "11.jpg": "11.png"}


def test_masks_with_a_suffix(tmp_path: Path) -> None:
    images, masks = touch(tmp_path / "a", "cat.jpg"), touch(tmp_path / "b", "cat_mask.png")
    assert found(images, masks, "_mask") == {"cat.jpg": "cat_mask.png"}
    with pytest.raises(ValueError, match=r"cat_mask\.png is of a picture that .*a has not: .* name of its picture$"):
        pair_masks(images, masks)
    touch(masks, "cat.png")
    with pytest.raises(ValueError, match=r"b.cat\.png is of a picture .* its picture and _mask"):
        pair_masks(images, masks, "_mask")


def test_masks_beside_their_pictures(tmp_path: Path) -> None:
    touch(tmp_path, "cat.jpg", "cat_mask.png", "dog.png")
    (tmp_path / "dog_mask").mkdir()
    assert found(tmp_path, tmp_path, "_mask") == {"cat.jpg": "cat_mask.png", "dog.png": "dog_mask"}
    with pytest.raises(ValueError, match="name the suffix"):
        pair_masks(tmp_path, tmp_path)


def test_names_tell_pictures_and_masks_apart(tmp_path: Path) -> None:
    images, masks = touch(tmp_path / "a", "cat.jpg"), touch(tmp_path / "b", "cat.png", "cat.tif")
    with pytest.raises(ValueError, match=r"b.cat\.png and .*b.cat\.tif are both called cat"):
        pair_masks(images, masks)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        pair_masks(images, tmp_path / "nowhere")


def labels() -> np.ndarray:
    """Object 1 in two parts, and 4 in one."""
    values = np.zeros(SIZE, np.int32)
    values[2:8, 2:10], values[2:8, 20:25], values[10:, 5:15] = 1, 1, 4
    return values


def test_objects_of_a_label_map(tmp_path: Path) -> None:
    write_labels(tmp_path / "a.png", labels())
    masks = {name: read() for name, read in open_masks(tmp_path / "a.png").items()}
    assert list(masks) == ["1", "4"]
    np.testing.assert_array_equal(masks["1"], labels() == 1)
    assert list(open_masks(tmp_path / "a.png", ignore_value=4)) == ["1"]
    (read,) = open_masks(tmp_path / "a.png", "one").values()
    np.testing.assert_array_equal(read(), labels() > 0)


def test_objects_that_are_connected_parts(tmp_path: Path) -> None:
    write_mask_png(tmp_path / "a.png", labels() > 0)
    parts = [read() for read in open_masks(tmp_path / "a.png", "components").values()]
    assert sorted(int(part.sum()) for part in parts) == [30, 48, 100]
    np.testing.assert_array_equal(np.sum(parts, axis=0), labels() > 0)
    assert len(open_masks(tmp_path / "a.png")) == 1, "a black and white label map has one object"


def test_an_object_a_file(tmp_path: Path) -> None:
    for name, id_ in (("2", 4), ("10", 1)):
        write_mask_png(tmp_path / f"{name}.png", labels() == id_)
    masks = open_masks(tmp_path)
    assert list(masks) == ["2", "10"]
    np.testing.assert_array_equal(masks["10"](), labels() == 1)


def test_black_and_white_in_colours_and_as_jpeg(tmp_path: Path) -> None:
    mask = labels() > 0
    picture = Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).convert("RGB")
    for name in ("a.png", "a.jpg"):
        picture.save(tmp_path / name, quality=70)
        np.testing.assert_array_equal(read_black_white(tmp_path / name), mask)
    assert len(np.unique(np.asarray(Image.open(tmp_path / "a.jpg")))) > 2
    with pytest.raises(ValueError, match=r"a\.jpg is a JPEG, which blurs labels"):
        open_masks(tmp_path / "a.jpg")


def test_what_is_no_mask(tmp_path: Path) -> None:
    Image.new("RGB", SIZE, "red").save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png is a picture of mode RGB"):
        open_masks(tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty has no masks"):
        open_masks(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match=r"b\.png"):
        open_masks(tmp_path / "b.png")


def test_soft_edges_are_no_objects(tmp_path: Path) -> None:
    soft = Image.fromarray(np.pad(np.full((60, 60), 255, np.uint8), 20)).rotate(20, Image.Resampling.BICUBIC)
    soft.save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png has \d+ values, most of it 255, .* soft edges"):
        open_masks(tmp_path / "a.png")
    (mask,) = (read() for read in open_masks(tmp_path / "a.png", "one").values())
    assert mask.sum() == pytest.approx(3600, rel=0.05)
    assert len(open_masks(tmp_path / "a.png", ignore_value=255)) > 16, "many small objects in what was not annotated"
    cells = np.arange(1, 256, dtype=np.uint8).repeat(4).reshape(15, -1)
    Image.fromarray(cells).save(tmp_path / "cells.png")
    assert len(open_masks(tmp_path / "cells.png")) == 255
