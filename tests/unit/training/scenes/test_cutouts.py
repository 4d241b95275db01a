"""Cut-outs: cleaned, cut from labelled pictures without their background, and written as they come."""

import cv2
import numpy as np
import pytest
from PIL import Image

from masklet.io.files import write_mask_png
from masklet.io.label_maps import write_labels
from masklet.training.scenes import cutouts
from masklet.training.scenes.cutouts import (
    KINDS,
    CutoutSource,
    clean_cutout,
    cut_out,
    find_cutouts,
    find_labelled,
    looks_photographed,
    prepare_cutouts,
)
from masklet.training.scenes.parts import find_parts, read_sources


def square_cutout(side: int = 60, margin: int = 20) -> np.ndarray:
    rgba = np.zeros((side + 2 * margin, side + 2 * margin, 4), np.uint8)
    rgba[margin:-margin, margin:-margin] = (10, 200, 90, 255)
    return rgba


def test_cleaning_trims_and_shrinks():
    cleaned = clean_cutout(square_cutout(), 48)
    assert cleaned is not None
    assert cleaned.shape == (48, 48, 4)
    assert (cleaned[..., 3] == 255).all()


def test_cleaning_multiplies_colour_by_alpha():
    rgba = square_cutout()
    rgba[20:23, 20:-20, 3] = 100
    rgba[..., :3] = 255
    cleaned = clean_cutout(rgba, 320)
    assert cleaned is not None
    assert (cleaned[..., :3] <= cleaned[..., 3:]).all()


@pytest.mark.parametrize("fault", ["empty", "opaque", "faint", "scattered", "thin"])
def test_what_makes_bad_masks_is_refused(fault):
    rgba = square_cutout()
    if fault == "empty":
        rgba[..., 3] = 0
    elif fault == "opaque":
        rgba[..., 3] = 255
    elif fault == "faint":
        rgba[20:60, 20:-20, 3] = 90
    elif fault == "scattered":
        rgba[45:55, :, 3] = 0
    else:
        rgba[..., 3] = 0
        rgba[np.arange(100), np.arange(100), 3] = 255
        rgba[np.arange(99), np.arange(1, 100), 3] = 255
    assert clean_cutout(rgba, 320) is None


def test_photographs_have_many_colours():
    flat = square_cutout()
    noisy = flat.copy()
    noisy[..., :3] = np.random.default_rng(0).integers(0, 256, (*flat.shape[:2], 3))
    assert looks_photographed(noisy)
    assert not looks_photographed(flat)


def test_no_background_shines_through_the_rim():
    mask = cv2.circle(np.zeros((100, 120), np.uint8), (60, 50), 30, 1, -1).view(bool)
    rgb = np.zeros((100, 120, 3), np.uint8)
    rgb[mask] = (220, 20, 20)
    blurred = cv2.GaussianBlur(rgb, (0, 0), 0.6)  # as a photograph's edge is mixed with what is behind it
    cut = cut_out(blurred, mask)
    assert (cut[cut[..., 3] > 0][:, 0] > 215).all()
    assert ((cut[..., 3] > 20) & (cut[..., 3] < 235)).any(), "the rim is soft"
    assert (cut[..., 3] > 127).sum() == pytest.approx(mask.sum(), rel=0.02)


def labelled(folder, labels: np.ndarray, name: str = "one") -> tuple:
    images, masks = folder / "images", folder / "masks"
    for place in (images, masks):
        place.mkdir(exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3)).astype(np.uint8)).save(
        images / f"{name}.jpg"
    )
    write_labels(masks / f"{name}.png", labels)
    return images, masks


