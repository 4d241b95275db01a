"""Predicted masks as files: both layouts, whole sequences only, and zips for servers."""

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.datasets.annotations import LabelMaps, ObjectFolders
from masklet.datasets.sequences import VideoDataset
from masklet.evaluation.prediction_folder import PredictionFolder, palette_of, write_submission_zip
from masklet.io.label_maps import davis_palette, read_palette

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
    for name in (".goat.part", ".hen.part"):
        (tmp_path / name).mkdir()
    folder.remove_partial("goat")
    folder.remove_partial("cow")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hen.part", "bear"]


@pytest.mark.parametrize("object_id", [0, 256])
def test_ids_that_a_label_map_cannot_hold(tmp_path: Path, object_id: int) -> None:
    folder = PredictionFolder(root=tmp_path)
    with pytest.raises(ValueError, match=f"cannot hold the object {object_id}"), folder.write("bear") as write:
        write("00000", {object_id: LEFT})
    assert not folder.has("bear")


@pytest.fixture
def two(make_squares, tmp_path: Path) -> VideoDataset:
    """Two sequences whose frames have masks in masks/."""
    dataset = VideoDataset(name="two", sequences=(make_squares("goat"), make_squares("bear")), has_truth=False)
    for sequence in dataset.sequences:
        with PredictionFolder(root=tmp_path / "masks").write(sequence.name) as write:
            for frame in sequence.frame_names:
                write(frame, {1: LEFT})
    return dataset


@pytest.mark.parametrize(("top", "prefix"), [("", ""), ("Annotations", "Annotations/")])
def test_submission(tmp_path: Path, two: VideoDataset, top: str, prefix: str) -> None:
    write_submission_zip(tmp_path / "a.zip", tmp_path / "masks", replace(two, submission_folder=top))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        expected = [f"{prefix}{name}/{index:05d}.png" for name in ("bear", "goat") for index in range(10)]
        assert archive.namelist() == expected
        assert archive.read(expected[0]) == (tmp_path / "masks" / "bear" / "00000.png").read_bytes()


def test_a_server_that_asks_for_some_frames(tmp_path: Path, two: VideoDataset) -> None:
    for name in ("bear", "goat"):
        (tmp_path / "valid" / name).mkdir(parents=True)
        for frame in ("00000", "00005"):
            Image.new("L", (2, 2)).save(tmp_path / "valid" / name / f"{frame}.jpg")
    asked = replace(two, submission_pictures=tmp_path / "valid")
    write_submission_zip(tmp_path / "a.zip", tmp_path / "masks", asked)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == [
            f"{name}/{frame}.png" for name in ("bear", "goat") for frame in ("00000", "00005")
        ]


def test_a_submission_of_pictures_by_object(make_squares, tmp_path: Path) -> None:
    sequence = make_squares("goat")
    with PredictionFolder(root=tmp_path / "masks", per_object=True).write("goat") as write:
        for frame in sequence.frame_names:
            write(frame, {0: LEFT, 3: RIGHT})
    dataset = VideoDataset(name="one", sequences=(sequence,), has_truth=False)
    write_submission_zip(tmp_path / "a.zip", tmp_path / "masks", dataset)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist()[9:11] == ["goat/000/00009.png", "goat/003/00000.png"]


def test_the_same_masks_make_the_same_submission(tmp_path: Path, two: VideoDataset) -> None:
    write_submission_zip(tmp_path / "a.zip", tmp_path / "masks", two)
    for file in (tmp_path / "masks").rglob("*.png"):
        file.touch()
    write_submission_zip(tmp_path / "b.zip", tmp_path / "masks", replace(two, sequences=two.sequences[::-1]))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_submission_is_complete(tmp_path: Path, two: VideoDataset) -> None:
    (tmp_path / "masks" / "bear" / "00003.png").unlink()
    with pytest.raises(FileNotFoundError, match="00003"):
        write_submission_zip(tmp_path / "a.zip", tmp_path / "masks", two)
    shutil.rmtree(tmp_path / "masks" / "goat")
    with pytest.raises(FileNotFoundError, match="no masks of goat"):
        write_submission_zip(tmp_path / "a.zip", tmp_path / "masks", two)
    assert not (tmp_path / "a.zip").exists()
