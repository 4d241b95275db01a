from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from masklet.io.formats.brush_rle import decode_brush_rle, encode_brush_rle

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=24))


@given(MASKS)
def test_there_and_back(mask: np.ndarray):
    np.testing.assert_array_equal(decode_brush_rle(encode_brush_rle(mask), mask.shape), mask)


@given(MASKS)
def test_label_studio_reads_and_writes_the_same(brush: ModuleType, mask: np.ndarray):
    code = encode_brush_rle(mask)
    channels = brush.decode_rle(list(code)).reshape(*mask.shape, 4)
    np.testing.assert_array_equal(channels, np.where(mask, 255, 0)[..., None].repeat(4, -1))
    theirs = bytes(brush.mask2rle(np.where(mask, 255, 0).astype(np.uint8)))
    assert theirs[: len(code)] == code
    assert theirs[len(code) :] in (b"", b"\0")  # they pad with a whole byte where none is needed
    np.testing.assert_array_equal(decode_brush_rle(theirs, mask.shape), mask)


@pytest.mark.parametrize("num_pixels", [2**14 - 1, 2**14, 2**14 + 1, 2**15, 3 * 2**14 + 5])
def test_runs_longer_than_a_count(brush: ModuleType, num_pixels: int):
    mask = np.ones((1, num_pixels + 3), bool)
    mask[0, :2] = False
    code = encode_brush_rle(mask)
    np.testing.assert_array_equal(decode_brush_rle(code, mask.shape), mask)
    assert bytes(brush.mask2rle(mask.astype(np.uint8) * 255)).startswith(code)


@given(st.lists(st.integers(0, 255), min_size=1, max_size=40), st.data())
def test_stretches_of_unlike_bytes(brush: ModuleType, alpha: list[int], data: st.DataObject):
    """The editor's own encoder, in JavaScript, packs them so; soft edges make alpha of any value."""
    channels = np.array([[7, 8, 9, value] for value in alpha], np.uint8).ravel()
    cuts = data.draw(st.sets(st.integers(1, len(channels) - 1), max_size=9)) | {0, len(channels)}
    bits = f"{len(channels):032b}" + f"{7:05b}" + "".join(f"{size - 1:04b}" for size in (2, 5, 7, 9))
    for begin, end in zip(sorted(cuts), sorted(cuts)[1:], strict=False):
        values = channels[begin:end]
        run = len(set(values.tolist())) == 1
        bits += f"{run:d}" + "11" + f"{end - begin - 1:09b}"
        bits += "".join(f"{value:08b}" for value in (values[:1] if run else values))
    code = [int(bits[start : start + 8].ljust(8, "0"), 2) for start in range(0, len(bits), 8)]
    np.testing.assert_array_equal(brush.decode_rle(code), channels)
    np.testing.assert_array_equal(decode_brush_rle(code, (1, len(alpha))), np.array([alpha]) > 0)


def test_what_is_damaged():
    mask = np.zeros((20, 30), bool)
    mask[4:9, 3:12] = True
    code = encode_brush_rle(mask)
    for length in range(len(code) - 1):
        with pytest.raises(ValueError, match="too early"):
            decode_brush_rle(code[:length], mask.shape)
    with pytest.raises(ValueError, match="2400 bytes, but 2520 make"):
        decode_brush_rle(code, (21, 30))
    with pytest.raises(ValueError, match="units of 16 bits"):
        decode_brush_rle(code[:4] + bytes([15 << 3 | code[4] & 7]) + code[5:], mask.shape)
    with pytest.raises(ValueError, match=r"bytes must be in range\(0, 256\)"):
        decode_brush_rle([*code[:-1], 256], mask.shape)
    longer = (4 * 600 - 4).to_bytes(4, "big") + code[4:]
    with pytest.raises(ValueError, match="beyond the picture"):
        decode_brush_rle(longer, (1, 599))
    with pytest.raises(ValueError, match="no masks of height and width"):
        encode_brush_rle(np.zeros((0, 5), bool))
