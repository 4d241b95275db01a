import contextlib
import errno
import io
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from masklet.io.formats.coco import CocoWriter, coco_annotation, coco_categories, coco_image, read_coco
from masklet.io.formats.picture import AnnotatedPicture, ObjectMask, VideoInfo
from masklet.ops.rle import encode_rle

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own


def write(folder: Path, pictures: list[AnnotatedPicture], video: VideoInfo | None = None) -> Path:
    with CocoWriter(folder, video=video) as writer:
        for picture in pictures:
            writer.write(picture)
    return folder / "annotations.json"


def load(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def test_pictures_come_back(tmp_path: Path, hard_pictures: list[AnnotatedPicture]):
    path = write(tmp_path, hard_pictures)
    assert list(read_coco(path)) == list(read_coco(tmp_path)) == hard_pictures
    assert [file.name for file in tmp_path.iterdir()] == ["annotations.json"]


def test_pycocotools_loads_the_same_masks(tmp_path: Path, hard_pictures: list[AnnotatedPicture]):
    coco = load(write(tmp_path, hard_pictures))
    assert [image["file_name"] for image in coco.loadImgs(coco.getImgIds())] == ["a/cup.jpg", "jug.png"]
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["cup", "handle, left"]
    annotations = coco.loadAnns(coco.getAnnIds(imgIds=[1]))
    assert [annotation["id"] for annotation in annotations] == [1, 2, 3, 4, 5]
    for annotation, found in zip(annotations, hard_pictures[0].objects, strict=True):
        np.testing.assert_array_equal(coco.annToMask(annotation).astype(bool), found.mask)
        assert (annotation["area"], annotation["bbox"]) == (found.area, list(found.box))
        assert (annotation["score"], annotation["iscrowd"]) == (found.score, 0)
        assert coco.loadCats(annotation["category_id"])[0]["name"] == found.label


def test_a_file_is_right_by_itself(tmp_path: Path, hard_pictures: list[AnnotatedPicture]):
    truth = load(write(tmp_path, hard_pictures))
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(list(truth.anns.values())), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)


def test_a_video_has_tracks(tmp_path: Path, hard_pictures: list[AnnotatedPicture]):
    first, second = hard_pictures[0].objects[:2]
    hidden = ObjectMask.of_mask(np.zeros((120, 160), bool), first.id)
    frames = [
        AnnotatedPicture(name=f"{index:05d}.jpg", height=120, width=160, objects=objects, frame_index=index)
        for index, objects in ((0, (first, second)), (4, (hidden, second)))
    ]
    path = write(tmp_path, frames, VideoInfo(name="clip", height=120, width=160, num_frames=5))
    contents = json.loads(path.read_text())
    assert contents["videos"] == [{"id": 1, "name": "clip", "width": 160, "height": 120, "length": 5}]
    assert [(image["video_id"], image["frame_id"]) for image in contents["images"]] == [(1, 0), (1, 4)]
    tracks = [(annotation["image_id"], annotation["track_id"]) for annotation in contents["annotations"]]
    assert tracks == [(1, 1), (1, 2), (2, 2)]
    back = list(read_coco(path))
    assert back[0] == frames[0]
    assert back[1].objects == (second,)
    assert back[1].frame_index == 4


def test_polygons_and_crowds_of_others_are_read(tmp_path: Path):
    mask = np.zeros((10, 12), bool)
    mask[3:7, 2:8] = True
    rle = encode_rle(~mask)
    contents = {
        "images": [{"id": 7, "file_name": "a.jpg", "height": 10, "width": 12}],
        "annotations": [
            {"id": 3, "image_id": 7, "category_id": 2, "segmentation": rle, "iscrowd": 1},
            {"id": 5, "image_id": 7, "category_id": 2, "segmentation": [[2, 3, 8, 3, 8, 7, 2, 7]], "iscrowd": 0},
        ],
        "categories": [{"id": 2, "name": "person"}],
    }
    (tmp_path / "x.json").write_text(json.dumps(contents))
    (picture,) = read_coco(tmp_path / "x.json")
    assert [(found.id, found.label) for found in picture.objects] == [(1, "person"), (2, "person (crowd)")]
    np.testing.assert_array_equal(picture.objects[0].mask, mask)
    np.testing.assert_array_equal(picture.objects[1].mask, ~mask)
    again = json.loads(write(tmp_path, [picture]).read_text())
    assert [entry["name"] for entry in again["categories"]] == ["person"]
    assert [entry["iscrowd"] for entry in again["annotations"]] == [0, 1]


