"""Run-length encoding of masks as COCO has it.

A mask is read column by column; runs of outside and inside alternate, outside first. `counts` is pycocotools' compact
string of the run lengths. It is read here, not by pycocotools, which trusts it (and warns under NumPy 2): a damaged
string must raise an error, not read past the mask.
"""

from collections.abc import Mapping
from typing import Any, TypedDict

import cv2
import numpy as np
from jaxtyping import Bool, Int64
from pycocotools import mask as coco_mask


class RLE(TypedDict):
    """A mask as run lengths: `size` is [height, width]."""

    size: list[int]
    counts: str


def encode_rle(mask: np.ndarray) -> RLE:
    """RLE of a boolean mask (H, W). ValueError for another dtype or number of axes."""
    if mask.ndim != 2:
        raise ValueError(f"a mask to encode has two axes (height, width), not shape {mask.shape}")
    if mask.dtype != np.bool_:
        raise ValueError(f"a mask to encode must be boolean, not {mask.dtype}: compare it with a threshold first")
    height, width = mask.shape
    if mask.size == 0:
        return RLE(size=[height, width], counts="0")
    counts: Any = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))["counts"]  # bytes, though typed as str
    return RLE(size=[height, width], counts=counts.decode("ascii"))


def encode_rle_part(mask: Bool[np.ndarray, "h w"], corner: tuple[int, int], size: tuple[int, int]) -> RLE:
    """RLE of a mask of `size` (height, width) that is empty but for `mask`, whose first pixel is at `corner` (x, y)."""
    (x, y), (height, width) = corner, size
    rows, columns = mask.shape
    if not (0 <= x <= width - columns and 0 <= y <= height - rows):
        raise ValueError(f"a part of {rows} x {columns} pixels at ({x}, {y}) is not within {height} x {width} pixels")
    strip = np.zeros(1 + columns * (rows + 1), dtype=np.uint8)  # column by column, with a pixel outside between them
    if mask.size:
        strip[1:].reshape(columns, rows + 1)[:, :rows] = cv2.transpose(mask.view(np.uint8))
    column, row = np.divmod(np.flatnonzero(strip[1:] != strip[:-1]), rows + 1)
    changes = (x + column) * height + y + row
    # A run down to the last row of the picture may go on in the next column: it ends where another begins.
    joined = np.flatnonzero(changes[1:] == changes[:-1])
    changes = np.delete(changes, np.concatenate([joined, joined + 1]))
    runs = np.diff(changes, prepend=0, append=height * width)
    runs = runs if runs[-1] or len(runs) == 1 else runs[:-1]  # a mask that is inside at its last pixel ends there
    counts: Any = coco_mask.frPyObjects({"size": [height, width], "counts": runs.tolist()}, height, width)["counts"]
    return RLE(size=[height, width], counts=counts.decode("ascii"))


def decode_rle(rle: RLE | Mapping[str, Any]) -> Bool[np.ndarray, "H W"]:
    """The mask of an RLE. ValueError where it is malformed, or its runs do not fill the mask."""
    runs = rle_runs(rle)
    height, width = rle["size"]
    inside = np.arange(len(runs)) % 2 == 1
    columns = np.repeat(inside, runs).reshape(width, height)
    if columns.size == 0:
        return columns.T
    return cv2.transpose(columns.view(np.uint8)).view(bool)  # ten times as fast as NumPy's copy


def rle_area(rle: RLE | Mapping[str, Any]) -> int:
    """Number of pixels inside."""
    return int(rle_runs(rle)[1::2].sum())


def rle_box(rle: RLE | Mapping[str, Any]) -> tuple[int, int, int, int]:
    """The tightest box, XYWH in pixels: one pixel is 1 wide. (0, 0, 0, 0) for an empty mask."""
    runs = rle_runs(rle)
    ends = np.cumsum(runs)[1::2]
    starts = ends - runs[1::2]
    starts, last = starts[ends > starts], ends[ends > starts] - 1
    if not len(starts):
        return 0, 0, 0, 0
    height = rle["size"][0]
    left, right = int(starts[0] // height), int(last[-1] // height)
    if (starts // height != last // height).any():  # a run that goes on in the next column touches bottom and top
        top, bottom = 0, height - 1
    else:
        top, bottom = int((starts % height).min()), int((last % height).max())
    return left, top, right - left + 1, bottom - top + 1


def uncompressed_rle(rle: RLE | Mapping[str, Any]) -> dict[str, Any]:
    """The RLE with its counts as a list of run lengths, as COCO's tools and SAM 2's call it "uncompressed"."""
    return {"size": rle["size"], "counts": rle_runs(rle).tolist()}


def rle_runs(rle: RLE | Mapping[str, Any]) -> Int64[np.ndarray, "N"]:
    """Run lengths, outside first, column by column: COCO's "uncompressed" counts.

    `counts` may be the compact string, as str or bytes, or already a list of lengths. ValueError as in `decode_rle`.
    """
    if not {"size", "counts"} <= rle.keys():
        raise ValueError(f"an RLE has the keys size and counts, not {sorted(rle.keys())}")
    size, counts = rle["size"], rle["counts"]
    if len(size) != 2 or not all(isinstance(side, int | np.integer) and side >= 0 for side in size):
        raise ValueError(f"an RLE's size is [height, width], not {size!r}")
    if isinstance(counts, str | bytes):
        runs = _parse_counts(counts.encode("utf-8") if isinstance(counts, str) else counts)
    else:
        runs = np.asarray(counts)
        if runs.ndim != 1 or not (runs.size == 0 or np.issubdtype(runs.dtype, np.integer)):
            raise ValueError(f"an RLE's counts are a string or a list of run lengths, not {type(counts).__name__}")
        runs = runs.astype(np.int64)
    num_pixels = int(size[0]) * int(size[1])
    # Each run is compared on its own first, so that the sum cannot overflow into a right one.
    if (runs < 0).any() or (runs > num_pixels).any() or runs.sum() != num_pixels:
        raise ValueError(f"an RLE's counts do not fill its mask of {size[0]} x {size[1]} pixels: {_abridged(counts)}")
    return runs


def _parse_counts(counts: bytes) -> Int64[np.ndarray, "N"]:
    """Run lengths of a compact string.

    Five bits a character, low ones first, offset by 48; bit 5 says that more follow, bit 4 of the last is the sign.
    From the fourth on, a number is the difference from the run two before.
    """
    characters = np.frombuffer(counts, dtype=np.uint8).astype(np.int64) - 48
    if characters.size == 0:
        return characters
    last = characters & 0x20 == 0
    ends = np.flatnonzero(last)
    if (characters < 0).any() or (characters > 63).any() or not last[-1]:
        raise ValueError(f"an RLE's counts are not a COCO string: {_abridged(counts)}")
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > 7:  # 35 bits hold any run of a mask of 2**32 pixels
        raise ValueError(f"an RLE's counts hold a run too long for any mask: {_abridged(counts)}")
    place = np.arange(characters.size) - np.repeat(starts, lengths)
    numbers = np.add.reduceat((characters & 0x1F) << (5 * place), starts)
    negative = characters[ends] & 0x10 != 0
    numbers[negative] -= np.int64(1) << (5 * lengths[negative])
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def _abridged(counts: object) -> str:
    text = repr(counts)
    return text if len(text) <= 60 else text[:57] + "..."
