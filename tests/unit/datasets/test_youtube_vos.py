import json
from collections.abc import Callable
from pathlib import Path

import pytest

from masklet.datasets.youtube_vos import read_youtube_vos

FIFTH = ["00000", "00005", "00010"]
ALL = [f"{number:05d}" for number in range(13)]


@pytest.fixture
def root(tmp_path: Path, make_dataset: Callable[..., None], make_pictures: Callable[..., Path]) -> Path:
    for split, annotated in {"train": FIFTH, "valid": ["00005"]}.items():
        folder = tmp_path / split
        make_dataset(folder / "JPEGImages", folder / "Annotations", ["0032", "0043"], frames=FIFTH, annotated=annotated)
        (folder / "meta.json").write_text(json.dumps({"videos": {"0032": {"objects": {}}, "0043": {"objects": {}}}}))
    for name in ("0032", "0043"):
        make_pictures(tmp_path / "valid_all_frames" / "JPEGImages" / name, ALL)
    return tmp_path


def test_splits(root: Path):
    valid, train = read_youtube_vos(root), read_youtube_vos(root, "train")
    assert (valid.name, valid.has_truth, valid.appearing_later) == ("YouTube-VOS valid", False, True)
    assert (train.name, train.has_truth, train.appearing_later) == ("YouTube-VOS train", True, True)
    assert valid.sequences[0].frame_names == tuple(FIFTH)
    assert valid.sequences[0].annotated == {1: "00005"}
    assert (valid.submission_folder, valid.submission_pictures) == ("Annotations", None)


@pytest.mark.parametrize("nested", [False, True])
def test_all_frames(root: Path, nested: bool):
    if nested:
        (root / "all_frames").mkdir()
        (root / "valid_all_frames").rename(root / "all_frames" / "valid_all_frames")
    dataset = read_youtube_vos(root, "valid_all_frames")
    assert dataset.name == "YouTube-VOS valid_all_frames"
    assert not dataset.has_truth
    assert len(dataset.sequences[0].frame_names) == 13
    assert dataset.submission_pictures == root / "valid" / "JPEGImages"
    assert dataset.sequences[0].annotated == {5: "00005"}


def test_what_is_missing(root: Path):
    with pytest.raises(FileNotFoundError, match="train_all_frames with YouTube-VOS's pictures of train_all_frames"):
        read_youtube_vos(root, "train_all_frames")
    with pytest.raises(FileNotFoundError, match=r"test with YouTube-VOS's masks of test: .* has train, valid"):
        read_youtube_vos(root, "test")
    (root / "train" / "JPEGImages" / "0043").rename(root / "train" / "JPEGImages" / "0055")
    with pytest.raises(FileNotFoundError, match="has no pictures of 0043"):
        read_youtube_vos(root, "train")
    (root / "train" / "meta.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"meta\.json: JSON with videos was expected"):
        read_youtube_vos(root, "train")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"meta\.json is no JSON"),
        ("{}", r"meta\.json lacks videos"),
        ('{"videos": {}}', r"meta\.json names no videos"),
        ('{"videos": ["0032"]}', r"meta\.json names no videos"),
    ],
)
def test_bad_meta(root: Path, text: str, message: str):
    (root / "valid" / "meta.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_youtube_vos(root)
