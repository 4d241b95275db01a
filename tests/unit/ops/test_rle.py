import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco_mask

from masklet.ops.rle import decode_rle, encode_rle, encode_rle_part, rle_area, rle_box, rle_runs, uncompressed_rle

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.booleans())


@given(masks)
def test_round_trip(mask: np.ndarray):
    rle = encode_rle(mask)
    assert rle["size"] == list(mask.shape)
    assert isinstance(rle["counts"], str)
    decoded = decode_rle(rle)
    assert decoded.dtype == bool
    np.testing.assert_array_equal(decoded, mask)
    assert rle_area(rle) == mask.sum()


@given(masks, st.tuples(*[st.integers(0, 5)] * 4))
def test_a_part_is_encoded_as_the_whole(mask: np.ndarray, margins: tuple[int, int, int, int]):
    left, top, right, bottom = margins
    whole = np.pad(mask, ((top, bottom), (left, right)))
    assert encode_rle_part(mask, (left, top), whole.shape) == encode_rle(whole)


def test_a_part_must_lie_within_the_whole():
    assert encode_rle_part(np.zeros((0, 0), bool), (0, 0), (2, 3)) == encode_rle(np.zeros((2, 3), bool))
    with pytest.raises(ValueError, match=r"2 x 2 pixels at \(3, 0\) is not within 4 x 4"):
        encode_rle_part(np.ones((2, 2), bool), (3, 0), (4, 4))


@given(masks)
def test_the_box_is_the_tightest(mask: np.ndarray):
    rows, columns = np.nonzero(mask)
    box = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1) if len(rows) else (0, 0, 0, 0)
    assert rle_box(encode_rle(mask)) == box
    assert rle_box({"size": [2, 3], "counts": [1, 1, 0, 0, 4]}) == (0, 1, 1, 1)  # a run of nothing moves no box


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own
@given(masks)
def test_pycocotools_reads_and_writes_the_same(mask: np.ndarray):
    rle = encode_rle(mask)
    np.testing.assert_array_equal(coco_mask.decode(rle).astype(bool), mask)
    assert coco_mask.area(rle) == rle_area(rle)
    uncompressed = {"size": rle["size"], "counts": rle_runs(rle).tolist()}
    np.testing.assert_array_equal(decode_rle(uncompressed), mask)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (40, 30), (3000, 2000)])
@pytest.mark.parametrize("value", [False, True])
def test_uniform_masks(shape: tuple[int, int], value: bool):
    mask = np.full(shape, value)
    rle = encode_rle(mask)
    np.testing.assert_array_equal(decode_rle(rle), mask)
    assert rle_runs(rle).tolist() == ([0, mask.size] if value else [mask.size])


def test_masks_without_pixels():
    for shape in [(0, 5), (5, 0), (0, 0)]:
        rle = encode_rle(np.zeros(shape, dtype=bool))
        assert decode_rle(rle).shape == shape
        assert rle_area(rle) == 0


def test_runs_go_down_the_columns_from_outside():
    mask = np.array([[True, False], [True, True]])
    assert rle_runs(encode_rle(mask)).tolist() == [0, 2, 1, 1]


def test_bytes_are_read_too():
    mask = np.eye(5, dtype=bool)
    rle = encode_rle(mask)
    np.testing.assert_array_equal(decode_rle({"size": [5, 5], "counts": rle["counts"].encode()}), mask)


def test_only_boolean_masks_of_two_axes_are_encoded():
    with pytest.raises(ValueError, match="boolean, not uint8"):
        encode_rle(np.zeros((3, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"shape \(1, 3, 3\)"):
        encode_rle(np.zeros((1, 3, 3), dtype=bool))


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ({"size": [3, 3], "counts": "4"}, "do not fill"),
        ({"size": [3, 3], "counts": ""}, "do not fill"),
        ({"size": [3, 3], "counts": [4, 6]}, "do not fill"),
        ({"size": [3, 3], "counts": [-1, 10]}, "do not fill"),
        ({"size": [3, 3], "counts": [2**62, 2**62, 2**62, 2**62, 9]}, "do not fill"),
        ({"size": [3, 3], "counts": "é"}, "not a COCO string"),
        ({"size": [3, 3], "counts": "!!"}, "not a COCO string"),
        ({"size": [3, 3], "counts": "9P"}, "not a COCO string"),  # ends where more is announced
        ({"size": [3, 3], "counts": "P" * 30 + "0"}, "too long"),
        ({"size": [3, 3], "counts": 9}, "not int"),
        ({"size": [3, 3], "counts": [4.5, 4.5]}, "not list"),
        ({"size": [3], "counts": "9"}, r"\[3\]"),
        ({"size": [3, -3], "counts": "9"}, "-3"),
        ({"counts": "9"}, "keys size and counts"),
    ],
)
def test_malformed_rles_are_refused(rle: dict, message: str):
    with pytest.raises(ValueError, match=message):
        decode_rle(rle)
    with pytest.raises(ValueError, match=message):
        rle_area(rle)


@given(masks, st.data())
def test_damage_never_reads_past_the_mask(mask: np.ndarray, data: st.DataObject):
    rle = encode_rle(mask)
    position = data.draw(st.integers(0, len(rle["counts"]) - 1))
    character = data.draw(st.characters(min_codepoint=32, max_codepoint=126))
    damaged = rle["counts"][:position] + character + rle["counts"][position + 1 :]
    try:
        decoded = decode_rle({"size": rle["size"], "counts": damaged})
    except ValueError:
        return
    assert decoded.shape == mask.shape


def test_uncompressed_counts_are_run_lengths():
    mask = np.zeros((2, 3), bool)
    mask[:, 1] = True
    assert uncompressed_rle(encode_rle(mask)) == {"size": [2, 3], "counts": [2, 2, 2]}
