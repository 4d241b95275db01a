"""Masks through time in SA-V's JSON: of a video's annotated frames, an RLE for each object."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from masklet.datasets.annotations import Masks
from masklet.datasets.sequences import open_frames
from masklet.io.files import read_json
from masklet.ops.rle import decode_rle

ANNOTATION_STEP = 4
"""Every fourth frame has masks: 6 a second of 24."""

KEYS = ("video_height", "video_width", "masklet", "masklet_id")
"""What is read of a file; it says more."""

NUM_FILES_KEPT = 4
"""A file is some megabytes, and there are 100,000: the last few are kept in memory, since frames are read in turn."""


@dataclass(frozen=True, kw_only=True)
class MaskletFile:
    """What is read of one file. masks: by annotated frame and object, an RLE; None for frames that have none."""

    size: tuple[int, int]
    ids: tuple[int, ...]
    masks: list[list[dict[str, Any]] | None]


class Masklets:
    """The masks in one or more files of a video (ID_manual.json, ID_auto.json), read when they are first asked for.

    Objects have the ids of the first file's `masklet_id`, which begin at 0; those of a second file are numbered on
    after them. A frame has masks if each file has one, perhaps empty, for each of its objects. Where the video is one
    frame shorter than its annotations say, which happens with the decoder, masks of the frame too many are left out.

    ValueError, naming the file, for what is no JSON, lacks a key, does not fit together, or has masks of another size
    than it says the video has.
    """

    def __init__(self, files: Sequence[Path], video: Path) -> None:
        self.files = tuple(files)
        self.video = video

    @property  # not a cached one itself, which type checkers do not take for an attribute of `Annotations`
    def frames(self) -> tuple[str, ...]:
        """The frames that have masks, in order: 00000, 00004, ..."""
        return self._frames

    @cached_property
    def _frames(self) -> tuple[str, ...]:
        per_file = [read_masklet_file(file).masks for file in self.files]
        for file, masks in zip(self.files[1:], per_file[1:], strict=True):
            if len(masks) != len(per_file[0]):
                raise ValueError(
                    f"{file} has masks of {len(masks)} frames, but {self.files[0].name} of {len(per_file[0])}"
                )
        numbers = [
            ANNOTATION_STEP * index
            for index, of_files in enumerate(zip(*per_file, strict=True))
            if None not in of_files
        ]
        if not numbers:
            raise ValueError(f"{self.files[0]} has no frame in which all objects have masks")
        if numbers[-1] == self._num_frames():
            numbers.pop()
        return tuple(f"{number:05d}" for number in numbers)

    def path(self, frame: str) -> Path:
        """The first file."""
        return self.files[0]

    def read(self, frame: str) -> Masks:
        """A frame's masks of all objects, empty ones too."""
        if frame not in self.frames:
            raise ValueError(f"{self.files[0]} has no masks of frame {frame}")
        masks: Masks = {}
        for file in self.files:
            masklets = read_masklet_file(file)
            rles = masklets.masks[int(frame) // ANNOTATION_STEP]
            assert rles is not None
            offset = max(masks) + 1 if masks else 0
            for id_, rle in zip(masklets.ids, rles, strict=True):
                masks[offset + id_] = _decode(rle, masklets.size, f"{file}, frame {frame}, object {id_}")
        return masks

    def _num_frames(self) -> int:
        with open_frames(self.video) as frames:
            return len(frames)


@lru_cache(maxsize=NUM_FILES_KEPT)
def read_masklet_file(path: Path) -> MaskletFile:
    """One file, without its RLEs decoded. Errors as `Masklets` has them, and FileNotFoundError."""
    value = read_json(path, KEYS)
    ids, masks = value["masklet_id"], value["masklet"]
    if not isinstance(ids, list) or not all(isinstance(id_, int) and id_ >= 0 for id_ in ids):
        raise ValueError(f"{path} has a masklet_id that is no list of object ids")
    if len(set(ids)) != len(ids):
        raise ValueError(f"{path} has an object id twice in masklet_id: {ids}")
    if not isinstance(masks, list):
        raise ValueError(f"{path} has a masklet that is no list of annotated frames")
    for index, of_frame in enumerate(masks):
        if of_frame is not None and (not isinstance(of_frame, list) or len(of_frame) != len(ids)):
            found = len(of_frame) if isinstance(of_frame, list) else "no list of"
            raise ValueError(f"{path} has {found} masks in annotated frame {index}, but {len(ids)} objects")
    try:
        size = (int(value["video_height"]), int(value["video_width"]))
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"{path} has a video_height or video_width that is no number") from error
    return MaskletFile(
        size=size,
        ids=tuple(ids),
        masks=[None if of_frame is None or None in of_frame else of_frame for of_frame in masks],
    )


def _decode(rle: Any, size: tuple[int, int], name: str) -> Any:
    try:
        mask = decode_rle(rle)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{name}: its mask cannot be read ({error})") from error
    if mask.shape != size:
        raise ValueError(
            f"{name}: its mask is {mask.shape[1]} x {mask.shape[0]} pixels, but the file says that the video is "
            f"{size[1]} x {size[0]}"
        )
    return mask
