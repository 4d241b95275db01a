"""Predicted masks as files, in the two layouts that evaluators and servers read.

    ROOT/SEQUENCE/FRAME.png         a label map a frame, with a palette; where objects overlap the lowest id wins
    ROOT/SEQUENCE/OBJECT/FRAME.png  a picture an object and frame, of 0 and 1; OBJECT has three digits

A sequence is written to a hidden folder, which gets its name when it is whole: one that is there is complete.
"""

import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from masklet.datasets.annotations import Annotations, LabelMaps, Masks, object_folders
from masklet.datasets.sequences import VideoDataset, VideoSequence
from masklet.io.files import write_atomically
from masklet.io.images import list_images
from masklet.io.label_maps import read_palette, to_labels, write_labels

FrameWriter: TypeAlias = Callable[[str, Masks], None]
"""Writes the masks of a frame, which is called by its name."""

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip knows, so that the same masks make the same file."""


@dataclass(frozen=True, kw_only=True)
class PredictionFolder:
    """A folder of predicted masks. per_object: a picture an object and frame, else a label map a frame."""

    root: Path
    per_object: bool = False

    def path(self, sequence: str) -> Path:
        """The folder of a sequence's masks."""
        return self.root / sequence

    def has(self, sequence: str) -> bool:
        """Whether a sequence's masks are there, which they are on all its frames."""
        return self.path(sequence).is_dir()

    @contextmanager
    def write(self, sequence: str, palette: list[int] | None = None) -> Iterator[FrameWriter]:
        """What writes the masks of a sequence's frames. On leaving they are there; if the block raises, nothing is.

        palette: of label maps; None: that of DAVIS. ValueError for ids that a label map cannot hold.
        """
        self.remove_partial(sequence)  # of a run that was killed
        partial = self._partial(sequence)
        partial.mkdir(parents=True)
        try:
            yield lambda frame, masks: self._write_frame(partial, frame, masks, palette)
            shutil.rmtree(self.path(sequence), ignore_errors=True)
            partial.rename(self.path(sequence))
        except BaseException:
            self.remove_partial(sequence)
            raise

    def remove_partial(self, sequence: str) -> None:
        """Remove what a process that was ended left of a sequence, if it did."""
        shutil.rmtree(self._partial(sequence), ignore_errors=True)

    def _partial(self, sequence: str) -> Path:
        return self.root / f".{sequence}.part"

    def _write_frame(self, folder: Path, frame: str, masks: Masks, palette: list[int] | None) -> None:
        if self.per_object:
            for id_, mask in masks.items():
                file = folder / f"{id_:03d}" / f"{frame}.png"
                file.parent.mkdir(exist_ok=True)
                write_labels(file, mask.astype(np.uint8))
            return
        if min(masks, default=1) < 1:
            raise ValueError(
                f"a label map cannot hold the object {min(masks)}, since 0 is no object there: "
                "write a picture an object (--per-object)"
            )
        size = next(iter(masks.values())).shape
        write_labels(folder / f"{frame}.png", to_labels(masks, (size[0], size[1])), palette)


def palette_of(annotations: Annotations) -> list[int] | None:
    """The palette of a sequence's label maps; None where they have none."""
    if not isinstance(annotations, LabelMaps):
        return None
    return read_palette(annotations.path(annotations.frames[0]))


def write_submission_zip(path: str | Path, root: Path, dataset: VideoDataset) -> None:
    """Write the masks of a data set as its server takes them: folders of sequences, and the frames it asks for.

    The same masks make the same file. FileNotFoundError for a sequence or a frame that has no masks.
    """
    if missing := [sequence.name for sequence in dataset.sequences if not (root / sequence.name).is_dir()]:
        raise FileNotFoundError(f"{root} has no masks of {', '.join(missing)}, so {path} would not be complete")
    with write_atomically(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for sequence in sorted(dataset.sequences, key=lambda sequence: sequence.name):
            for file in _submitted_files(root / sequence.name, sequence, dataset.submission_pictures):
                name = (Path(dataset.submission_folder) / file.relative_to(root)).as_posix()
                entry = zipfile.ZipInfo(name, _ZIP_TIME)
                entry.external_attr = 0o644 << 16  # readable wherever it is unpacked
                archive.writestr(entry, file.read_bytes())


def _submitted_files(folder: Path, sequence: VideoSequence, pictures: Path | None) -> list[Path]:
    """A sequence's pictures of masks, object by object, frame by frame."""
    asked = sequence.frame_names if pictures is None else [path.stem for path in list_images(pictures / sequence.name)]
    return [place / f"{frame}.png" for place in object_folders(folder) or [folder] for frame in asked]
