import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from masklet.ops.grids import Crop, crop_grid, is_cut_by_crop, layer_sides, point_grid


def test_points_lie_in_the_middles_of_cells_x_first():
    expected = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]
    np.testing.assert_allclose(point_grid(2), expected)
    np.testing.assert_allclose(point_grid(1), [(0.5, 0.5)])
    assert point_grid(32).shape == (1024, 2)
    assert point_grid(32).min() == 1 / 64
    with pytest.raises(ValueError, match="side of at least 1, not 0"):
        point_grid(0)


def test_sides_of_deeper_layers_are_rounded_down():
    assert layer_sides(32, 2, 1) == [32, 32, 32]
    assert layer_sides(9, 2, 2) == [9, 4, 2]
    assert layer_sides(3, 2, 2) == [3, 1, 0]


def test_crops_are_upstreams():
    # By hand: they overlap by int(512 / 1500 * 60) = 20, and are (20 + 100) / 2 = 60 wide and (20 + 60) / 2 = 40 high.
    crops = crop_grid((60, 100), 1, 512 / 1500)
    assert [crop.box for crop in crops] == [
        (0, 0, 100, 60),
        (0, 0, 60, 40),
        (0, 20, 60, 60),
        (40, 0, 100, 40),
        (40, 20, 100, 60),
    ]
    assert [crop.layer for crop in crops] == [0, 1, 1, 1, 1]
    assert crops[1].size == (40, 60)


@given(
    st.integers(1, 90), st.integers(1, 90), st.integers(0, 3), st.floats(0, 1, exclude_max=True, allow_subnormal=False)
)
def test_the_crops_of_each_layer_cover_the_image(height: int, width: int, num_layers: int, overlap_ratio: float):
    crops = crop_grid((height, width), num_layers, overlap_ratio)
    for layer in range(num_layers + 1):
        covered = np.zeros((height, width), bool)
        for crop in crops:
            if crop.layer == layer:
                left, top, right, bottom = crop.box
                assert 0 <= left < right <= width
                assert 0 <= top < bottom <= height
                covered[top:bottom, left:right] = True
        assert covered.all()


def test_a_pixel_is_not_cut_into_nothing():
    assert [crop.box for crop in crop_grid((1, 1), 2, 0.3)] == [(0, 0, 1, 1)] * 3
    with pytest.raises(ValueError, match="height 0"):
        crop_grid((0, 5), 1, 0.3)


def test_boxes_are_cut_within_twenty_pixels_of_edges_that_are_not_the_images():
    crop = Crop((100, 0, 300, 200), 1)
    image_size = (200, 500)
    inside = [130, 50, 260, 150]
    cases = {
        (130, 50, 260, 150): False,
        (120, 50, 260, 150): True,  # 20 pixels from the crop's left edge
        (121, 50, 260, 150): False,
        (130, 0, 260, 199): False,  # at the image's top and bottom
        (130, 50, 280, 150): True,
        (130, 50, 279, 150): False,
    }
    found = is_cut_by_crop(torch.tensor([inside, *cases]), crop, image_size)
    assert found.tolist() == [False, *cases.values()]
    near_both = Crop((10, 0, 300, 200), 1)  # the image's left edge is near as well
    assert not is_cut_by_crop(torch.tensor([[12, 50, 200, 150]]), near_both, image_size).any()
