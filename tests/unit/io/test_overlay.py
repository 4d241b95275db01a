import colorsys

import numpy as np
import pytest

from masklet.io.overlay import (
    FILL_OPACITY,
    NEGATIVE_COLOUR,
    PALETTE,
    POSITIVE_COLOUR,
    draw_grid,
    draw_overlay,
    object_colour,
)


@pytest.fixture
def grey() -> np.ndarray:
    return np.full((200, 300, 3), 128, np.uint8)


@pytest.fixture
def square() -> np.ndarray:
    mask = np.zeros((200, 300), bool)
    mask[50:150, 80:200] = True
    return mask


def filled(colour: tuple[int, int, int], ground: int = 128) -> np.ndarray:
    return np.rint(ground + FILL_OPACITY * (np.array(colour) - ground))


def test_fill_contour_and_ground(grey: np.ndarray, square: np.ndarray):
    before = grey.copy()
    drawn = draw_overlay(grey, square)
    np.testing.assert_array_equal(grey, before)  # drawn on a copy
    assert drawn.shape == grey.shape
    assert drawn.dtype == np.uint8
    np.testing.assert_allclose(drawn[100, 140], filled(PALETTE[0]), atol=1)
    np.testing.assert_array_equal(drawn[:40], grey[:40])
    edge = drawn[100, 76:90].astype(int)
    assert np.abs(edge - np.array(PALETTE[0])).sum(1).min() < 60  # the line, in full colour
    assert edge.min(1).max() > 128  # and its white halo


def test_masks_come_as_array_list_or_by_object_id(grey: np.ndarray, square: np.ndarray):
    first = draw_overlay(grey, square)
    np.testing.assert_array_equal(draw_overlay(grey, square[None]), first)
    np.testing.assert_array_equal(draw_overlay(grey, [square]), first)
    np.testing.assert_array_equal(draw_overlay(grey, {0: square}), first)
    np.testing.assert_allclose(draw_overlay(grey, {5: square})[100, 140], filled(object_colour(5)), atol=1)


def test_nothing_to_draw_changes_nothing(grey: np.ndarray, square: np.ndarray):
    for masks in (square & False, np.zeros((0, 200, 300), bool), [], {}):
        np.testing.assert_array_equal(draw_overlay(grey, masks), grey)


def test_small_masks_lie_on_large_ones(grey: np.ndarray, square: np.ndarray):
    small = np.zeros_like(square)
    small[80:120, 110:170] = True
    for masks in ([square, small], [small, square]):
        drawn = draw_overlay(grey, masks)
        below, above = (0, 1) if masks[0] is square else (1, 0)
        ground = filled(object_colour(below))
        expected = ground + FILL_OPACITY * (np.array(object_colour(above)) - ground)
        np.testing.assert_allclose(drawn[100, 140], expected, atol=1)


def test_masks_that_fill_or_hardly_touch_the_picture(grey: np.ndarray):
    everything = np.ones((200, 300), bool)
    np.testing.assert_allclose(draw_overlay(grey, everything)[[0, 199], [0, 299]], [filled(PALETTE[0])] * 2, atol=1)
    corner = np.zeros((200, 300), bool)
    corner[0, 0] = corner[199, 299] = True
    assert (draw_overlay(grey, corner)[0, 0] != 128).any()
    assert draw_overlay(grey[:1, :1], np.ones((1, 1), bool), points=[(0, 0)], boxes=[0, 0, 0, 0]).shape == (1, 1, 3)


def test_points_are_green_and_red(grey: np.ndarray):
    drawn = draw_overlay(grey, [], points=[(50, 60), (200, 100), (9, 9)], labels=[1, 0, -1]).astype(int)
    beside = np.array([3, 3])  # off the sign in the middle
    for (x, y), colour in (((50, 60), POSITIVE_COLOUR), ((200, 100), NEGATIVE_COLOUR)):
        assert np.abs(drawn[y + beside[1], x + beside[0]] - colour).max() < 70
        assert drawn[y - 8 : y + 9, x - 8 : x + 9].min(-1).max() > 240  # a white rim
        assert drawn[y, x].min() > 200  # and a white sign
    np.testing.assert_array_equal(drawn[:20, :20], 128)  # padding is not drawn
    positive = draw_overlay(grey, [], points=np.array([50.0, 60.0]))
    np.testing.assert_array_equal(positive, draw_overlay(grey, [], points=[(50, 60)], labels=[1]))


