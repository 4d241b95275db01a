from collections.abc import Callable
from pathlib import Path

import pytest

from masklet.datasets.mose import read_mose, read_mosev2


@pytest.fixture
def root(tmp_path: Path, make_dataset: Callable[..., None]) -> Path:
    make_dataset(tmp_path / "train" / "JPEGImages", tmp_path / "train" / "Annotations", ["0a", "0b"])
    valid = tmp_path / "valid"
    make_dataset(valid / "JPEGImages", valid / "Annotations", ["0c"], annotated=["00000"])
    return tmp_path


def test_splits(root: Path):
    valid, train = read_mose(root), read_mose(root, "train")
    assert (valid.name, valid.has_truth) == ("MOSE valid", False)
    assert (train.name, train.has_truth) == ("MOSE train", True)
    assert [sequence.name for sequence in train.sequences] == ["0a", "0b"]
    assert valid.sequences[0].annotated == {0: "00000"}
    assert len(valid.sequences[0].frame_names) == 3
    assert read_mosev2(root).name == "MOSEv2 valid"


def test_what_is_missing(root: Path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*test with MOSE's split test: .* has train, valid"):
        read_mose(root, "test")
    with pytest.raises(ValueError, match="MOSEv2 has no split 'val': name one of train, valid, test"):
        read_mosev2(root, "val")
    (root / "train" / "Annotations" / "0b").rename(root / "train" / "Annotations" / "0d")
    with pytest.raises(FileNotFoundError, match="has no pictures of 0d"):
        read_mose(root, "train")
