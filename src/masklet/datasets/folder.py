"""Any folder of videos beside a folder of masks: data of one's own.

    ROOT/
      JPEGImages/dog/00000.jpg, 00001.jpg, ...    pictures of any format; or JPEGImages/dog.mp4, with frames 00000 on
      Annotations/dog/00000.png, ...              label maps, of all frames or some;
      Annotations/dog/1/00000.png, ...            or a folder an object, black and white

A mask is called like its picture. The two folders may have other names, or be several deep, as
JPEGImages/Full-Resolution is.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from masklet.datasets.annotations import LabelMaps, Masks, ObjectFolders, open_annotations
from masklet.datasets.layout import join_sequences
from masklet.datasets.sequences import VideoDataset
from masklet.io.decode import open_picture
from masklet.io.label_maps import find_values, read_labels

VIDEOS = "JPEGImages"
MASKS = "Annotations"

WHITE = 255

MIN_TRUTH = 3
"""With fewer annotated frames nothing is left to score between the first and the last."""


class BlackAndWhite(LabelMaps):
    """Grey pictures of one object: 255 inside, 0 outside, and nothing else."""

    def __init__(self, folder: str | Path) -> None:
        super().__init__(folder, binary=True)

    def read(self, frame: str) -> Masks:
        """A frame's mask as object 1. ValueError for a picture with other values."""
        labels = read_labels(self.path(frame))
        if strange := set(find_values(labels)) - {0, WHITE}:
            raise ValueError(
                f"{self.path(frame)} holds {min(strange)}, but masks before it are black and white, 0 and {WHITE} "
                "alone: give all of them as label maps of object ids, or none"
            )
        return {1: labels > 0} if labels.any() else {}


def read_folder(
    root: Path, only: Sequence[str] | None = None, *, videos: str = VIDEOS, masks: str = MASKS
) -> VideoDataset:
    """All videos of ROOT/VIDEOS with their masks in ROOT/MASKS.

    - Grey label maps that hold 0 and 255 alone are black and white masks of one object, 1. The first map of a
      sequence that is not empty decides for that sequence: it is the only picture read.
    - There is truth to score against if a sequence has three annotated frames or more.
    - Objects may appear in any frame. Where all are in the first, this changes nothing.

    FileNotFoundError and ValueError name what is missing, or what is not as above.
    """
    sequences = join_sequences(root / videos, root / masks, only=only, annotations=_open)
    return VideoDataset(
        name=root.resolve().name,
        sequences=sequences,
        has_truth=any(len(sequence.annotations.frames) >= MIN_TRUTH for sequence in sequences),
        per_object=any(isinstance(sequence.annotations, ObjectFolders) for sequence in sequences),
        appearing_later=True,
    )


def _open(folder: Path) -> LabelMaps | ObjectFolders:
    annotations = open_annotations(folder)
    if isinstance(annotations, LabelMaps) and _black_and_white(annotations):
        return BlackAndWhite(folder)
    return annotations


def _black_and_white(maps: LabelMaps) -> bool:
    for frame in maps.frames:
        image = open_picture(maps.path(frame))
        if image.mode != "L":
            return False
        values = set(find_values(np.asarray(image)))
        if values != {0}:
            return values <= {0, WHITE}
    return False
