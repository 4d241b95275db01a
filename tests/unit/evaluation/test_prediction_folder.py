"""Predicted masks as files: both layouts, whole sequences only, and zips for servers."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.evaluation.annotations import LabelMaps, ObjectFolders
from masklet.evaluation.label_maps import davis_palette, read_palette
from masklet.evaluation.prediction_folder import PredictionFolder, palette_of, write_submission_zip

SIZE = (6, 8)
LEFT, RIGHT = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
LEFT[:, :5], RIGHT[:, 3:] = True, True


def test_label_maps_where_the_lowest_id_wins(tmp_path: Path) -> None:
    folder = PredictionFolder(root=tmp_path / "masks")
    with folder.write("bear") as write:
        write("00000", {2: RIGHT, 1: LEFT})
        write("00001", {2: RIGHT, 1: np.zeros(SIZE, bool)})
    masks = LabelMaps(tmp_path / "masks" / "bear")
    assert masks.frames == ("00000", "00001")
    assert (masks.read("00000")[1] == LEFT).all()
    assert (masks.read("00000")[2] == (RIGHT & ~LEFT)).all()
    assert masks.read("00001").keys() == {2}
    assert read_palette(masks.path("00000")) == davis_palette()


def test_the_palette_of_the_annotations_is_kept(tmp_path: Path) -> None:
    palette = davis_palette()[::-1]
    folder = PredictionFolder(root=tmp_path)
    with folder.write("bear", palette) as write:
        write("00000", {1: LEFT})
    assert palette_of(LabelMaps(tmp_path / "bear")) == palette


def test_annotations_without_a_palette(tmp_path: Path) -> None:
    Image.fromarray(LEFT.astype(np.uint8)).save(tmp_path / "0.png")
    assert palette_of(LabelMaps(tmp_path)) is None


def test_a_picture_an_object(tmp_path: Path) -> None:
    folder = PredictionFolder(root=tmp_path, per_object=True)
    with folder.write("bear") as write:
        write("00004", {0: LEFT, 12: RIGHT})
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")} == {
        "bear/000/00004.png",
        "bear/012/00004.png",
    }
    masks = ObjectFolders(tmp_path / "bear").read("00004")
    assert (masks[0] == LEFT).all()
    assert (masks[12] == RIGHT).all()
    assert np.unique(np.asarray(Image.open(tmp_path / "bear" / "012" / "00004.png"))).tolist() == [0, 1]


def test_a_sequence_is_there_when_it_is_whole(tmp_path: Path) -> None:
    folder = PredictionFolder(root=tmp_path)
    stopped = folder.write("bear")
    stopped.__enter__()("00000", {1: LEFT})
    assert not folder.has("bear")
    assert not stopped.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert not folder.has("bear")
    assert list(tmp_path.iterdir()) == []
    with folder.write("bear") as write:
        write("00001", {1: LEFT})
    assert folder.has("bear")
    assert [path.name for path in tmp_path.rglob("*.png")] == ["00001.png"]


def test_what_a_killed_run_left_goes(tmp_path: Path) -> None:
    folder = PredictionFolder(root=tmp_path)
    (tmp_path / ".bear.part").mkdir()
    (tmp_path / ".bear.part" / "00000.png").touch()
    with folder.write("bear") as write:
        write("00001", {1: LEFT})
    assert [path.name for path in tmp_path.rglob("*.png")] == ["00001.png"]
    (tmp_path / ".goat.part").mkdir()
    folder.remove_partial()
    assert [path.name for path in tmp_path.iterdir()] == ["bear"]


@pytest.mark.parametrize("object_id", [0, 256])
def test_ids_that_a_label_map_cannot_hold(tmp_path: Path, object_id: int) -> None:
    folder = PredictionFolder(root=tmp_path)
    with pytest.raises(ValueError, match=f"cannot hold the object {object_id}"), folder.write("bear") as write:
        write("00000", {object_id: LEFT})
    assert not folder.has("bear")


@pytest.fixture
def two(tmp_path: Path) -> Path:
    for name in ("goat", "bear"):
        with PredictionFolder(root=tmp_path / "masks").write(name) as write:
            for frame in ("10", "9"):
                write(frame, {1: LEFT})
    return tmp_path / "masks"


@pytest.mark.parametrize(("top", "prefix"), [("", ""), ("Annotations", "Annotations/")])
def test_submission(tmp_path: Path, two: Path, top: str, prefix: str) -> None:
    write_submission_zip(tmp_path / "a.zip", two, ["goat", "bear"], top=top)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        expected = ["bear/9.png", "bear/10.png", "goat/9.png", "goat/10.png"]
        assert archive.namelist() == [prefix + name for name in expected]
        assert archive.read(f"{prefix}bear/9.png") == (two / "bear" / "9.png").read_bytes()


def test_the_same_masks_make_the_same_submission(tmp_path: Path, two: Path) -> None:
    write_submission_zip(tmp_path / "a.zip", two, ["goat", "bear"])
    for file in two.rglob("*.png"):
        file.touch()
    write_submission_zip(tmp_path / "b.zip", two, ["bear", "goat"])
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_submission_is_complete(tmp_path: Path, two: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no masks of cow, hen"):
        write_submission_zip(tmp_path / "a.zip", two, ["bear", "cow", "hen"])
    assert not (tmp_path / "a.zip").exists()
