"""LVOS, versions 1 and 2: videos of a minute and more (lingyihongfd.github.io/lvos.github.io).

    ROOT/
      train/
        JPEGImages/0tCWPOrc/00000001.jpg, ...
        Annotations/0tCWPOrc/00000001.png, ...    label maps, perhaps of some frames alone
        train_meta.json                           not needed here
      valid/ or val/                              the same
      test/                                       with each object's first mask alone

LVOS's own toolkit leaves out the first and the last frame of each object, and this evaluation those of the sequence,
as the SA-V evaluator does.
"""

from collections.abc import Sequence
from pathlib import Path

from masklet.datasets.layout import check_split, join_sequences, require_folder
from masklet.datasets.sequences import VideoDataset

SPLITS = ("train", "valid", "val", "test")

OTHER_NAME = {"valid": "val", "val": "valid"}
"""Its documentation says val, its toolkit valid; either split takes either folder."""


def read_lvos(root: Path, split: str | None = None, only: Sequence[str] | None = None) -> VideoDataset:
    """A split of LVOS, by default valid. Objects may appear later than the first frame.

    FileNotFoundError and ValueError name what is missing, or what is not as above.
    """
    split = split or "valid"
    check_split("LVOS", split, SPLITS)
    folder = root / split
    other = root / OTHER_NAME.get(split, split)
    if not folder.is_dir() and other.is_dir():
        folder = other
    require_folder(folder, f"LVOS's split {split}")
    return VideoDataset(
        name=f"LVOS {split}",
        sequences=join_sequences(folder / "JPEGImages", folder / "Annotations", only=only),
        has_truth=split != "test",
        appearing_later=True,
        submission_folder="Annotations",
    )
