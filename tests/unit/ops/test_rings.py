import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.ops.rings import MOST_DISTANCES, cut_at_repeats, fill_rings, join_rings, ring_area

SQUARE = np.array([[1, 1], [7, 1], [7, 7], [1, 7]])
HOLE = np.array([[3, 3], [3, 5], [5, 5], [5, 3]])


def test_area_is_signed():
    assert ring_area(SQUARE) == 36
    assert ring_area(HOLE) == -4
    assert ring_area(np.array([[0.5, 0], [2, 1.5], [0.5, 1]])) == pytest.approx(0.75)


def test_centres_within_are_filled():
    filled = fill_rings([SQUARE, HOLE], (9, 8))
    expected = np.zeros((9, 8), bool)
    expected[1:7, 1:7] = True
    expected[3:5, 3:5] = False
    np.testing.assert_array_equal(filled, expected)
    assert not fill_rings([], (3, 4)).any()
    assert not fill_rings([np.array([[0.6, 0.6], [1.4, 0.6], [1.4, 1.4]])], (3, 4)).any(), "between all centres"


def test_what_lies_outside_is_cut_off():
    assert fill_rings([np.array([[-1e9, -5], [1e9, -5], [1e9, 50], [-1e9, 50]])], (4, 3)).all()
    half = fill_rings([np.array([[-9, -9], [2, -9], [2, 99], [-9, 99]])], (4, 3))
    np.testing.assert_array_equal(half, np.tile([True, True, False], (4, 1)))
    assert not fill_rings([SQUARE + 50], (9, 8)).any()


@given(st.integers(0, 10**9))
def test_neighbours_share_no_pixel_and_leave_none_out(seed: int):
    corners = np.random.default_rng(seed).integers(0, 21, (2, 2)) / 2
    corners[1] += corners[0, ::-1] == corners[1]
    frame = np.array([[0, 0], [10, 0], [10, 10], [0, 10]])
    whole = fill_rings([frame], (10, 10))
    ring = np.array([corners[0], corners[1], [10, 10], [3, 9.5]])
    inside, outside = fill_rings([ring], (10, 10)), fill_rings([ring, frame], (10, 10))
    np.testing.assert_array_equal(inside ^ outside, whole)
    assert not (inside & outside).any()


def test_as_opencv_fills_away_from_the_edge():
    ring = np.random.default_rng(3).integers(10, 90, (7, 2))
    drawn = np.zeros((100, 100), np.uint8)
    cv2.fillPoly(drawn, [ring.astype(np.int32)], 1)
    border = np.zeros_like(drawn)
    cv2.polylines(border, [ring.astype(np.int32)], True, 1, thickness=3)
    filled = fill_rings([ring], (100, 100))
    np.testing.assert_array_equal(filled[border == 0], drawn[border == 0] == 1)


def test_bridges_change_nothing_and_can_be_cut():
    apart = np.array([[20, 2], [24, 2], [24, 6], [20, 6]])
    rings = [SQUARE, HOLE, apart]
    joined = join_rings(rings)
    assert len(joined) == 4 + 4 + 4 + 2 * 2
    np.testing.assert_array_equal(fill_rings([joined], (9, 30)), fill_rings(rings, (9, 30)))
    assert ring_area(joined) == 36 - 4 + 16
    cut = [ring for ring in cut_at_repeats(joined) if len(ring) > 2]
    assert {frozenset(map(tuple, ring.tolist())) for ring in cut} == {
        frozenset(map(tuple, ring.tolist())) for ring in rings
    }
    np.testing.assert_array_equal(fill_rings(cut, (9, 30)), fill_rings(rings, (9, 30)))
    np.testing.assert_array_equal(join_rings([SQUARE]), SQUARE)


def test_bridges_are_short():
    many = np.stack([np.arange(600), np.full(600, 50)], 1)
    joined = join_rings([SQUARE, many])
    steps = np.linalg.norm(np.roll(joined, -1, axis=0) - joined, axis=1)
    assert sorted(steps)[-3:-1] == pytest.approx([43, 43])  # from (7, 7) to (7, 50) and back; the other closes `many`


def test_thousands_of_rings_are_joined_as_well():
    corners = np.stack(np.meshgrid(np.arange(0, 160, 4), np.arange(0, 160, 4)), -1).reshape(-1, 2)
    square = np.array([[1, 1], [3, 1], [3, 3], [1, 3]])
    outer = np.array([[0, 0], [200, 0], [200, 170], [0, 170]])
    rings = [outer, *(square[::-1] + corner for corner in corners)]
    assert len(rings) * sum(map(len, rings)) > MOST_DISTANCES
    joined = join_rings(rings)
    np.testing.assert_array_equal(fill_rings([joined], (175, 205)), fill_rings(rings, (175, 205)))
    parts = [part for part in cut_at_repeats(joined) if len(part) > 2]
    assert sorted(map(ring_area, parts)) == sorted(map(ring_area, rings))
    assert not np.array_equal(joined[0], joined[-1])
    steps = np.abs(np.diff(joined, axis=0)).sum(1)
    assert np.median(steps) <= 4
    assert np.sort(steps)[-12:].sum() < 2000, "no bridge but a few crosses the picture"


def test_a_ring_without_repeats_is_left():
    (ring,) = cut_at_repeats(SQUARE)
    assert ring is SQUARE
    eight = np.array([[0, 0], [2, 0], [2, 2], [4, 2], [4, 4], [2, 4], [2, 2], [0, 2]])
    first, second = cut_at_repeats(eight)
    assert ring_area(first) == ring_area(second) == 4
