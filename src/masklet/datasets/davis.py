"""DAVIS 2016 and 2017: short videos with a mask for every frame (davischallenge.org).

Both have one layout, and the 2017 download holds the lists of 2016 too:

    ROOT/
      JPEGImages/480p/blackswan/00000.jpg, 00001.jpg, ...
      Annotations/480p/blackswan/00000.png, 00001.png, ...    label maps; in 2016's own download, black and white
      ImageSets/2017/train.txt, val.txt, test-dev.txt         names of sequences
      ImageSets/2016/train.txt, val.txt                       or ImageSets/480p/: names, or paths of pictures and masks

The pictures of 480p are read, with which results are published. Those of Full-Resolution can be had as a plain folder.
Scores follow the rules of the SA-V evaluator, as published ones of SAM 2 do; DAVIS's own toolkit counts an object from
the beginning, and is `rules.DAVIS_RULES`.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from masklet.datasets.annotations import LabelMaps
from masklet.datasets.layout import check_split, join_sequences, read_names
from masklet.datasets.sequences import VideoDataset

RESOLUTION = "480p"

SPLITS_2017 = ("train", "val", "test-dev", "test-challenge")
SPLITS_2016 = ("train", "val")

HIDDEN_SPLITS = ("test-dev", "test-challenge")
"""Those with the masks of the first frame alone."""


def read_davis2017(root: Path, split: str | None = None, only: Sequence[str] | None = None) -> VideoDataset:
    """A split of DAVIS 2017, by default val: one or more objects a video, all of them in the first frame.

    FileNotFoundError and ValueError name what is missing, or what is not as above.
    """
    split = split or "val"
    check_split("DAVIS 2017", split, SPLITS_2017)
    names = read_names(root / "ImageSets" / "2017" / f"{split}.txt")
    videos, masks = root / "JPEGImages" / RESOLUTION, root / "Annotations" / RESOLUTION
    return VideoDataset(
        name=f"DAVIS 2017 {split}",
        sequences=join_sequences(videos, masks, names, only=only),
        has_truth=split not in HIDDEN_SPLITS,
    )


def read_davis2016(root: Path, split: str | None = None, only: Sequence[str] | None = None) -> VideoDataset:
    """A split of DAVIS 2016, by default val: one object a video. Of the data of 2017 all objects are taken as one.

    FileNotFoundError and ValueError name what is missing, or what is not as above.
    """
    split = split or "val"
    check_split("DAVIS 2016", split, SPLITS_2016)
    lists = [root / "ImageSets" / year / f"{split}.txt" for year in ("2016", RESOLUTION)]
    lines = read_names(next((path for path in lists if path.is_file()), lists[0]))
    names = list(dict.fromkeys(_sequence_of(line) for line in lines))
    videos, masks = root / "JPEGImages" / RESOLUTION, root / "Annotations" / RESOLUTION
    return VideoDataset(
        name=f"DAVIS 2016 {split}",
        sequences=join_sequences(videos, masks, names, only=only, annotations=partial(LabelMaps, binary=True)),
        has_truth=True,
    )


def _sequence_of(line: str) -> str:
    """blackswan, of that, or of "/JPEGImages/480p/blackswan/00000.jpg /Annotations/480p/blackswan/00000.png"."""
    first = line.split()[0]
    return Path(first).parent.name if "/" in first else first
