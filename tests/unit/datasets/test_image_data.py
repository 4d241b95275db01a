"""Annotated pictures in the layouts that are known, and what is wrong with them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.datasets.image_data import open_image_dataset
from masklet.datasets.regions import Region
from masklet.io.files import write_mask_png
from masklet.io.label_maps import write_labels
from masklet.ops.rle import encode_rle

SIZE = (20, 30)


def save_picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE[::-1]).save(path)


def labels() -> np.ndarray:
    """Two objects, 1 and 4."""
    found = np.zeros(SIZE, np.int32)
    found[2:8, 2:10], found[10:, 15:] = 1, 4
    return found


def by_name(regions: list[Region]) -> dict[str, np.ndarray]:
    return {region.name: region.mask for region in regions}


def check(regions: list[Region], names: tuple[str, str] = ("1", "4")) -> None:
    found = by_name(regions)
    assert list(found) == list(names)
    assert (found[names[0]] == (labels() == 1)).all()
    assert (found[names[1]] == (labels() == 4)).all()


def write_coco(path: Path, file_name: str = "a.jpg") -> None:
    entries = [
        {"id": id_, "image_id": 1, "segmentation": encode_rle(labels() == id_), "iscrowd": int(id_ == 9)}
        for id_ in (1, 4, 9)
    ]
    images = [{"id": 1, "file_name": file_name}, {"id": 2, "file_name": "without.jpg"}]
    path.write_text(json.dumps({"images": images, "annotations": entries}))


@pytest.mark.parametrize(
    ("file", "picture"),
    [
        ("annotations.json", "a.jpg"),
        ("my_coco.json", "images/a.jpg"),
        ("lvis_v1.json", "a.jpg"),
    ],
)
def test_coco_is_recognised(tmp_path: Path, file: str, picture: str) -> None:
    save_picture(tmp_path / picture)
    write_coco(tmp_path / file)
    for given in (tmp_path, tmp_path / file):
        dataset = open_image_dataset(given)
        assert (dataset.kind, dataset.areas) == ("coco", (0, 1))
        (image,) = dataset.images
        assert image.path == tmp_path / picture
        check(image.read())
        assert dataset.notes == (
            "1 crowd annotations were left out",
            "1 pictures without annotations were left out",
        )


def test_coco_pictures_may_be_elsewhere(tmp_path: Path) -> None:
    save_picture(tmp_path / "val" / "a.jpg")
    write_coco(tmp_path / "x.json", file_name="train2017/a.jpg")
    dataset = open_image_dataset(tmp_path / "x.json", pictures=tmp_path / "val")
    assert dataset.images[0].path == tmp_path / "val" / "a.jpg"
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        open_image_dataset(tmp_path / "x.json", pictures=tmp_path / "nowhere")


def test_a_missing_picture_keeps_its_place(tmp_path: Path) -> None:
    write_coco(tmp_path / "annotations.json")
    assert open_image_dataset(tmp_path).images[0].path == tmp_path / "a.jpg"


def test_several_coco_files_are_not_guessed_at(tmp_path: Path) -> None:
    for name in ("a_coco.json", "b_coco.json"):
        write_coco(tmp_path / name)
    with pytest.raises(ValueError, match=r"a_coco\.json, b_coco\.json"):
        open_image_dataset(tmp_path)


def test_bsds_takes_the_first_annotator(tmp_path: Path) -> None:
    for name in ("a10", "a9"):
        save_picture(tmp_path / f"{name}.jpg")
        np.savez(tmp_path / f"{name}.npz", segmentations=np.stack((labels(), 0 * labels())).astype(np.uint16))
    dataset = open_image_dataset(tmp_path)
    assert (dataset.kind, dataset.areas) == ("bsds", (0.01, 0.5))
    assert [image.name for image in dataset.images] == ["a9.jpg", "a10.jpg"]
    regions = by_name(dataset.images[0].read())
    assert list(regions) == ["0", "1", "4"], "what no object is called is a region too"
    assert sum(mask.sum() for mask in regions.values()) == labels().size


@pytest.mark.parametrize(
    "arrays", [{"other": np.zeros(3)}, {"segmentations": np.zeros((4, 4), int)}, {"segmentations": np.zeros((1, 4, 4))}]
)
def test_what_is_no_bsds_file(tmp_path: Path, arrays) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    (image,) = open_image_dataset(tmp_path).images
    with pytest.raises(ValueError, match=r"a\.npz has"):
        image.read()


def test_a_damaged_bsds_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ValueError, match=r"a\.npz has no array"):
        open_image_dataset(tmp_path).images[0].read()


def test_sa1b(tmp_path: Path) -> None:
    save_picture(tmp_path / "sa_1.jpg")
    entries = [{"id": id_, "segmentation": encode_rle(labels() == id_)} for id_ in (1, 4)]
    (tmp_path / "sa_1.json").write_text(json.dumps({"image": {}, "annotations": entries}))
    (tmp_path / "sa_2.json").write_text("{}")
    dataset = open_image_dataset(tmp_path)
    assert dataset.kind == "sa1b"
    check(dataset.images[0].read())
    with pytest.raises(ValueError, match=r"sa_2\.json lacks annotations"):
        dataset.images[1].read()


def test_masks_in_either_form(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.png", "c.jpg", "d.jpg"):
        save_picture(tmp_path / "images" / name)
    masks = tmp_path / "masks"
    for name in ("b", "d"):
        (masks / name).mkdir(parents=True)
    write_labels(masks / "a.png", labels())
    for name, id_ in (("cup", 1), ("table", 4)):
        write_mask_png(masks / "b" / f"{name}.png", labels() == id_)
    Image.new("RGB", SIZE[::-1], "red").save(masks / "c.png")
    dataset = open_image_dataset(tmp_path)
    a, b, c, d = dataset.images
    assert dataset.kind == "masks"
    check(a.read())
    check(b.read(), ("cup", "table"))
    with pytest.raises(ValueError, match=r"c\.png is a picture of mode RGB"):
        c.read()
    with pytest.raises(ValueError, match="d has no masks in it"):
        d.read()


def test_masks_and_pictures_must_belong_together(tmp_path: Path) -> None:
    save_picture(tmp_path / "images" / "a.jpg")
    (tmp_path / "masks").mkdir()
    (image,) = open_image_dataset(tmp_path).images
    with pytest.raises(FileNotFoundError, match=r"a\.png"):
        image.read()
    write_labels(tmp_path / "masks" / "other.png", labels())
    with pytest.raises(ValueError, match=r"other\.png is of a picture that .*images has not"):
        open_image_dataset(tmp_path)


def test_masks_of_pictures_with_dots_in_their_names(tmp_path: Path) -> None:
    for name in ("a.b.jpg", "a.c.jpg"):
        save_picture(tmp_path / "images" / name)
    (tmp_path / "masks" / "a.b").mkdir(parents=True)
    write_mask_png(tmp_path / "masks" / "a.b" / "cup.png", labels() == 1)
    write_labels(tmp_path / "masks" / "a.c.png", labels())
    folder, label_map = open_image_dataset(tmp_path).images
    assert [region.name for region in folder.read()] == ["cup"]
    check(label_map.read())


def test_masks_that_would_be_taken_for_others_are_refused(tmp_path: Path) -> None:
    save_picture(tmp_path / "images" / "a.jpg")
    (tmp_path / "masks" / "a").mkdir(parents=True)
    write_labels(tmp_path / "masks" / "a.png", labels())
    with pytest.raises(ValueError, match=r"masks.a and .*masks.a\.png are both"):
        open_image_dataset(tmp_path)
    (tmp_path / "masks" / "a").rmdir()
    save_picture(tmp_path / "images" / "a.png")
    with pytest.raises(ValueError, match=r"images.a\.jpg and .*images.a\.png are both called a"):
        open_image_dataset(tmp_path)


def test_nothing_known_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"looked for annotations\.json .*coco, bsds, sa1b, masks"):
        open_image_dataset(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        open_image_dataset(tmp_path / "nowhere")
    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="neither a folder nor a COCO file"):
        open_image_dataset(tmp_path / "photo.jpg")
    with pytest.raises(ValueError, match="no annotated pictures of kind 'sa1b'"):
        open_image_dataset(tmp_path, "sa1b")
    with pytest.raises(ValueError, match="none of"):
        open_image_dataset(tmp_path, "coco")
    with pytest.raises(NotADirectoryError, match="is a folder"):
        open_image_dataset(tmp_path / "photo.jpg", "masks")
    with pytest.raises(ValueError, match="only COCO files"):
        open_image_dataset(tmp_path, "bsds", pictures=tmp_path)
