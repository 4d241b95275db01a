"""Masks where people drew boxes."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.ops.rle import decode_rle
from masklet.training.masks_by_box import BoxOpinion, find_in_box, find_masks, main

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
    logits = logits_of((20, 10, 50, 37), (60, 0, 80, 60), (30, 39, 32, 40))
    mask = find_in_box(logits, BOX)
    assert mask is not None
    assert mask.sum() == 30 * 27


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


def test_boxes_are_clipped_and_small_ones_left_out(tmp_path):
    boxes = write_boxes(tmp_path, bbox=[-400, 30, 540, 100])
    contents = json.loads(boxes.read_text())
    contents["annotations"][1]["bbox"] = [200, 140, 30, 30]  # 1.2% of the picture are 922 pixels
    boxes.write_text(json.dumps(contents))
    num_kept, num_boxes, faults = find_masks(boxes, tmp_path, tmp_path / "masks.json", "nano")
    assert (num_kept, num_boxes, faults) == (0, 3, [])  # from -400 it is a box of the whole left side, not of the disk


def test_a_mirrored_picture_has_mirrored_masks():
    """As each picture is looked at both ways round; more boxes than are asked about at once."""
    opinion = BoxOpinion("nano")
    rgb = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    left, top = (np.arange(10) * step + 2.0 for step in (8, 5))
    boxes = np.stack([left, top, left + 30, top + 40], axis=1)
    logits = np.stack(list(opinion(rgb, boxes)))
    assert logits.shape == (10, 96, 128)
    mirrored = np.stack([128 - boxes[:, 2], boxes[:, 1], 128 - boxes[:, 0], boxes[:, 3]], axis=1)
    again = np.stack(list(opinion(np.ascontiguousarray(rgb[:, ::-1]), mirrored)))[..., ::-1]
    np.testing.assert_allclose(again, logits, atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bbox": [1, 2, -1, 4]}, r"annotation 5 .*not negative"),
        ({"bbox": [1, 2, 3]}, r"annotation 5 .*\[1, 2, 3\]"),
        ({"bbox": [1, 2, float("nan"), 4]}, "annotation 5 .*nan"),
        ({"bbox": None}, "annotation 5 .*None"),
        ({"image_id": 9}, "image 9"),
    ],
)
def test_boxes_that_make_no_sense(tmp_path, changes, words):
    boxes = write_boxes(tmp_path, **changes)
    with pytest.raises(ValueError, match=words):
        find_masks(boxes, tmp_path, tmp_path / "masks.json", "nano")
    assert not (tmp_path / "masks.json").exists()


def test_the_boxes_are_not_written_over(tmp_path):
    boxes = write_boxes(tmp_path)
    before = boxes.read_text()
    with pytest.raises(ValueError, match="another file"):
        find_masks(boxes, tmp_path, boxes, "nano")
    assert boxes.read_text() == before


def test_what_is_missing_is_said_before_anything_is_looked_for(tmp_path, monkeypatch, capsys):
    boxes = write_boxes(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder"):
        find_masks(boxes, tmp_path, tmp_path / "no" / "masks.json", "nano")
    (tmp_path / "shapes.png").unlink()
    monkeypatch.setattr(sys, "argv", ["masks_by_box", str(boxes), str(tmp_path), str(tmp_path / "masks.json")])
    assert main() == 1
    assert "shapes.png" in capsys.readouterr().err


def test_pictures_that_cannot_be_read_are_passed_over(tmp_path, monkeypatch, capsys):
    boxes = write_boxes(tmp_path)
    contents = json.loads(boxes.read_text())
    for number, name in ((2, "broken.png"), (3, "small.png")):
        contents["images"].append({"id": number, "file_name": name, "height": 240, "width": 320})
        contents["annotations"].append({**contents["annotations"][0], "id": 10 + number, "image_id": number})
    boxes.write_text(json.dumps(contents))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    Image.new("RGB", (160, 120)).save(tmp_path / "small.png")
    monkeypatch.setattr(sys, "argv", ["masks_by_box", str(boxes), str(tmp_path), str(tmp_path / "masks.json")])
    assert main() == 1
    said = capsys.readouterr()
    assert "2 of 5 boxes" in said.out
    assert "broken.png" in said.err
    assert "(120, 160)" in said.err
    assert len(json.loads((tmp_path / "masks.json").read_text())["annotations"]) == 2
