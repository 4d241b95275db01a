from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from masklet.io.formats.picture import AnnotatedPicture, ObjectMask
from masklet.io.formats.yolo import YoloWriter, _outline, read_yolo
from masklet.ops.masks import mask_iou


def write(folder: Path, pictures: list[AnnotatedPicture]) -> None:
    with YoloWriter(folder) as writer:
        for picture in pictures:
            writer.write(picture)


def test_masks_come_back(tmp_path: Path, hard_pictures: list[AnnotatedPicture], save_pictures: Callable):
    write(tmp_path / "yolo", hard_pictures)
    cup, jug = read_yolo(tmp_path / "yolo", pictures=save_pictures(hard_pictures))
    assert (cup.name, cup.size, jug.name, jug.size) == ("a/cup.jpg", (120, 160), "jug.png", (30, 20))
    assert jug.objects == ()
    for back, found in zip(cup.objects, hard_pictures[0].objects, strict=True):
        assert (back.id, back.label, back.score) == (found.id, found.label, None)
        assert mask_iou(back.mask, found.mask) > 0.98


@settings(max_examples=50)
@given(st.integers(0, 10**9))
def test_tools_draw_the_same_mask(seed: int):
    generator = np.random.default_rng(seed)
    noise = generator.standard_normal(generator.integers(30, 150, 2)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), generator.uniform(3, 8))
    _, components = cv2.connectedComponents((smooth > np.quantile(smooth, 0.6)).astype(np.uint8), connectivity=4)
    mask = components == np.bincount(components[components > 0]).argmax()
    for round_off in (np.floor, np.round):
        drawn = np.zeros(mask.shape, np.uint8)
        cv2.fillPoly(drawn, [round_off(_outline(mask)).astype(np.int32)], 1)
        assert mask_iou(drawn == 1, mask) > 0.98


def test_supervision_reads_the_same_masks(tmp_path: Path, hard_pictures: list[AnnotatedPicture]):
    supervision = pytest.importorskip("supervision")
    flat = AnnotatedPicture(name="cup.jpg", height=120, width=160, objects=hard_pictures[0].objects)
    write(tmp_path, [flat])
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((120, 160, 3), np.uint8)).save(tmp_path / "images" / "cup.jpg")
    places = {"images": "images", "annotations": "labels", "data_yaml": "data.yaml"}
    data = supervision.DetectionDataset.from_yolo(
        images_directory_path=str(tmp_path / places["images"]),
        annotations_directory_path=str(tmp_path / places["annotations"]),
        data_yaml_path=str(tmp_path / places["data_yaml"]),
        force_masks=True,
    )
    ((_, _, detections),) = data
    for mask, label, found in zip(detections.mask, detections.class_id, flat.objects, strict=True):
        assert data.classes[label] == found.label
        assert mask_iou(mask.astype(bool), found.mask) > 0.98


def test_a_line_is_an_object(tmp_path: Path, hard_pictures: list[AnnotatedPicture]):
    write(tmp_path, hard_pictures)
    lines = (tmp_path / "labels/a/cup.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["0", "1", "0", "1", "0"]
    assert all(0 <= float(value) <= 1 for line in lines for value in line.split()[1:])
    assert yaml.safe_load((tmp_path / "data.yaml").read_text())["names"] == {0: "cup", 1: "handle, left"}
    assert (tmp_path / "labels/jug.txt").read_text() == ""


def test_labels_of_any_script(tmp_path: Path):
    labels = ['"Käse": #1', "茶碗", "\U0001f375"]
    objects = tuple(
        ObjectMask.of_mask(np.ones((3, 4), bool), id_, label=label) for id_, label in enumerate(labels, start=1)
    )
    write(tmp_path / "yolo", [AnnotatedPicture(name="a.png", height=3, width=4, objects=objects)])
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(tmp_path / "a.png")
    (picture,) = read_yolo(tmp_path / "yolo", pictures=tmp_path)
    assert picture.objects == objects


def test_files_of_others(tmp_path: Path):
    Image.fromarray(np.zeros((100, 200), np.uint8)).save(tmp_path / "a.png")
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "a.txt").write_text("3 0.1 0.1 0.3 0.1 0.3 0.4 0.1 0.4 0.875\n\n0 0.5 0.5 0.6 0.5 0.6 0.6\n")
    first, second = next(read_yolo(folder, pictures=tmp_path)).objects
    assert (first.label, first.score, first.box) == ("3", 0.875, (20, 10, 41, 31))
    assert (second.label, second.score) == ("object", None)
    (tmp_path / "data.yaml").write_text("names: [cup, jug]")
    first, second = next(read_yolo(tmp_path, pictures=tmp_path)).objects
    assert (first.label, second.label) == ("3", "cup")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0 0.5 0.5 0.1 0.1", "has 5 numbers"),
        ("0 a b c d e f", "could not convert"),
        ("0 0 0 1 nan 1 1", "not within 0 and 1"),
        ("0 10 10 50 10 50 50", "not within"),
        ("0 0 0 1 0 1 1 0.9 7", "not within"),
    ],
)
def test_what_is_no_outline(tmp_path: Path, line: str, said: str):
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text(f"\n{line}\n")
    with pytest.raises(ValueError, match=rf"line 2 of .*a\.txt cannot be read: .*{said}"):
        list(read_yolo(tmp_path, pictures=tmp_path))


def test_ultralytics_looks_where_the_file_lies(tmp_path: Path):
    mask = np.ones((4, 4), bool)
    objects = tuple(
        ObjectMask.of_mask(mask, id_, label=label) for id_, label in enumerate(("1: x # y", "a\tb", "😀"), 1)
    )
    write(tmp_path, [AnnotatedPicture(name="a.jpg", height=4, width=4, objects=objects)])
    assert yaml.safe_load((tmp_path / "data.yaml").read_bytes()) == {
        "train": "images",
        "val": "images",
        "names": {0: "1: x # y", 1: "a\tb", 2: "😀"},
    }


def test_errors_name_files_that_are_no_text_and_no_picture(tmp_path: Path):
    (tmp_path / "a.png").write_text("no picture")
    (tmp_path / "a.txt").write_bytes(b"0 0 0 1 0 1 1\n")
    with pytest.raises(ValueError, match=r"a\.png cannot be read"):
        next(read_yolo(tmp_path, pictures=tmp_path))
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"a\.txt cannot be read"):
        next(read_yolo(tmp_path, pictures=tmp_path))
