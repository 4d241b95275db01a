import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from masklet.io.formats.picture import AnnotatedPicture, ObjectMask
from masklet.io.formats.sa1b import Sa1bWriter, read_mask_records, read_sa1b, read_sa1b_file, write_mask_records
from masklet.ops.mask_record import MaskRecord
from masklet.ops.rle import encode_rle, rle_runs


@pytest.fixture
def record() -> MaskRecord:
    mask = np.zeros((20, 30), bool)
    mask[3:8, 10:14] = True
    return MaskRecord(
        rle=encode_rle(mask),
        area=20,
        box=(10, 3, 4, 5),
        predicted_iou=0.1 + 0.2,
        stability_score=1 / 3,
        point=(12.5, 4.0 / 7),
        crop_box=(5, 0, 25, 20),
    )


def test_records_come_back_exactly(tmp_path: Path, record: MaskRecord):
    records = [record, replace(record, predicted_iou=0.5, point=(0.0, 19.0))]
    write_mask_records(tmp_path / "cup.json", "a/cup.jpg", (20, 30), records)
    assert read_mask_records(tmp_path / "cup.json") == ("a/cup.jpg", (20, 30), records)
    assert read_sa1b_file(tmp_path / "cup.json") == AnnotatedPicture.of_records("a/cup.jpg", (20, 30), records)
    write_mask_records(tmp_path / "none.json", "none.jpg", (20, 30), [])
    assert read_mask_records(tmp_path / "none.json") == ("none.jpg", (20, 30), [])


def test_the_fields_are_those_of_sa1b(tmp_path: Path, record: MaskRecord):
    write_mask_records(tmp_path / "cup.json", "cup.jpg", (20, 30), [record])
    contents = json.loads((tmp_path / "cup.json").read_text())
    assert contents["image"] == {"image_id": 1, "width": 30, "height": 20, "file_name": "cup.jpg"}
    (entry,) = contents["annotations"]
    assert entry == {
        "id": 1,
        "segmentation": record.rle,
        "bbox": [10, 3, 4, 5],
        "area": 20,
        "predicted_iou": record.predicted_iou,
        "stability_score": record.stability_score,
        "point_coords": [list(record.point)],
        "crop_box": [5, 0, 25, 20],
    }


def test_pictures_come_back(tmp_path: Path, hard_pictures: list[AnnotatedPicture]):
    with Sa1bWriter(tmp_path) as writer:
        for picture in hard_pictures:
            writer.write(picture)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.json")} == {"a/cup.json", "jug.json"}
    assert list(read_sa1b(tmp_path)) == hard_pictures
    assert list(read_sa1b(tmp_path / "jug.json")) == hard_pictures[1:]


def test_what_has_no_score_or_pixel(tmp_path: Path):
    plain = ObjectMask.of_mask(np.ones((3, 4), bool), 5)
    hidden = ObjectMask.of_mask(np.zeros((3, 4), bool), 6)
    with Sa1bWriter(tmp_path) as writer:
        writer.write(AnnotatedPicture(name="a.jpg", height=3, width=4, objects=(plain, hidden)))
    assert json.loads((tmp_path / "a.json").read_text())["annotations"][0].keys() == {
        "id",
        "segmentation",
        "bbox",
        "area",
    }
    assert read_sa1b_file(tmp_path / "a.json").objects == (plain,)
    with pytest.raises(ValueError, match=r"annotation 1 of .*a\.json cannot be read: it lacks 'point_coords'"):
        read_mask_records(tmp_path / "a.json")


def test_lists_of_runs_are_read(tmp_path: Path, record: MaskRecord):
    path = tmp_path / "cup.json"
    write_mask_records(path, "cup.jpg", (20, 30), [record])
    contents = json.loads(path.read_text())
    contents["annotations"][0]["segmentation"]["counts"] = rle_runs(record.rle).tolist()
    path.write_text(json.dumps(contents))
    assert read_mask_records(path)[2] == [record]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image": {"height": 20}}, "it lacks 'file_name'"),
        ({"annotations": [3]}, "no list of objects"),
        ({"image": {"file_name": "a.jpg", "height": 21, "width": 30}}, r"annotation 1 .*\(21, 30\)"),
    ],
)
def test_what_is_damaged_is_named(tmp_path: Path, record: MaskRecord, changes: dict, said: str):
    path = tmp_path / "cup.json"
    write_mask_records(path, "cup.jpg", (20, 30), [record])
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    for read in (read_mask_records, read_sa1b_file):
        with pytest.raises(ValueError, match=said) as error:
            read(path)
        assert "cup.json" in str(error.value)
    with pytest.raises(FileNotFoundError):
        read_sa1b_file(tmp_path / "nowhere.json")