def test_whole_objects_of_label_maps_become_cutouts(tmp_path):
    labels = np.zeros((90, 90), np.uint8)
    labels[10:40, 10:45] = 1
    labels[60:90, 30:60] = 2  # cut off below
    labels[0:2, 50:52] = 255
    counts = prepare_cutouts(find_labelled(*labelled(tmp_path, labels)), tmp_path)
    assert counts == dict.fromkeys((*KINDS, "unfit"), 0) | {"photo": 1}
    (part,) = find_parts(tmp_path, "cutouts_index.npy")
    _, height, width, kind = np.load(part / "cutouts_index.npy")[0]
    assert (height, width, kind) == (30, 35, KINDS.index("photo"))


def test_a_black_and_white_mask_is_an_object(tmp_path):
    labels = np.zeros((90, 90), np.uint8)
    labels[20:70, 20:70] = 255
    assert prepare_cutouts(find_labelled(*labelled(tmp_path, labels)), tmp_path)["photo"] == 1


def test_whole_objects_of_a_folder_of_masks_become_cutouts(tmp_path):
    images, masks = labelled(tmp_path, np.zeros((90, 90), np.uint8))
    (masks / "one.png").unlink()
    (masks / "one").mkdir()
    for number, rows in enumerate((slice(10, 50), slice(60, 90), slice(0))):
        mask = np.zeros((90, 90), bool)
        mask[rows, 20:60] = True
        write_mask_png(masks / "one" / f"{number}.png", mask)
    assert prepare_cutouts(find_labelled(images, masks), tmp_path)["photo"] == 1


def test_label_maps_fit_their_pictures(tmp_path):
    images, masks = labelled(tmp_path, np.ones((80, 90), np.uint8))
    with pytest.raises(ValueError, match=r"one\.png has 90 x 80 pixels, but .*one\.jpg 90 x 90"):
        prepare_cutouts(find_labelled(images, masks), tmp_path)
    (images / "one.jpg").rename(images / "other.jpg")
    with pytest.raises(ValueError, match=r"one\.png is of a picture that .*images has not"):
        find_labelled(images, masks)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        find_labelled(images, tmp_path / "nowhere")
    (masks / "one.png").unlink()
    with pytest.raises(ValueError, match="no masks of the pictures"):
        find_labelled(images, masks)


def test_pictures_with_alpha_are_found_below(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    Image.fromarray(square_cutout()).save(tmp_path / "a" / "b" / "one.png")
    Image.new("RGB", (50, 50)).save(tmp_path / "a" / "flat.png")
    (tmp_path / "a" / "broken.png").write_bytes(b"no picture")
    counts = prepare_cutouts(find_cutouts(tmp_path / "a"), tmp_path)
    assert (counts["drawing"], counts["unfit"]) == (1, 2)
    with pytest.raises(ValueError, match="no cut-outs"):
        find_cutouts(tmp_path / "prepared")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        find_cutouts(tmp_path / "nowhere")


def test_what_is_done_is_kept_when_stopped_and_not_done_again(tmp_path, monkeypatch):
    monkeypatch.setattr(cutouts, "PART_BYTES", 20_000)
    reads: list[int] = []

    def source(number: int, stop: bool = False) -> CutoutSource:
        def read() -> list:
            if stop:
                raise KeyboardInterrupt
            reads.append(number)
            return [(square_cutout(), "photo")]

        return CutoutSource(f"file {number}", read)

    with pytest.raises(KeyboardInterrupt):
        prepare_cutouts([source(0), source(1), source(2), source(3, stop=True)], tmp_path)
    assert read_sources(tmp_path, "cutouts") == {"file 0", "file 1", "file 2"}
    assert prepare_cutouts([source(number) for number in range(5)], tmp_path)["photo"] == 2
    assert reads == [0, 1, 2, 3, 4]
    parts = find_parts(tmp_path, "cutouts_index.npy")
    assert [len(np.load(part / "cutouts_index.npy")) for part in parts] == [2, 1, 2]
    for part in parts:
        pixels, index = np.load(part / "cutouts.npy"), np.load(part / "cutouts_index.npy")
        assert index[:, 0].tolist() == [60 * 60 * 4 * number for number in range(len(index))]
        assert len(pixels) == len(index) * 60 * 60 * 4
