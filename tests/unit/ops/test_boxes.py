import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from masklet.ops.boxes import masks_to_boxes


def test_boxes_are_inclusive():
    masks = torch.zeros(2, 6, 8, dtype=torch.bool)
    masks[0, 1:4, 2:7] = True
    boxes = masks_to_boxes(masks)
    assert boxes.tolist() == [[2, 1, 6, 3], [0, 0, 0, 0]]
    assert boxes.dtype == torch.int64
    assert masks_to_boxes(masks[0]).tolist() == [2, 1, 6, 3]


def test_boxes_of_nothing():
    assert masks_to_boxes(torch.zeros(0, 5, 5, dtype=torch.bool)).shape == (0, 4)
    assert masks_to_boxes(torch.zeros(2, 0, 5, dtype=torch.bool)).tolist() == [[0] * 4] * 2


@given(arrays(bool, array_shapes(min_dims=2, max_dims=4, max_side=8), elements=st.booleans()))
def test_boxes_are_the_extent_of_the_pixels(masks: np.ndarray):
    boxes = masks_to_boxes(torch.from_numpy(masks)).reshape(-1, 4)
    for mask, box in zip(masks.reshape(-1, *masks.shape[-2:]), boxes, strict=True):
        ys, xs = np.nonzero(mask)
        expected = [xs.min(), ys.min(), xs.max(), ys.max()] if len(xs) else [0, 0, 0, 0]
        assert box.tolist() == expected
