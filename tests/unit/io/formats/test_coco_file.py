"""Masks of COCO's annotations: polygons, RLE, and what is wrong with them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masklet.io.formats.coco_file import CocoFile, to_mask
from masklet.ops.rle import encode_rle, rle_runs

SIZE = (10, 12)
SQUARE = [2, 3, 8, 3, 8, 7, 2, 7]


def blob() -> np.ndarray:
    return np.random.default_rng(0).random(SIZE) < 0.5


def write(path: Path, **changes: Any) -> Path:
    image = {"id": 5, "file_name": "a.jpg", "height": 10, "width": 12}
    annotations = [{"id": 1, "image_id": 5, "segmentation": [SQUARE], "iscrowd": 0}]
    path.write_text(json.dumps({"images": [image], "annotations": annotations} | changes))
    return path


def test_a_polygon_is_filled() -> None:
    mask = to_mask([SQUARE], SIZE)
    expected = np.zeros(SIZE, bool)
    expected[3:7, 2:8] = True
    assert mask.dtype == bool
    assert (mask == expected).all()


def test_polygons_are_parts_of_one_mask() -> None:
    other = [8.5, 0, 11, 0, 11, 2.5, 8.5, 2.5]
    assert (to_mask([SQUARE, other], SIZE) == (to_mask([SQUARE], SIZE) | to_mask([other], SIZE))).all()
    assert (to_mask([SQUARE, [1, 1, 4, 1]], SIZE) == to_mask([SQUARE], SIZE)).all(), "two corners cover nothing"
    assert not to_mask([[1, 1, 4, 1]], SIZE).any()
    assert not to_mask([], SIZE).any()


def test_rle_in_all_its_forms() -> None:
    mask, rle = blob(), encode_rle(blob())
    assert (to_mask(rle, None) == mask).all()
    assert (to_mask({"size": rle["size"], "counts": rle_runs(rle).tolist()}, None) == mask).all()


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ([[1, 2, 3, 4, 5]], "x and y in turns"),
        ([1, 2, 3, 4, 5, 6], "list of numbers"),
        ([["a", "b", 1, 2, 3, 4]], "list of numbers"),
        ([[float("nan"), 2, 3, 4, 5, 6]], "list of numbers"),
        ("abc", "not str"),
        ({"size": [10, 12], "counts": "0"}, "do not fill"),
        ({"counts": [120]}, "size and counts"),
    ],
)
def test_what_is_no_segmentation(segmentation, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        to_mask(segmentation, SIZE)


def test_polygons_need_the_pictures_size() -> None:
    with pytest.raises(ValueError, match="height and width are not given"):
        to_mask([SQUARE], None)


def test_a_file_gives_annotations_by_picture(tmp_path: Path) -> None:
    crowd = {"id": 2, "image_id": 5, "segmentation": encode_rle(blob()), "iscrowd": 1}
    other = {"id": 3, "image_id": 6, "segmentation": encode_rle(blob())}
    images = [
        {"id": 6, "coco_url": "http://images.cocodataset.org/val2017/0006.jpg"},
        {"id": 5, "file_name": "a.jpg", "height": 10, "width": 12},
        {"id": 7, "file_name": "empty.jpg"},
    ]
    annotation = {"id": 1, "image_id": 5, "segmentation": [SQUARE]}
    file = CocoFile(write(tmp_path / "x.json", images=images, annotations=[annotation, crowd, other]))
    assert (file.annotated, file.num_crowds) == ([6, 5], 1)
    assert [file.file_name(id_) for id_ in file.annotated] == ["val2017/0006.jpg", "a.jpg"]
    assert (file.annotations(5), file.crowds(5)) == ([annotation], [crowd])
    assert (file.annotations(6), file.crowds(6)) == ([other], [])
    assert (file.size(5), file.size(6)) == ((10, 12), None)


def test_an_image_without_a_file_is_named(tmp_path: Path) -> None:
    file = CocoFile(write(tmp_path / "x.json", images=[{"id": 5}]))
    with pytest.raises(ValueError, match="which file the image 5 is"):
        file.file_name(5)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"images": None}, "no list 'images'"),
        ({"annotations": {}}, "no list 'annotations'"),
        ({"images": [{}]}, "it lacks 'id'"),
        ({"images": [3]}, "an entry of .* cannot be read"),
        ({"annotations": [{"id": 1}]}, "it lacks 'image_id'"),
        (
            {"annotations": [{"id": 9, "image_id": 77}]},
            r"the image 77 \(annotation 9\) is not among the 1 images",
        ),
    ],
)
def test_what_is_no_coco_file(tmp_path: Path, changes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as error:
        CocoFile(write(tmp_path / "x.json", **changes))
    assert "x.json" in str(error.value)


@pytest.mark.parametrize(("text", "reason"), [("{", "is no JSON"), ("[1]", "lacks images, annotations")])
def test_what_is_no_json(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=reason):
        CocoFile(tmp_path / "x.json")
