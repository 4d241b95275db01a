"""Pictures with masks in each format: what is read, and what is said where it does not fit."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.datasets.image_data import open_image_dataset
from masklet.io.files import write_mask_png
from masklet.io.label_maps import write_labels
from masklet.ops.rle import encode_rle
from masklet.training.data.images import (
    CocoImages,
    CocoImagesConfig,
    ImageFolder,
    ImageFolderConfig,
    Sa1bImages,
    Sa1bImagesConfig,
)
from masklet.training.data.pictures import PictureClips

SIZE = (20, 30)


def labels() -> np.ndarray:
    """Objects 1 and 4, and what 255 leaves out."""
    found = np.zeros(SIZE, np.int32)
    found[2:8, 2:10], found[10:, 15:], found[0, :] = 1, 4, 255
    return found


def save_picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels().astype(np.uint8) * 60).save(path)


def draw(source: PictureClips, index: int = 0) -> set[bytes]:
    """The masks of a clip, as bytes, in no order."""
    clip = source.draw(index, np.random.default_rng(0))
    assert clip.frames.shape == (1, *SIZE, 3)
    assert clip.masks.dtype == bool
    return {mask.tobytes() for mask in clip.masks[0]}


def objects(*values: int) -> set[bytes]:
    return {(labels() == value).tobytes() for value in values}


def folder_config(root: Path, **values) -> ImageFolderConfig:
    return ImageFolderConfig(**{"images": root / "images", "masks": root / "masks", **values})


def test_a_folder_in_all_forms(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        save_picture(tmp_path / "images" / f"{name}.jpg")
    masks = tmp_path / "masks"
    (masks / "b").mkdir(parents=True)
    write_labels(masks / "a.png", labels())
    for number, id_ in enumerate((1, 4)):
        write_mask_png(masks / "b" / f"{number:03d}.png", labels() == id_)
    write_mask_png(masks / "c.png", labels() > 0)
    source = ImageFolder(folder_config(tmp_path))
    assert len(source) == 3
    assert draw(source, 0) == objects(1, 4, 255)
    assert draw(source, 1) == objects(1, 4)
    assert draw(source, 2) == {(labels() > 0).tobytes()}
    ignoring = ImageFolder(folder_config(tmp_path, ignore_value=255))
    assert draw(ignoring, 0) == objects(1, 4)
    parts = ImageFolder(folder_config(tmp_path, objects="components"))
    assert draw(parts, 2) == objects(1, 4, 255)


def test_masks_beside_pictures(tmp_path: Path) -> None:
    save_picture(tmp_path / "a.png")
    write_labels(tmp_path / "a_mask.png", labels())
    source = ImageFolder(ImageFolderConfig(images=tmp_path, masks=tmp_path, mask_suffix="_mask"))
    assert len(source) == 1
    assert draw(source) == objects(1, 4, 255)


def test_missing_masks_are_counted_before_training(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        save_picture(tmp_path / "images" / f"{name}.jpg")
    (tmp_path / "masks").mkdir()
    write_labels(tmp_path / "masks" / "a.png", labels())
    with pytest.raises(FileNotFoundError, match=r"masks lacks the masks of 2 of 3 pictures: b\.png, c\.png"):
        ImageFolder(folder_config(tmp_path))
    (tmp_path / "out.txt").write_text("b\nc\n")
    assert len(ImageFolder(folder_config(tmp_path, exclude=tmp_path / "out.txt"))) == 1
    with pytest.raises(FileNotFoundError, match=r"no folder .*elsewhere"):
        ImageFolder(folder_config(tmp_path, masks=tmp_path / "elsewhere"))


def test_choices_for_a_folder_are_checked() -> None:
    with pytest.raises(ValueError, match="objects is 'binary', but the choices are labels, one, components"):
        folder_config(Path(), objects="binary")
    with pytest.raises(ValueError, match="ignore_value is of labels"):
        folder_config(Path(), objects="one", ignore_value=255)


def write_coco(path: Path) -> None:
    segmentations = {1: [[2, 2, 10, 2, 10, 8, 2, 8]], 4: encode_rle(labels() == 4), 9: encode_rle(labels() == 9)}
    annotations = [
        {"id": id_, "image_id": 7, "category_id": id_, "segmentation": value, "iscrowd": int(id_ == 9)}
        for id_, value in segmentations.items()
    ]
    path.write_text(
        json.dumps(
            {
                "images": [
                    {"id": 7, "file_name": "a.jpg", "height": SIZE[0], "width": SIZE[1]},
                    {"id": 8, "file_name": "without.jpg", "height": SIZE[0], "width": SIZE[1]},
                ],
                "annotations": annotations,
                "categories": [{"id": 1, "name": "cat"}, {"id": 4, "name": "dog"}, {"id": 5, "name": "bird"}],
            }
        )
    )


def test_coco(tmp_path: Path) -> None:
    save_picture(tmp_path / "train" / "a.jpg")
    file = tmp_path / "instances.json"
    write_coco(file)
    source = CocoImages(CocoImagesConfig(annotation_file=file, images=tmp_path / "train"))
    assert len(source) == 1
    assert draw(source) == objects(1, 4)
    dogs = CocoImages(CocoImagesConfig(annotation_file=file, images=tmp_path / "train", categories=("dog", "bird")))
    assert draw(dogs) == objects(4)
    (evaluated,) = open_image_dataset(file, pictures=tmp_path / "train").images
    assert {region.mask.tobytes() for region in evaluated.read()} == draw(source)


def test_what_is_wrong_with_coco(tmp_path: Path) -> None:
    file = tmp_path / "instances.json"
    write_coco(file)
    with pytest.raises(FileNotFoundError, match=r"no folder .*train"):
        CocoImages(CocoImagesConfig(annotation_file=file, images=tmp_path / "train"))
    with pytest.raises(FileNotFoundError, match=r"no picture .*a\.jpg, which .*instances\.json annotates"):
        CocoImages(CocoImagesConfig(annotation_file=file, images=tmp_path))
    save_picture(tmp_path / "a.jpg")
    with pytest.raises(ValueError, match=r"no category 'cats' \(did you mean cat\?\): it has cat, dog, bird"):
        CocoImages(CocoImagesConfig(annotation_file=file, images=tmp_path, categories=("cats",)))
    with pytest.raises(ValueError, match="has no pictures with masks"):
        CocoImages(CocoImagesConfig(annotation_file=file, images=tmp_path, categories=("bird",)))
    broken = json.loads(file.read_text())
    broken["annotations"][0]["segmentation"] = "all of it"
    file.write_text(json.dumps(broken))
    with pytest.raises(ValueError, match=r"annotation 1 of .*instances\.json cannot be read"):
        draw(CocoImages(CocoImagesConfig(annotation_file=file, images=tmp_path)))


def write_sa1b(folder: Path, name: str, **changes) -> None:
    save_picture(folder / f"{name}.jpg")
    annotations = [
        {
            "id": id_,
            "segmentation": encode_rle(labels() == id_),
            "predicted_iou": iou,
            "stability_score": 0.9,
            **changes,
        }
        for id_, iou in ((1, 0.8), (4, 0.95), (9, 0.99))
    ]
    (folder / f"{name}.json").write_text(json.dumps({"image": {}, "annotations": annotations}))


def test_sa1b(tmp_path: Path) -> None:
    write_sa1b(tmp_path / "sa_000001", "sa_2")
    write_sa1b(tmp_path / "sa_000000", "sa_1")
    source = Sa1bImages(Sa1bImagesConfig(folder=tmp_path))
    assert [source.draw(index, np.random.default_rng(0)).masks.shape[1] for index in range(len(source))] == [2, 2]
    assert draw(source) == objects(1, 4), "empty masks are left out"
    assert draw(Sa1bImages(Sa1bImagesConfig(folder=tmp_path, min_predicted_iou=0.9))) == objects(4)
    assert draw(Sa1bImages(Sa1bImagesConfig(folder=tmp_path, max_area=0.2))) == objects(1)
    with pytest.raises(ValueError, match=r"sa_1\.json has no object to learn from: of 0 "):
        draw(Sa1bImages(Sa1bImagesConfig(folder=tmp_path, min_stability=0.95)))


def test_what_is_wrong_with_sa1b(tmp_path: Path) -> None:
    write_sa1b(tmp_path, "sa_1", predicted_iou=None)
    source = Sa1bImages(Sa1bImagesConfig(folder=tmp_path, min_predicted_iou=0.5))
    with pytest.raises(ValueError, match=r"sa_1\.json has an annotation without a number 'predicted_iou'"):
        draw(source)
    (tmp_path / "sa_1.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"sa_1\.jpg"):
        draw(source)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty has no pictures with masks"):
        Sa1bImages(Sa1bImagesConfig(folder=tmp_path / "empty"))
    with pytest.raises(ValueError, match="min_stability is 95, but it must be from 0 to 1"):
        Sa1bImagesConfig(folder=tmp_path, min_stability=95)
