"""What all annotation formats are written from and read to: the objects of a picture, or of a frame of a video."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from jaxtyping import Bool

from masklet.ops.mask_record import MaskRecord
from masklet.ops.rle import RLE, decode_rle, encode_rle, rle_area, rle_box

CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
"""What no line of text has: characters that control, end lines, or are none. Many formats have no place for them."""

DEFAULT_LABEL = "object"
"""What an object is called that nobody has named: SAM 2 tells objects apart, not what they are."""


@dataclass(frozen=True, kw_only=True)
class ObjectMask:
    """One object and where it is.

    rle: its mask at the picture's size. id: its number in the picture, or through a video, from 1. label: what it is.
    score: how good the mask is taken to be, in [0, 1] where it is a predicted IoU; None where nothing is known, as of
    masks drawn by hand. ValueError for an id below 1, a label that is empty or has control characters, and a score that
    is no number.
    """

    rle: RLE
    id: int
    label: str = DEFAULT_LABEL
    score: float | None = None

    def __post_init__(self) -> None:
        if self.id < 1:
            raise ValueError(f"objects are numbered from 1, not {self.id}")
        if not self.label.strip() or CONTROL.search(self.label):
            raise ValueError(
                f"the label of object {self.id} is one line of text without control characters, not {self.label!r}"
            )
        if self.score is not None and not math.isfinite(self.score):
            raise ValueError(f"the score of object {self.id} is {self.score}: give a number or None")

    @classmethod
    def of_mask(
        cls, mask: Bool[np.ndarray, "H W"], id: int, *, label: str = DEFAULT_LABEL, score: float | None = None
    ) -> "ObjectMask":
        """The object of a boolean mask (H, W)."""
        # Plain numbers, since NumPy's cannot be written as JSON.
        return cls(rle=encode_rle(mask), id=int(id), label=label, score=None if score is None else float(score))

    @property
    def mask(self) -> Bool[np.ndarray, "H W"]:
        """The mask, decoded anew each time. ValueError where the RLE is malformed."""
        return decode_rle(self.rle)

    @property
    def area(self) -> int:
        """Number of pixels; 0 for an object that is not to be seen."""
        return rle_area(self.rle)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """XYWH in pixels: an object of one pixel is 1 wide. (0, 0, 0, 0) for an empty mask."""
        return rle_box(self.rle)


@dataclass(frozen=True, kw_only=True)
class AnnotatedPicture:
    """A picture's objects.

    name: the picture's file, relative to the folder of pictures, with `/`; of a video, the frame's file name. height
    and width are in pixels. frame_index: of a video, the frame's number from 0. ValueError for a name that leads out of
    a folder or has control characters, objects of another size than the picture's, and two with one id.
    """

    name: str
    height: int
    width: int
    objects: tuple[ObjectMask, ...]
    frame_index: int | None = None

    def __post_init__(self) -> None:
        path = PurePosixPath(self.name)
        if not path.name or path.is_absolute() or ".." in path.parts:
            raise ValueError(f"a picture's name is a path within a folder, not {self.name!r}")
        if CONTROL.search(self.name):
            raise ValueError(
                f"a picture's name has no control characters, as {self.name!r} has: name the file otherwise"
            )
        if self.height < 1 or self.width < 1:
            raise ValueError(f"{self.name} cannot be {self.width} x {self.height} pixels")
        if self.frame_index is not None and self.frame_index < 0:
            raise ValueError(f"frames are numbered from 0, but {self.name} is given the number {self.frame_index}")
        seen = set()
        for found in self.objects:
            if list(found.rle["size"]) != [self.height, self.width]:
                raise ValueError(
                    f"object {found.id} of {self.name} has a mask of height and width {tuple(found.rle['size'])}, "
                    f"but the picture's are {(self.height, self.width)}"
                )
            if found.id in seen:
                raise ValueError(f"{self.name} has two objects with the id {found.id}: number them apart")
            seen.add(found.id)

    @classmethod
    def of_records(cls, name: str, size: tuple[int, int], records: Sequence[MaskRecord]) -> "AnnotatedPicture":
        """What was found in a picture of a (height, width), numbered from 1; predicted IoUs are the scores."""
        objects = tuple(
            ObjectMask(rle=record.rle, id=index, score=record.predicted_iou)
            for index, record in enumerate(records, start=1)
        )
        return cls(name=name, height=size[0], width=size[1], objects=objects)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width

    @property
    def visible(self) -> tuple[ObjectMask, ...]:
        """The objects that have a pixel at all."""
        return tuple(found for found in self.objects if found.area)


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """The video that pictures are frames of. num_frames and frames_per_second: None where they are not known."""

    name: str
    height: int
    width: int
    num_frames: int | None = None
    frames_per_second: float | None = None
