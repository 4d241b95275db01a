"""YouTube-VOS, 2018 and 2019: many short videos, in which objects may appear later (youtube-vos.org).

    ROOT/
      train/
        JPEGImages/003234408d/00000.jpg, 00005.jpg, ...     every fifth frame of the video
        Annotations/003234408d/00000.png, 00005.png, ...    label maps
        meta.json                                           {"videos": {ID: {...}, ...}}
      valid/, test/                                         the same, with each object's first mask alone
      valid_all_frames/                                     or all_frames/valid_all_frames/
        JPEGImages/003234408d/00000.jpg, 00001.jpg, ...     every frame

The split valid_all_frames has the pictures of all frames and the masks of valid, as train_all_frames and
test_all_frames have those of train and test. The server asks for results of the frames of valid/JPEGImages.
"""

from collections.abc import Sequence
from pathlib import Path

from masklet.datasets.layout import check_split, join_sequences, require_folder
from masklet.datasets.sequences import VideoDataset
from masklet.io.files import read_json

ALL_FRAMES = "_all_frames"
SPLITS = ("train", "valid", "test", "train_all_frames", "valid_all_frames", "test_all_frames")


def read_youtube_vos(root: Path, split: str | None = None, only: Sequence[str] | None = None) -> VideoDataset:
    """A split of YouTube-VOS, by default valid, whose results a server scores.

    The sequences are those of meta.json.
    FileNotFoundError and ValueError name what is missing, or what is not as above.
    """
    split = split or "valid"
    check_split("YouTube-VOS", split, SPLITS)
    folder = require_folder(root / split.removesuffix(ALL_FRAMES), f"YouTube-VOS's masks of {split}")
    pictures = folder
    if split.endswith(ALL_FRAMES):
        nested = root / "all_frames" / split
        pictures = nested if nested.is_dir() else require_folder(root / split, f"YouTube-VOS's pictures of {split}")
    meta = folder / "meta.json"
    videos = read_json(meta, ["videos"])["videos"]
    if not isinstance(videos, dict) or not videos:
        raise ValueError(f"{meta} names no videos: the sequences by name were expected in videos")
    return VideoDataset(
        name=f"YouTube-VOS {split}",
        sequences=join_sequences(pictures / "JPEGImages", folder / "Annotations", list(videos), only=only),
        has_truth=folder.name == "train",
        appearing_later=True,
        submission_folder="Annotations",
        submission_pictures=None if pictures == folder else folder / "JPEGImages",
    )
