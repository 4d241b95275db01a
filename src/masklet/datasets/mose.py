"""MOSE and MOSEv2: crowded and occluded objects that vanish and come back (mose.video).

ROOT/
  train/
    JPEGImages/0a7a3629/00000.jpg, 00001.jpg, ...
    Annotations/0a7a3629/00000.png, 00001.png, ...    label maps
  valid/
    JPEGImages/...
    Annotations/0b1f6d9e/00000.png                    of the first frame alone
"""

from collections.abc import Sequence
from pathlib import Path

from masklet.datasets.layout import check_split, join_sequences, require_folder
from masklet.datasets.sequences import VideoDataset

SPLITS = ("train", "valid", "test")


def read_mose(root: Path, split: str | None = None, only: Sequence[str] | None = None) -> VideoDataset:
    """A split of MOSE, by default valid, whose results a server scores.

    FileNotFoundError and ValueError name what is missing, or what is not as above.
    """
    return _read("MOSE", root, split or "valid", only)


def read_mosev2(root: Path, split: str | None = None, only: Sequence[str] | None = None) -> VideoDataset:
    """The same of MOSEv2."""
    return _read("MOSEv2", root, split or "valid", only)


def _read(name: str, root: Path, split: str, only: Sequence[str] | None) -> VideoDataset:
    check_split(name, split, SPLITS)
    folder = require_folder(root / split, f"{name}'s split {split}")
    return VideoDataset(
        name=f"{name} {split}",
        sequences=join_sequences(folder / "JPEGImages", folder / "Annotations", only=only),
        has_truth=split == "train",
    )
