"""The helper functions for automatic masks: the numbers of `sam2.utils.amg`, which were taken from running it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from masklet.compat.sam2 import amg

CROP, WHOLE = [100, 0, 200, 100], [0, 0, 300, 310]


def test_batches_end_with_what_is_left():
    assert [first for first, _ in amg.batch_iterator(2, "abc", range(3))] == ["ab", "c"]
    assert [list(second) for _, second in amg.batch_iterator(2, "abc", range(3))] == [[0, 1], [2]]
    assert list(amg.batch_iterator(2, [])) == []
    with pytest.raises(AssertionError, match=r"\[2, 3\]"):
        next(amg.batch_iterator(2, "abc", "ab"))


def test_grids():
    np.testing.assert_allclose(amg.build_point_grid(2), [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]])
    grids = amg.build_all_layer_point_grids(9, 2, 2)
    assert [len(grid) for grid in grids] == [81, 16, 4]


def test_crop_boxes():
    boxes, layers = amg.generate_crop_boxes((10, 7), 2, 512 / 1500)
    assert boxes[:6] == [[0, 0, 7, 10], [0, 0, 5, 6], [0, 4, 5, 10], [3, 0, 7, 6], [3, 4, 7, 10], [0, 0, 3, 4]]
    assert layers == [0] + [1] * 4 + [2] * 16


def test_boxes_near_the_edge_of_a_crop():
    """The crop's upper edge is the image's too: there, what is cut off is cut off in the image."""
    boxes = torch.tensor([[30, 0, 60, 60], [20, 30, 60, 60], [21, 30, 60, 60], [30, 30, 79, 79], [30, 30, 80, 60]])
    assert amg.is_box_near_crop_edge(boxes, CROP, WHOLE).tolist() == [False, True, False, False, True]
    assert not amg.is_box_near_crop_edge(boxes, CROP, WHOLE, atol=1.0).any()
    assert amg.is_box_near_crop_edge(torch.zeros(0, 4), CROP, WHOLE).shape == (0,)


def test_from_a_crop_to_the_image():
    assert amg.uncrop_boxes_xyxy(torch.tensor([[1, 2, 3, 4]]), CROP).tolist() == [[101, 2, 103, 4]]
    assert amg.uncrop_points(torch.tensor([[[0.5, 2.0]]]), CROP).tolist() == [[[100.5, 2.0]]]
    masks = torch.ones(2, 100, 100, dtype=torch.bool)
    placed = amg.uncrop_masks(masks, CROP, 310, 300)
    assert placed.shape == (2, 310, 300)
    assert placed.sum() == masks.sum() == placed[:, :100, 100:200].sum()


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_widths_are_differences(kind):
    box = kind([1, 2, 5, 7])
    found = amg.box_xyxy_to_xywh(box)
    assert type(found) is type(box)
    assert list(found) == [1, 2, 4, 5]
    assert list(box) == [1, 2, 5, 7]


def test_widths_of_several_boxes():
    boxes = torch.tensor([[1, 2, 5, 7], [0, 0, 3, 3], [9, 9, 9, 9]])
    assert amg.box_xyxy_to_xywh(boxes).tolist() == [[1, 2, 4, 5], [0, 0, 3, 3], [9, 9, 0, 0]]


def test_stability():
    logits = torch.tensor([[[2.0, 0.5], [-0.5, -2.0]], [[-3.0, -3.0], [-3.0, -3.0]]])
    first, second = amg.calculate_stability_score(logits, 0.0, 1.0)
    assert first == pytest.approx(1 / 3)
    assert second.isnan()
    assert amg.calculate_stability_score(logits[:1], -3.0, 0.5).item() == 1.0


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_run_lengths_hold_the_mask(mask):
    (rle,) = amg.mask_to_rle_pytorch(torch.from_numpy(mask)[None])
    assert rle["size"] == list(mask.shape)
    assert sum(rle["counts"]) == mask.size
    assert all(count > 0 for count in rle["counts"][1:])
    assert (rle["counts"][0] == 0) == mask[0, 0]
    assert amg.area_from_rle(rle) == mask.sum()
    assert np.array_equal(amg.rle_to_mask(rle), mask)
    compact = amg.coco_encode_rle(rle)
    assert isinstance(compact["counts"], str)
    assert np.array_equal(amg.rle_to_mask(compact), mask)
    box = amg.batched_mask_to_box(torch.from_numpy(mask)).tolist()
    y, x = mask.nonzero()
    assert box == ([x.min(), y.min(), x.max(), y.max()] if mask.any() else [0, 0, 0, 0])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float32])
def test_boxes_of_masks_of_zeros_and_ones(dtype):
    masks = torch.zeros(2, 5, 7)
    masks[1, 1:4, 2:6] = 1
    assert amg.batched_mask_to_box(masks.to(dtype)).tolist() == [[0, 0, 0, 0], [2, 1, 5, 3]]


def test_uniform_masks_have_run_lengths():
    outside, inside = amg.mask_to_rle_pytorch(torch.tensor([False, True])[:, None, None].expand(2, 2, 3))
    assert outside == {"size": [2, 3], "counts": [6]}
    assert inside == {"size": [2, 3], "counts": [0, 6]}


@pytest.fixture
def ring() -> np.ndarray:
    """A square with a hole of 4 pixels, and an island of 3 that touches another by a corner."""
    mask = np.zeros((12, 12), bool)
    mask[1:7, 1:7] = True
    mask[3:5, 3:5] = False
    mask[9, 8:10] = mask[10, 10] = True
    return mask


def test_holes_are_filled(ring):
    assert not amg.remove_small_regions(ring, 4, "holes")[1]
    filled, changed = amg.remove_small_regions(ring, 5, "holes")
    assert changed
    assert filled.sum() == ring.sum() + 4
    assert filled[3:5, 3:5].all()


def test_islands_are_removed_and_the_largest_stays(ring):
    assert not amg.remove_small_regions(ring, 3, "islands")[1]
    for area in (4, 1000):
        kept, changed = amg.remove_small_regions(ring, area, "islands")
        assert changed
        assert kept.sum() == ring.sum() - 3
        assert not kept[9:].any()
    alone, changed = amg.remove_small_regions(kept, 1000, "islands")
    assert changed
    assert np.array_equal(alone, kept)


@given(st.sampled_from(["holes", "islands"]), st.integers(0, 20))
def test_masks_without_regions_stay(mode, area):
    empty = np.zeros((3, 3), bool)
    uniform = ~empty if mode == "holes" else empty
    same, changed = amg.remove_small_regions(uniform, area, mode)
    assert not changed
    assert np.array_equal(same, uniform)


def test_modes_have_names(ring):
    with pytest.raises(AssertionError, match="'specks'"):
        amg.remove_small_regions(ring, 4, "specks")
