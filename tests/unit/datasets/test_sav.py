from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from masklet.datasets.sav import read_sav, read_sav_train

FRAMES = [f"{number:05d}" for number in range(9)]


@pytest.fixture
def root(tmp_path: Path, make_dataset: Callable[..., None]) -> Path:
    """The folder with sav_val and sav_test."""
    for split in ("val", "test"):
        folder = tmp_path / f"sav_{split}"
        make_dataset(
            folder / "JPEGImages_24fps",
            folder / "Annotations_6fps",
            ["sav_000262"],
            frames=FRAMES,
            annotated=FRAMES[::4],
            ids=(0, 1),
            per_object=True,
        )
        (folder / f"sav_{split}.txt").write_text("sav_000262\n")
    return tmp_path


def test_val_and_test(root: Path):
    dataset = read_sav(root)
    assert dataset.name == "SA-V val"
    assert dataset.has_truth
    assert dataset.per_object
    assert dataset.appearing_later
    (sequence,) = dataset.sequences
    assert sequence.annotated == {0: "00000", 4: "00004", 8: "00008"}
    assert [mask.any() for mask in sequence.annotations.read("00004").values()] == [True, True]
    assert list(sequence.annotations.read("00004")) == [0, 1]


def test_the_split_is_found_where_there_is_one(root: Path):
    assert read_sav(root / "sav_val").name == "SA-V val"
    assert read_sav(root / "sav_test").name == "SA-V test"
    assert read_sav(root, "test").sequences[0].video.parts[-3:] == ("sav_test", "JPEGImages_24fps", "sav_000262")
    (root / "sav_val").rename(root / "away")
    assert read_sav(root).name == "SA-V test"
    with pytest.raises(FileNotFoundError, match=r"no list of sequences .*sav_val\.txt"):
        read_sav(root, "val")
    with pytest.raises(ValueError, match="SA-V has no split 'train': name one of val, test"):
        read_sav(root, "train")


@pytest.fixture
def train(tmp_path: Path, make_video: Callable[..., Path], make_masklets: Callable[..., dict[str, Any]]) -> Path:
    for number, folder in {1: "sav_000", 2: "sav_000", 3: "."}.items():
        stem = tmp_path / folder / f"sav_{number:06d}"
        make_video(stem.with_suffix(".mp4"))
        make_masklets(stem.with_name(f"{stem.name}_manual.json"))
        if number != 2:
            make_masklets(stem.with_name(f"{stem.name}_auto.json"), ids=(0, 1, 2))
    (tmp_path / "._sav_000003.mp4").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("split", "numbers", "num_objects"),
    [(None, [1, 2, 3], [2, 2, 2]), ("auto", [1, 3], [3, 3]), ("both", [1, 2, 3], [5, 2, 5])],
)
def test_training_videos(train: Path, split: str | None, numbers: list[int], num_objects: list[int]):
    dataset = read_sav_train(train, split)
    assert dataset.name == f"SA-V train, {split or 'manual'}"
    assert [sequence.name for sequence in dataset.sequences] == [f"sav_{number:06d}" for number in numbers]
    assert dataset.per_object
    assert dataset.has_truth
    assert [len(sequence.annotations.read("00004")) for sequence in dataset.sequences] == num_objects
    assert dataset.sequences[0].annotated == {0: "00000", 4: "00004", 8: "00008"}


def test_no_json_is_read(train: Path):
    for file in train.rglob("*.json"):
        file.write_text("")
    assert len(read_sav_train(train).sequences) == 3


def test_some_training_videos_alone(train: Path):
    (train / "sav_000003_manual.json").unlink()
    names = [sequence.name for sequence in read_sav_train(train, only=["sav_000001"]).sequences]
    assert names == ["sav_000001"]
    with pytest.raises(ValueError, match=r"no sequence sav_000002 \(did you mean sav_00000"):
        read_sav_train(train, "auto", ["sav_000002"])


def test_what_is_missing_in_training(train: Path):
    with pytest.raises(ValueError, match="no split 'train': name one of manual, auto, both"):
        read_sav_train(train, "train")
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        read_sav_train(train / "nowhere")
    (train / "sav_000003.mp4").unlink()
    for split in ("manual", "auto"):
        with pytest.raises(FileNotFoundError, match=r"lack sav_000003\.mp4, though there are masks"):
            read_sav_train(train, split)
    for file in train.rglob("*_auto.json"):
        file.unlink()
    with pytest.raises(FileNotFoundError, match=r"no training videos: ID\.mp4 with ID_auto\.json"):
        read_sav_train(train, "auto")
    for file in train.rglob("*_manual.json"):
        file.unlink()
    with pytest.raises(FileNotFoundError, match=r"lack sav_000001_manual\.json, sav_000002_manual\.json, though"):
        read_sav_train(train)
    for file in train.rglob("*.mp4"):
        file.unlink()
    with pytest.raises(FileNotFoundError, match=r"no training videos: ID\.mp4 with ID_manual\.json"):
        read_sav_train(train)


def test_two_videos_of_one_name(train: Path, make_video: Callable[..., Path]):
    make_video(train / "sav_001" / "sav_000001.mp4")
    with pytest.raises(ValueError, match=r"sav_000.sav_000001\.mp4 and .*sav_001.sav_000001\.mp4 have one name"):
        read_sav_train(train)
