"""The data sets that can be read, by kind, and how a folder is recognised as one of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from masklet.datasets.davis import read_davis2016, read_davis2017
from masklet.datasets.folder import MASKS, VIDEOS, read_folder
from masklet.datasets.layout import read_names
from masklet.datasets.lvos import read_lvos
from masklet.datasets.mose import read_mose, read_mosev2
from masklet.datasets.sav import read_sav, read_sav_train
from masklet.datasets.sequences import VideoDataset
from masklet.datasets.youtube_vos import read_youtube_vos

FOLDER = "folder"
"""The kind of data of one's own."""


@dataclass(frozen=True, kw_only=True)
class DatasetKind:
    """How a data set is read, and by which files (patterns, any one is enough) its folder is recognised.

    `read` takes the folder, the split (None: the default) and the names of the sequences to take (None: all).
    """

    read: Callable[[Path, str | None, Sequence[str] | None], VideoDataset]
    signs: tuple[str, ...] = ()


def _read_plain(root: Path, split: str | None, only: Sequence[str] | None) -> VideoDataset:
    if split is not None:
        raise ValueError(f"{root} is read as a plain folder, which has no split {split!r}: name its kind, or sequences")
    return read_folder(root, only)


DATASETS: Mapping[str, DatasetKind] = {
    "davis2017": DatasetKind(read=read_davis2017, signs=("ImageSets/2017/*.txt",)),
    "davis2016": DatasetKind(read=read_davis2016, signs=("ImageSets/2016/*.txt", "ImageSets/480p/*.txt")),
    "sav": DatasetKind(read=read_sav, signs=("sav_val.txt", "sav_test.txt", "sav_*/sav_val.txt", "sav_*/sav_test.txt")),
    "sav-train": DatasetKind(
        read=read_sav_train, signs=("*_manual.json", "*_auto.json", "*/*_manual.json", "*/*_auto.json")
    ),
    "youtube-vos": DatasetKind(read=read_youtube_vos, signs=("train/meta.json", "valid/meta.json", "test/meta.json")),
    "lvos": DatasetKind(read=read_lvos, signs=("*/*_meta.json", "*/JPEGImages/*/00000001.jpg")),
    "mose": DatasetKind(read=read_mose, signs=("train/JPEGImages", "valid/JPEGImages", "test/JPEGImages")),
    "mosev2": DatasetKind(read=read_mosev2),
    FOLDER: DatasetKind(read=_read_plain, signs=(VIDEOS,)),
}
"""By kind; a folder is the first of them whose sign it has. MOSEv2 looks like MOSE, so it must be named."""


def open_dataset(
    root: str | Path,
    kind: str | None = None,
    *,
    split: str | None = None,
    sequences: Sequence[str] | Path | None = None,
    videos: str | None = None,
    masks: str | None = None,
) -> VideoDataset:
    """A data set's sequences. Pictures and masks are read later, when they are asked for.

    kind: one of `DATASETS`; None: recognised by what is in the folder, or "folder" if `videos` or `masks` are given.
    split: as the data set calls it; None: the one that results are mostly published on.
    sequences: the names of those to take, or a text file of names, one a line; None: all. The others may be incomplete.
    videos, masks: for kind "folder", the folders of pictures and of masks in root; None: JPEGImages and Annotations.

    FileNotFoundError and ValueError name the file or folder that is missing, unknown, or does not fit the others.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root}: a data set was expected there")
    named = videos is not None or masks is not None
    kind = kind or (FOLDER if named else _recognise(root))
    if kind not in DATASETS:
        raise ValueError(f"{kind!r} is no kind of data set that can be read: name one of {', '.join(DATASETS)}")
    if isinstance(sequences, str):
        sequences = [sequences]
    only = read_names(sequences) if isinstance(sequences, Path) else sequences
    if not named:
        return DATASETS[kind].read(root, split, only)
    if kind != FOLDER or split is not None:
        raise ValueError(f"videos and masks name the folders of a plain folder, not of kind {kind!r} with its splits")
    return read_folder(root, only, videos=videos or VIDEOS, masks=masks or MASKS)


def _recognise(root: Path) -> str:
    if (root / VIDEOS).is_dir() and any(root.glob("*meta.json")):
        raise ValueError(
            f"{root} looks like one split of YouTube-VOS or LVOS: give the folder it is in, {root.absolute().parent}, "
            f"with its name as split. To read it as a plain folder say so: kind {FOLDER!r}"
        )
    for kind, dataset in DATASETS.items():
        if any(next(root.glob(sign), None) for sign in dataset.signs):
            return kind
    looked = "\n".join(f"  {kind}: {' or '.join(dataset.signs)}" for kind, dataset in DATASETS.items() if dataset.signs)
    raise ValueError(
        f"{root} is not recognised as a data set. There is none of these in it:\n{looked}\n"
        f"Name its kind ({', '.join(DATASETS)}), or give the folder that holds these"
    )