def test_boxes_are_lines(grey: np.ndarray, square: np.ndarray):
    drawn = draw_overlay(grey, [], boxes=[80, 50, 200, 150])
    np.testing.assert_array_equal(drawn[60:140, 90:190], 128)
    for y, x in ((50, 140), (150, 140), (100, 80), (100, 200)):
        assert (drawn[y, x] > 240).all()
    assert (drawn[50, 80] == 128).all()  # round corners
    np.testing.assert_array_equal(draw_overlay(grey, [], boxes=[[200, 150, 80, 50]]), drawn)
    coloured = draw_overlay(grey, {4: square & False}, boxes=[[80, 50, 200, 150]])
    assert np.abs(coloured[50, 140].astype(int) - object_colour(4)).max() < 40  # one a mask: in its colour


def test_what_lies_outside_the_picture_does_no_harm(grey: np.ndarray):
    far = [(-1e9, 5), (1e9, 1e9), (5, -300)]
    np.testing.assert_array_equal(draw_overlay(grey, [], points=far, boxes=[[-500, -500, -400, -400]]), grey)
    np.testing.assert_array_equal(draw_overlay(grey, [], boxes=[[-50, -50, 400, 300]]), grey)
    assert (draw_overlay(grey, [], boxes=[[-50, -50, 40, 40]])[40, :20] > 200).all()


@pytest.mark.parametrize("caption", ["truck 0.98", "Straßenbahn", "w" * 200, "a"])
def test_captions(grey: np.ndarray, square: np.ndarray, caption: str):
    plain = draw_overlay(grey, square)
    drawn = draw_overlay(grey, square, captions=[caption])
    assert (drawn[:46] != plain[:46]).any()
    top = np.zeros_like(square)
    top[0] = True
    assert draw_overlay(grey, top, captions=[caption]).shape == grey.shape
    np.testing.assert_array_equal(draw_overlay(grey, square, captions=[""]), plain)
    np.testing.assert_array_equal(draw_overlay(grey, square & False, captions=[caption]), grey)


def test_lines_grow_with_the_picture():
    widths = []
    for scale in (1, 4):
        image = np.zeros((400 * scale, 600 * scale, 3), np.uint8)
        drawn = draw_overlay(image, [], boxes=[100 * scale, 100 * scale, 500 * scale, 300 * scale])
        widths.append(int((drawn[200 * scale, : 300 * scale].max(-1) > 128).sum()))
    assert 2.5 < widths[1] / widths[0] < 5.5


def test_colours_are_distinct():
    colours = [object_colour(i) for i in range(200)]
    assert len(set(colours)) == 200
    hues = [colorsys.rgb_to_hls(*(value / 255 for value in colour))[0] for colour in colours[12:]]
    apart = np.abs(np.diff(hues))
    assert np.minimum(apart, 1 - apart).min() > 0.2  # neighbours differ clearly
    assert all(0 <= value <= 255 for value in object_colour(-7))


def test_what_does_not_fit_is_refused(grey: np.ndarray, square: np.ndarray):
    with pytest.raises(ValueError, match="not float64"):
        draw_overlay(grey / 255, square)
    with pytest.raises(ValueError, match=r"bool \(100, 300\), but bool \(200, 300\)"):
        draw_overlay(grey, square[:100])
    with pytest.raises(ValueError, match="a mask is uint8"):
        draw_overlay(grey, square.astype(np.uint8))
    with pytest.raises(ValueError, match="1 masks and 2 captions"):
        draw_overlay(grey, square, captions=["a", "b"])
    with pytest.raises(ValueError, match="2 points and 1 labels"):
        draw_overlay(grey, square, points=[(1, 2), (3, 4)], labels=[1])


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
