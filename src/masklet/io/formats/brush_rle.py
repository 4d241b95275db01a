"""Label Studio's run-length encoding of brush masks.

The mask is taken for a picture of four bytes a pixel (red, green, blue, alpha), of which alpha says what is inside.
Its bytes are packed into bits by the scheme of the JavaScript package @thi.ng/rle-pack: a head of 53 bits (how many
bytes there are, the bits of each, four sizes of counts), then codes of various lengths, each a run of one byte or a
stretch of unlike ones. Label Studio's own Python encoder goes bit by bit through text; here whole arrays are packed, so
that pictures of many megapixels take a fraction of a second. What is written is the same, but for its byte of padding.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int64, UInt8, UInt64

COUNT_BITS = (3, 4, 8, 16)
"""A count, less one, is written in the fewest of these that hold it; all pieces of a longer run in the most."""

HEAD_BITS = 32 + 5 + 4 * 4

MAX_RUN = 1 << COUNT_BITS[-1]

BYTES_A_PIXEL = 4


def encode_brush_rle(mask: Bool[np.ndarray, "H W"]) -> bytes:
    """The mask's code: inside is white and opaque, outside nothing. ValueError for 2**30 pixels and more."""
    pixels = mask.ravel()
    num_bytes = BYTES_A_PIXEL * pixels.size
    if not 0 < num_bytes < 1 << 32:
        raise ValueError(f"Label Studio's brush has no masks of height and width {mask.shape}")
    starts = np.concatenate([[0], np.flatnonzero(pixels[1:] != pixels[:-1]) + 1])
    runs = BYTES_A_PIXEL * np.diff(starts, append=pixels.size)
    pieces = -(-runs // MAX_RUN)  # a run too long for one count is written in several
    counts = np.full(pieces.sum(), MAX_RUN)
    counts[np.cumsum(pieces) - 1] = runs - MAX_RUN * (pieces - 1)
    values = np.repeat(np.where(pixels[starts], 255, 0), pieces)

    kinds = np.searchsorted(1 << np.array(COUNT_BITS[:-1]), np.repeat(runs, pieces))
    bits = np.array(COUNT_BITS)[kinds]
    codes = ((4 | kinds) << bits | (counts - 1)) << 8 | values  # 4: the bit that says that this is a run
    head = num_bytes << 21 | 7 << 16 | sum((size - 1) << 4 * place for place, size in enumerate(COUNT_BITS[::-1]))
    return _pack(np.concatenate([[head], codes]).astype(np.uint64), np.concatenate([[HEAD_BITS], 3 + bits + 8]))


def _pack(codes: UInt64[np.ndarray, "N"], num_bits: Int64[np.ndarray, "N"]) -> bytes:
    """The codes' lowest bits one after another, high ones first, padded with zeros."""
    ends = np.cumsum(num_bits)
    stream = np.zeros(ends[-1], np.uint8)
    for place in range(num_bits.max()):
        has = num_bits > place
        stream[ends[has] - 1 - place] = codes[has] >> np.uint64(place) & np.uint64(1)
    return np.packbits(stream).tobytes()


def decode_brush_rle(code: bytes | Sequence[int], size: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """The mask of a code: True where alpha is not zero. ValueError for one that is damaged, or of another size."""
    height, width = size
    data = bytes(code)  # ValueError for numbers that are no bytes
    counts, is_run, positions = _read_codes(data, BYTES_A_PIXEL * height * width)
    # An entry is a byte that is written there: one for a run, all of them for a stretch of unlike ones.
    entries = np.where(is_run, 1, counts)
    lengths = np.repeat(np.where(is_run, counts, 1), entries)
    within = np.arange(len(lengths)) - np.repeat(np.cumsum(entries) - entries, entries)
    values = _bytes_at(data, np.repeat(positions, entries) + 8 * within)
    return np.repeat(values, lengths)[BYTES_A_PIXEL - 1 :: BYTES_A_PIXEL].reshape(height, width) > 0


def _read_codes(
    data: bytes, num_bytes: int
) -> tuple[Int64[np.ndarray, "N"], Bool[np.ndarray, "N"], Int64[np.ndarray, "N"]]:
    """Of each code: its count, whether it is a run, and the bit at which its bytes begin."""
    if len(data) < -(-HEAD_BITS // 8):
        raise ValueError("it ends too early")
    if int.from_bytes(data[:4], "big") != num_bytes:
        raise ValueError(
            f"it holds {int.from_bytes(data[:4], 'big')} bytes, but {num_bytes} make a picture of its size"
        )
    head = int.from_bytes(data[4:7], "big") >> 3
    if head >> 16 != 7:
        raise ValueError(f"it is packed in units of {(head >> 16) + 1} bits, not in bytes")
    count_bits = [(head >> 4 * place & 15) + 1 for place in (3, 2, 1, 0)]

    counts, is_run, positions = [], [], []
    position, num_read, end = HEAD_BITS, 0, 8 * len(data)
    while num_read < num_bytes:
        window = int.from_bytes(data[position >> 3 : (position >> 3) + 4].ljust(4, b"\0"), "big") << (position & 7)
        bits = count_bits[window >> 29 & 3]
        count = (window >> (29 - bits) & ((1 << bits) - 1)) + 1
        run = bool(window >> 31 & 1)
        position += 3 + bits
        counts.append(count)
        is_run.append(run)
        positions.append(position)
        position += 8 if run else 8 * count
        num_read += count
        if position > end:
            raise ValueError("it ends too early")
    if num_read != num_bytes:
        raise ValueError("its last count reaches beyond the picture")
    return np.array(counts, np.int64), np.array(is_run, bool), np.array(positions, np.int64)


def _bytes_at(data: bytes, positions: Int64[np.ndarray, "N"]) -> UInt8[np.ndarray, "N"]:
    """The bytes that begin at these bits."""
    pairs = np.frombuffer(data + b"\0", np.uint8).astype(np.uint16)
    pairs = pairs[:-1] << 8 | pairs[1:]
    return (pairs[positions >> 3] >> (8 - (positions & 7)).astype(np.uint16)).astype(np.uint8)
