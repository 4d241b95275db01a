from collections.abc import Callable
from pathlib import Path

import pytest

from masklet.datasets.davis import read_davis2016, read_davis2017
from masklet.datasets.rules import SAV_RULES


@pytest.fixture
def root(tmp_path: Path, make_dataset: Callable[..., None]) -> Path:
    """DAVIS 2017 with its lists of 2016, and test-dev beside."""
    videos, masks = tmp_path / "JPEGImages" / "480p", tmp_path / "Annotations" / "480p"
    make_dataset(videos, masks, ["bear", "dog", "goat"])
    make_dataset(videos, masks, ["rollercoaster"], annotated=["00000"])
    for year, lists in {
        "2017": {"train": "bear\n", "val": "goat\ndog\n", "test-dev": "rollercoaster\n"},
        "2016": {"val": "dog\n"},
    }.items():
        folder = tmp_path / "ImageSets" / year
        folder.mkdir(parents=True)
        for split, text in lists.items():
            (folder / f"{split}.txt").write_text(text)
    return tmp_path


def test_davis2017(root: Path):
    dataset = read_davis2017(root)
    assert dataset.name == "DAVIS 2017 val"
    assert [sequence.name for sequence in dataset.sequences] == ["goat", "dog"]
    assert dataset.has_truth
    assert dataset.rules == SAV_RULES
    assert not dataset.appearing_later
    assert not dataset.per_object
    sequence = dataset.sequences[0]
    assert sequence.video == root / "JPEGImages" / "480p" / "goat"
    assert list(sequence.annotations.read("00000")) == [1, 2]
    assert [sequence.name for sequence in read_davis2017(root, "train").sequences] == ["bear"]


def test_hidden_splits_have_no_truth(root: Path):
    dataset = read_davis2017(root, "test-dev")
    assert not dataset.has_truth
    assert dataset.sequences[0].annotated == {0: "00000"}


def test_davis2016_is_one_object_also_of_the_data_of_2017(root: Path):
    dataset = read_davis2016(root)
    assert dataset.name == "DAVIS 2016 val"
    (sequence,) = dataset.sequences
    masks = sequence.annotations.read("00001")
    assert list(masks) == [1]
    assert masks[1].sum() == 2 * 64


def test_davis2016_lists_of_paths(root: Path):
    (root / "ImageSets" / "2016" / "val.txt").unlink()
    folder = root / "ImageSets" / "480p"
    folder.mkdir()
    pairs = [
        f"/JPEGImages/480p/{name}/{frame}.jpg /Annotations/480p/{name}/{frame}.png"
        for name in ("goat", "dog")
        for frame in ("00000", "00001")
    ]
    (folder / "val.txt").write_text("\n".join(pairs))
    assert [sequence.name for sequence in read_davis2016(root).sequences] == ["goat", "dog"]


def test_what_is_missing(root: Path):
    with pytest.raises(ValueError, match="DAVIS 2017 has no split 'valid': name one of train, val, test-dev"):
        read_davis2017(root, "valid")
    with pytest.raises(
        FileNotFoundError, match=r"2017.test-challenge\.txt: .* has test-dev\.txt, train\.txt, val\.txt"
    ):
        read_davis2017(root, "test-challenge")
    with pytest.raises(FileNotFoundError, match=r"2016.train\.txt"):
        read_davis2016(root, "train")
    (root / "ImageSets" / "2017" / "val.txt").write_text("dog\ncat\n")
    with pytest.raises(FileNotFoundError, match="has no pictures of cat"):
        read_davis2017(root)
    (root / "Annotations" / "480p").rename(root / "Annotations" / "Full-Resolution")
    with pytest.raises(FileNotFoundError, match=r"480p with masks: .*Annotations has Full-Resolution"):
        read_davis2017(root, "train")
