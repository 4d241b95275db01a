"""Masks where people drew boxes."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.ops.rle import decode_rle
from masklet.training.masks_by_box import find_in_box, find_masks, main

SIZE = (60, 80)
BOX = np.array([20.0, 10.0, 50.0, 40.0])


def logits_of(*rectangles: tuple[int, int, int, int]) -> np.ndarray:
    logits = np.full(SIZE, -3.0, np.float32)
    for x0, y0, x1, y1 in rectangles:
        logits[y0:y1, x0:x1] = 3.0
    return logits


def test_a_mask_that_fills_its_box_is_kept():
    mask = find_in_box(logits_of((20, 10, 50, 40)), BOX)
    assert mask is not None
    assert mask[10:40, 20:50].all()
    assert mask.sum() == 900


def test_what_is_far_outside_the_box_and_what_is_tiny_does_not_count():
    logits = logits_of((20, 10, 50, 30), (60, 0, 80, 60), (30, 39, 32, 40))
    mask = find_in_box(logits, np.array([20.0, 10.0, 50.0, 31.0]))
    assert mask is not None
    assert mask.sum() == 600


@pytest.mark.parametrize(
    "rectangles",
    [
        [],
        [(20, 10, 34, 40)],  # half of it
        [(20, 10, 50, 12), (20, 10, 22, 40), (20, 38, 50, 40)],  # hardly more than a frame
    ],
)
def test_a_mask_of_something_else_is_left_out(rectangles):
    assert find_in_box(logits_of(*rectangles), BOX) is None


def write_boxes(folder: Path, **changes: object) -> Path:
    """A bright disk and a bright square on dark ground, a speck, and a crowd."""
    rgb = np.full((240, 320, 3), (30, 60, 40), np.uint8)
    ys, xs = np.mgrid[:240, :320]
    rgb[(ys - 80) ** 2 + (xs - 90) ** 2 < 50**2] = (220, 190, 60)
    rgb[130:220, 190:280] = (200, 40, 50)
    Image.fromarray(rgb).save(folder / "shapes.png")
    annotations = [
        {"id": 5, "image_id": 1, "category_id": 2, "bbox": [40, 30, 100, 100]},
        {"id": 6, "image_id": 1, "category_id": 3, "bbox": [190, 130, 90, 90]},
        {"id": 7, "image_id": 1, "category_id": 3, "bbox": [4, 4, 5, 5]},
        {"id": 8, "image_id": 1, "category_id": 3, "bbox": [0, 0, 320, 240], "iscrowd": 1},
    ]
    annotations[0] |= changes
    contents = {
        "images": [{"id": 1, "file_name": "shapes.png", "height": 240, "width": 320}],
        "annotations": annotations,
        "categories": [{"id": 2, "name": "disk"}, {"id": 3, "name": "square"}],
    }
    (folder / "boxes.json").write_text(json.dumps(contents))
    return folder / "boxes.json"


def test_nano_finds_what_is_in_boxes(tmp_path, monkeypatch, capsys):
    boxes = write_boxes(tmp_path)
    monkeypatch.setattr(sys, "argv", ["masks_by_box", str(boxes), str(tmp_path), str(tmp_path / "masks.json")])
    assert main() == 0
    assert "2 of 3 boxes" in capsys.readouterr().out
    found = json.loads((tmp_path / "masks.json").read_text())
    assert [one["id"] for one in found["annotations"]] == [5, 6]
    assert found["categories"] == json.loads(boxes.read_text())["categories"]
    disk, square = (decode_rle(one["segmentation"]) for one in found["annotations"])
    assert disk.shape == (240, 320)
    assert disk.sum() == found["annotations"][0]["area"]
    assert disk.sum() == pytest.approx(np.pi * 50**2, rel=0.1)
    truth = np.zeros((240, 320), bool)
    truth[130:220, 190:280] = True
    assert (square & truth).sum() > 0.9 * (square | truth).sum()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bbox": [1, 2, 0, 4]}, "positive width"),
        ({"bbox": [1, 2, 3]}, "bbox of image 1"),
        ({"image_id": 9}, "image 9"),
    ],
)
def test_boxes_that_make_no_sense(tmp_path, changes, words):
    boxes = write_boxes(tmp_path, **changes)
    with pytest.raises(ValueError, match=words):
        find_masks(boxes, tmp_path, tmp_path / "masks.json", "nano")
    assert not (tmp_path / "masks.json").exists()


def test_a_picture_that_is_not_there(tmp_path, monkeypatch, capsys):
    boxes = write_boxes(tmp_path)
    (tmp_path / "shapes.png").unlink()
    monkeypatch.setattr(sys, "argv", ["masks_by_box", str(boxes), str(tmp_path), str(tmp_path / "masks.json")])
    assert main() == 1
    assert "shapes.png" in capsys.readouterr().err
