"""SA-V, the data set that came with SAM 2 (ai.meta.com/datasets/segment-anything-video).

Validation and test, whose masks were drawn by hand, in pictures:

    ROOT/                                               or the folder that holds sav_val and sav_test
      sav_val.txt                                       names of sequences
      JPEGImages_24fps/sav_000262/00000.jpg, 00001.jpg, ...
      Annotations_6fps/sav_000262/000/00000.png, 00004.png, ...    a folder an object, black and white

Training, in videos and JSON, unpacked into one folder or several:

    ROOT/
      sav_000/
        sav_000001.mp4
        sav_000001_manual.json                          drawn by hand
        sav_000001_auto.json                            found by a model; some videos have none

Object ids begin at 0. Objects may overlap, and may appear later than the first frame.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from masklet.datasets.annotations import ObjectFolders
from masklet.datasets.layout import (
    check_split,
    join_sequences,
    name_some,
    read_names,
    require_folder,
    take_sequences,
)
from masklet.datasets.masklets import Masklets
from masklet.datasets.sequences import VideoDataset, VideoSequence

SPLITS = ("val", "test")

TRAIN_SPLITS = ("manual", "auto", "both")

_Key = TypeVar("_Key")


def read_sav(root: Path, split: str | None = None, only: Sequence[str] | None = None) -> VideoDataset:
    """SA-V's val or test; by default val, or test where only that is there.

    FileNotFoundError and ValueError name what is missing, or what is not as above.
    """
    if split is None:
        split = next((name for name in SPLITS if _folder(root, name)), "val")
    check_split("SA-V", split, SPLITS)
    folder = _folder(root, split) or root
    names = read_names(folder / f"sav_{split}.txt")
    videos, masks = folder / "JPEGImages_24fps", folder / "Annotations_6fps"
    return VideoDataset(
        name=f"SA-V {split}",
        sequences=join_sequences(videos, masks, names, only=only, annotations=ObjectFolders),
        has_truth=True,
        per_object=True,
        appearing_later=True,
    )


def _folder(root: Path, split: str) -> Path | None:
    """Where the split's list is: the root itself, or a folder in it."""
    folders = (root, root / f"sav_{split}")
    return next((folder for folder in folders if (folder / f"sav_{split}.txt").is_file()), None)


def read_sav_train(root: Path, split: str | None = None, only: Sequence[str] | None = None) -> VideoDataset:
    """SA-V's training videos with their manual masklets, the default, the auto ones, or both.

    manual and both want every video's manual file; auto takes the videos that have an auto file. No JSON is read until
    a sequence's masks are asked for. FileNotFoundError and ValueError name what is missing, or is there twice.
    """
    split = split or "manual"
    check_split("SA-V's training set", split, TRAIN_SPLITS)
    videos, masklets = _training_files(require_folder(root, "SA-V's training videos"))
    kinds = ("manual", "auto") if split == "both" else (split,)
    known = {name for kind, name in masklets if kind == kinds[0]}
    if split != "auto":
        known |= videos.keys()
    if not known:
        raise FileNotFoundError(
            f"{root} and the folders in it have no training videos: ID.mp4 with ID_{kinds[0]}.json was expected"
        )
    names = take_sequences(sorted(known), only)
    if missing := [f"{name}.mp4" for name in names if name not in videos]:
        raise FileNotFoundError(
            f"{root} and the folders in it lack {name_some(missing)}, though there are masks of them"
        )
    if missing := [f"{name}_{kinds[0]}.json" for name in names if (kinds[0], name) not in masklets]:
        raise FileNotFoundError(f"{root} and the folders in it lack {name_some(missing)}, though there are the videos")
    files = {name: [masklets[kind, name] for kind in kinds if (kind, name) in masklets] for name in names}
    return VideoDataset(
        name=f"SA-V train, {split}",
        sequences=tuple(
            VideoSequence(name=name, video=videos[name], annotations=Masklets(of_video, videos[name]))
            for name, of_video in files.items()
        ),
        has_truth=True,
        per_object=True,
        appearing_later=True,
    )


def _training_files(root: Path) -> tuple[dict[str, Path], dict[tuple[str, str], Path]]:
    """Videos by name, and JSON files by kind and name, in the folder and those in it."""
    videos: dict[str, Path] = {}
    masklets: dict[tuple[str, str], Path] = {}
    for file in sorted([*root.glob("*.*"), *root.glob("*/*.*")]):
        name, _, kind = file.stem.rpartition("_")
        if file.name.startswith("."):
            continue
        if file.suffix == ".mp4":
            _add(videos, file.stem, file)
        elif file.suffix == ".json" and kind in ("manual", "auto"):
            _add(masklets, (kind, name), file)
    return videos, masklets


def _add(files: dict[_Key, Path], key: _Key, file: Path) -> None:
    if key in files:
        raise ValueError(f"{files[key]} and {file} have one name: keep one of them")
    files[key] = file
