from collections import Counter

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from masklet.ops.outlines import trace_outlines
from masklet.ops.rings import fill_rings, ring_area

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=25), elements=st.booleans())


@given(masks)
def test_outlines_hold_the_mask_exactly(mask: np.ndarray):
    rings, touching = trace_outlines(mask)
    np.testing.assert_array_equal(fill_rings(rings, mask.shape), mask)
    areas = [ring_area(ring) for ring in rings]
    assert sum(areas) == mask.sum()
    assert sum(area > 0 for area in areas) == cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)[0] - 1
    assert touching.shape == (mask.shape[0] + 1, mask.shape[1] + 1)
    corners = [corner for ring in rings for corner in map(tuple, ring.tolist())]
    shared = {(y, x) for (x, y), number in Counter(corners).items() if number == 2}
    assert shared == set(map(tuple, np.argwhere(touching).tolist()))


@given(masks)
def test_rings_are_simple_and_turn_at_each_corner(mask: np.ndarray):
    for ring in trace_outlines(mask)[0]:
        assert len(set(map(tuple, ring.tolist()))) == len(ring)
        steps = np.roll(ring, -1, axis=0) - ring
        assert ((steps == 0).sum(1) == 1).all()
        assert ((steps[:, 0] == 0) != (np.roll(steps, 1, axis=0)[:, 0] == 0)).all()


def test_which_way_they_go():
    mask = np.ones((5, 6), bool)
    mask[2, 2:4] = False
    outer, hole = trace_outlines(mask)[0]
    assert outer.tolist() == [[0, 0], [6, 0], [6, 5], [0, 5]]
    assert ring_area(outer) == 30
    assert ring_area(hole) == -2
    assert sorted(hole.tolist()) == [[2, 2], [2, 3], [4, 2], [4, 3]]


def test_pixels_that_touch_by_a_corner_are_apart():
    rings, touching = trace_outlines(np.eye(2, dtype=bool))
    assert [ring_area(ring) for ring in rings] == [1, 1]
    assert np.argwhere(touching).tolist() == [[1, 1]]
    assert trace_outlines(np.zeros((3, 4), bool))[0] == []
