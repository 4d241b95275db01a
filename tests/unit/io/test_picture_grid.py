"""Several pictures in one: all are there, whole, and none that does not fit is taken."""

import numpy as np
import pytest

from masklet.io.picture_grid import draw_grid, draw_side_by_side


@pytest.fixture
def grey() -> np.ndarray:
    return np.full((200, 300, 3), 128, np.uint8)


def test_grid_fits_and_centres():
    images = [np.full((h, w, 3), 10 * i, np.uint8) for i, (h, w) in enumerate([(100, 100), (400, 100), (10, 20)])]
    sheet = draw_grid(images, 2, cell_size=(100, 100), gap=10)
    assert sheet.shape == (230, 230, 3)
    assert (sheet[10:110, 10:110] == 0).all()
    assert (sheet[10:110, 158:182] == 10).all()  # scaled down to 25 x 100, in the middle
    assert (sheet[165:175, 50:70] == 20).all()  # not enlarged
    assert (sheet[120:, 120:] == 255).all()
    assert draw_grid(images * 3).shape[1] == 3 * (100 + 12) + 12
    assert draw_grid(images[:1], 5, gap=0).shape == images[0].shape


def test_grids_refused(grey: np.ndarray):
    with pytest.raises(ValueError, match="no images"):
        draw_grid([])
    with pytest.raises(ValueError, match="not 0"):
        draw_grid([grey], 0)
    with pytest.raises(ValueError, match=r"\(200, 300\)"):
        draw_grid([grey[..., 0]])


def test_side_by_side(grey: np.ndarray):
    other = np.zeros((200, 100, 3), np.uint8)
    both = draw_side_by_side(grey, other)
    np.testing.assert_array_equal(both[:, :300], grey)
    np.testing.assert_array_equal(both[:, -100:], other)
    assert (both[:, 300:-100] == 255).all()
    assert both.shape[1] > 400
    assert draw_side_by_side(grey, other, grey).shape[1] == 2 * both.shape[1] - 100
    np.testing.assert_array_equal(draw_side_by_side(grey), grey)


def test_titles_stand_in_the_upper_left_corner(grey: np.ndarray):
    plain = draw_side_by_side(grey, grey)
    titled = draw_side_by_side(grey, grey, titles=["before", ""])
    rows, columns = np.nonzero((titled != plain).any(-1))
    assert rows.max() < 50
    assert columns.max() < 150
    assert (grey == 128).all()  # drawn on a copy
    np.testing.assert_array_equal(draw_side_by_side(grey, grey, titles=["", ""]), plain)
    tiny = np.zeros((3, 3, 3), np.uint8)
    assert draw_side_by_side(tiny, tiny, titles=["a long title", "b"]).shape[0] == 3


def test_what_does_not_stand_side_by_side_is_refused(grey: np.ndarray):
    with pytest.raises(ValueError, match="not of 200, 100"):
        draw_side_by_side(grey, grey[:100])
    with pytest.raises(ValueError, match="not of none"):
        draw_side_by_side()
    with pytest.raises(ValueError, match="2 pictures side by side and 1 titles"):
        draw_side_by_side(grey, grey, titles=["a"])
    with pytest.raises(ValueError, match="float64"):
        draw_side_by_side(grey, grey / 255)
