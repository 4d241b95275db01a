from collections.abc import Callable
from pathlib import Path

import pytest

from masklet.datasets.lvos import read_lvos

FRAMES = [f"{number:08d}" for number in range(1, 12)]


@pytest.fixture
def root(tmp_path: Path, make_dataset: Callable[..., None]) -> Path:
    for split, annotated in {"valid": FRAMES[::5], "test": FRAMES[:1]}.items():
        folder = tmp_path / split
        make_dataset(folder / "JPEGImages", folder / "Annotations", ["0tCWPOrc"], frames=FRAMES, annotated=annotated)
        (folder / f"{split}_meta.json").write_text("{}")
    return tmp_path


def test_sparse_annotations(root: Path):
    dataset = read_lvos(root)
    assert dataset.name == "LVOS valid"
    assert dataset.has_truth
    assert dataset.appearing_later
    assert dataset.submission_folder == "Annotations"
    assert dataset.sequences[0].annotated == {0: "00000001", 5: "00000006", 10: "00000011"}
    assert not read_lvos(root, "test").has_truth


def test_the_split_of_two_names(root: Path):
    assert read_lvos(root, "val").sequences[0].video == root / "valid" / "JPEGImages" / "0tCWPOrc"
    (root / "valid").rename(root / "val")
    assert read_lvos(root).sequences[0].video == root / "val" / "JPEGImages" / "0tCWPOrc"


def test_what_is_missing(root: Path):
    with pytest.raises(FileNotFoundError, match=r"train with LVOS's split train: .* has test, valid"):
        read_lvos(root, "train")
    with pytest.raises(ValueError, match="no split 'dev'"):
        read_lvos(root, "dev")