def test_what_is_damaged_is_named(tmp_path: Path, hard_pictures: list[AnnotatedPicture]):
    path = write(tmp_path, hard_pictures)
    contents = json.loads(path.read_text())
    contents["annotations"][2]["segmentation"]["counts"] = "0"
    path.write_text(json.dumps(contents))
    with pytest.raises(ValueError, match=r"annotation 3 of .*annotations\.json cannot be read: .*do not fill"):
        list(read_coco(path))
    del contents["images"][1]["height"]
    contents["annotations"] = []
    path.write_text(json.dumps(contents))
    with pytest.raises(ValueError, match=r"image 2 of .*height and width are not given"):
        list(read_coco(path))


def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, hard_pictures: list[AnnotatedPicture], monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "annotations.json").write_text("before")
    writer = CocoWriter(tmp_path)
    writer.write(hard_pictures[0])

    def fail(_: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writer._file, "write", fail)
    with pytest.raises(OSError, match="No space left"):
        writer.write(hard_pictures[1])
    assert (tmp_path / "annotations.json").read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == ["annotations.json"]


def test_memory_does_not_grow(tmp_path: Path):
    mask = np.random.default_rng(0).random((60, 80)) < 0.5
    found = ObjectMask.of_mask(mask, 1)
    tracemalloc.start()
    with CocoWriter(tmp_path) as writer:
        for index in range(400):
            writer.write(AnnotatedPicture(name=f"{index}.jpg", height=60, width=80, objects=(found,)))
            if index == 100:
                before = tracemalloc.get_traced_memory()[0]
        grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    size = (tmp_path / "annotations.json").stat().st_size
    assert size > 1_000_000
    assert grown < size / 10


def test_records():
    mask = np.zeros((20, 30), bool)
    mask[2:7, 4:14] = True
    found = ObjectMask.of_mask(mask, 9)
    assert coco_image("photos/a.jpg", (20, 30), 7) == {"id": 7, "file_name": "photos/a.jpg", "width": 30, "height": 20}
    annotation = coco_annotation(found, 3, 7)
    assert "score" not in annotation
    assert (annotation["bbox"], annotation["area"], annotation["category_id"]) == ((4, 2, 10, 5), 50, 1)
    assert coco_categories() == [{"id": 1, "name": "object", "supercategory": "object"}]


def write_raw(path: Path, images: list[dict], annotations: list[dict], name: str = "cup") -> Path:
    categories = [{"id": 1, "name": name}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


SQUARE = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]]}


@pytest.mark.parametrize("file_name", ["/data/cup.jpg", "../data/cup.jpg", "C:\\data\\cup.jpg"])
def test_files_of_others_are_read(tmp_path: Path, file_name: str):
    image = {"id": 1, "file_name": file_name, "height": 6.0, "width": 8}
    (picture,) = read_coco(write_raw(tmp_path / "a.json", [image], [SQUARE], name="cup\r\n"))
    assert (picture.name, picture.size, picture.objects[0].label) == ("data/cup.jpg", (6, 8), "cup")


def test_tracks_from_0_stay_apart_and_frames_come_in_order(tmp_path: Path):
    images = [{"id": 9 - i, "file_name": f"{i}.jpg", "height": 6, "width": 8, "frame_id": i} for i in (2, 0, 1)]
    tracks = {9: [0, 1], 8: [1], 7: [0, 5]}
    annotations = [SQUARE | {"image_id": id_, "track_id": track} for id_ in tracks for track in tracks[id_]]
    pictures = list(read_coco(write_raw(tmp_path / "a.json", images, annotations)))
    assert [picture.frame_index for picture in pictures] == [0, 1, 2]
    assert [[found.id for found in picture.objects] for picture in pictures] == [[1, 2], [2], [1, 6]]


def test_sizes_that_no_picture_has(tmp_path: Path):
    image = {"id": 1, "file_name": "a.jpg"}
    huge = {"size": [10**6, 10**6], "counts": [10**12]}
    for size in ({"height": 10**6, "width": 10**6}, {"height": 6, "width": 8}, {}):
        with pytest.raises(ValueError, match="height and width"):
            next(read_coco(write_raw(tmp_path / "a.json", [image | size], [SQUARE | {"segmentation": huge}])))
    with pytest.raises(ValueError, match="not given"):
        next(read_coco(write_raw(tmp_path / "a.json", [image | {"height": None, "width": None}], [SQUARE])))
