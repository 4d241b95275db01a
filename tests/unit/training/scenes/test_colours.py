"""Colours of cut-outs."""

import numpy as np

from masklet.training.scenes.colours import spread_colours, times_alpha


def test_colours_of_the_nearest_trusted_pixel():
    rgb = np.zeros((8, 12, 3), np.uint8)
    rgb[3, 2], rgb[3, 8] = (10, 20, 30), (200, 100, 50)
    trusted = np.zeros((8, 12), bool)
    trusted[3, [2, 8]] = True
    spread = spread_colours(rgb, trusted)
    assert (spread[:, :5] == (10, 20, 30)).all()
    assert (spread[:, 6:] == (200, 100, 50)).all()


def test_trusted_pixels_stay():
    rgb = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    np.testing.assert_array_equal(spread_colours(rgb, np.ones((6, 6), bool)), rgb)


def test_colours_are_multiplied_by_alpha():
    rgb = np.full((2, 3, 3), (255, 100, 3), np.uint8)
    alpha = np.array([[255, 128, 0], [51, 255, 1]], np.uint8)
    rgba = times_alpha(rgb, alpha)
    np.testing.assert_array_equal(rgba[..., 3], alpha)
    np.testing.assert_array_equal(rgba[..., :3], np.round(rgb * (alpha[..., None] / 255)))
