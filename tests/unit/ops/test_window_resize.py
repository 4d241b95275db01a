import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from masklet.ops.masks import resize_logits
from masklet.ops.window_resize import WindowResizer

sides = st.integers(1, 40)


@given(st.tuples(sides, sides), st.tuples(sides, sides), st.integers(0, 99))
def test_a_window_is_cut_from_the_whole(low_res_size, size, seed):
    logits = torch.randn((2, *low_res_size), generator=torch.Generator().manual_seed(seed)) * 10
    whole = resize_logits(logits[None], size)[0]
    top, left = seed % size[0], (seed * 7) % size[1]
    resizer = WindowResizer(low_res_size, size, "cpu")
    rows, columns = slice(top, size[0]), slice(left, size[1])
    window = torch.cat([band for _, band in resizer.bands(logits, rows, columns, max_pixels=30)], dim=1)
    torch.testing.assert_close(window, whole[:, top:, left:], atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("size", [(256, 256), (240, 427), (500, 333), (64, 900)])
def test_masks_are_those_of_the_whole_to_the_pixel(size):
    logits = torch.randn((1, 64, 64), generator=torch.Generator().manual_seed(0)) * 10
    whole = resize_logits(logits[None], size)[0] > 0
    height, width = size
    resizer = WindowResizer((64, 64), size, "cpu")
    cut = torch.zeros_like(whole)
    for rows, band in resizer.bands(logits, slice(0, height), slice(0, width), max_pixels=10_000):
        assert band.numel() <= 10_000
        cut[:, rows] = band > 0
    assert (cut != whole).sum() <= 1  # none but where another kernel rounds otherwise


@given(st.tuples(sides, sides), st.tuples(sides, sides), st.integers(0, 99), st.sampled_from([0.0, 1.5, 3.0]))
def test_nothing_exceeds_the_threshold_beyond_the_window(low_res_size, size, seed, threshold):
    logits = torch.randn((3, *low_res_size), generator=torch.Generator().manual_seed(seed))
    rows, columns = WindowResizer(low_res_size, size, "cpu").window(logits > threshold)
    inside = np.zeros(size, bool)
    inside[rows, columns] = True
    exceeds = (resize_logits(logits[None], size)[0] > threshold).any(0).numpy()
    assert not (exceeds & ~inside).any()


def test_windows_are_tight():
    resizer = WindowResizer((8, 8), (80, 160), "cpu")
    occupied = torch.zeros((1, 8, 8), dtype=torch.bool)
    assert resizer.window(occupied) == (slice(0, 15), slice(0, 30))  # what the first pixel reaches, for want of another
    occupied[0, 3, 4] = True
    rows, columns = resizer.window(occupied)
    assert (rows, columns) == (slice(25, 45), slice(70, 110))  # from the middle of the pixel before to that after it
    skipped = torch.zeros((1, 8, 8), dtype=torch.bool)
    skipped[0, 7, 7] = True
    assert WindowResizer((8, 8), (1, 1), "cpu").window(skipped) == (slice(0, 1), slice(0, 1))


@given(st.tuples(sides, sides), st.tuples(sides, sides), st.integers(0, 99), st.sampled_from([-1.0, 0.0, 1.5]))
def test_counts_lie_between_their_bounds(low_res_size, size, seed, threshold):
    logits = torch.randn((3, *low_res_size), generator=torch.Generator().manual_seed(seed))
    least, most = WindowResizer(low_res_size, size, "cpu").count_bounds(logits, threshold)
    count = (resize_logits(logits[None], size)[0] > threshold).sum((1, 2))
    assert (least <= count).all()
    assert (count <= most).all()


def test_bounds_meet_where_nothing_is_in_between():
    resizer = WindowResizer((8, 8), (30, 70), "cpu")
    for logit, count in ((2.0, 30 * 70), (-2.0, 0)):
        assert [bound.tolist() for bound in resizer.count_bounds(torch.full((1, 8, 8), logit), 0)] == [[count]] * 2
