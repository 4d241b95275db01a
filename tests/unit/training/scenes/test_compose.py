"""Pasting: masks equal what is visible, and colours stay multiplied by alpha."""

import cv2
import numpy as np

from masklet.training.scenes.compose import Canvas, Look, Shadow, cast_shadow, paste, random_look, soften, toned
from masklet.training.scenes.warp import Patch, Pose, Sprite, render

SIDE = 64


def black() -> Canvas:
    return Canvas(np.zeros((SIDE, SIDE, 3), np.uint8))


def white_disc(x: float) -> Patch:
    rgba = cv2.circle(np.zeros((40, 40, 4), np.uint8), (20, 20), 15, (255, 255, 255, 255), -1, cv2.LINE_AA)
    patch = render(Sprite(rgba), Pose(x, 32.0, 33.0, 0.7), SIDE)
    assert patch is not None
    return patch


def test_a_mask_is_where_the_object_is_most_of_a_pixel():
    canvas = black()
    paste(canvas, white_disc(30.0), 1)
    assert canvas.layers.any()
    np.testing.assert_array_equal(canvas.layers == 1, canvas.rgb[..., 0] > 127)


def test_what_is_above_hides_what_is_below():
    canvas = black()
    paste(canvas, white_disc(24.0), 1)
    alone = canvas.layers == 1
    paste(canvas, white_disc(40.0), 2)
    assert (canvas.layers == 2).any()
    np.testing.assert_array_equal(canvas.layers == 1, alone & (canvas.layers != 2))


def test_parts_are_marked_and_hidden_by_others():
    canvas, patch = black(), white_disc(24.0)
    part = np.zeros(patch.rgba.shape[:2], np.uint8)
    part[:, patch.rgba.shape[1] // 2 :] = 255
    paste(canvas, Patch(patch.rgba, patch.left, patch.top, part), 1)
    assert 0 < (canvas.attached & (canvas.layers == 1)).sum() < (canvas.layers == 1).sum()
    paste(canvas, white_disc(36.0), 2)
    assert not (canvas.attached & (canvas.layers == 2)).any()


def test_patches_that_jut_out_are_clipped():
    rgba = np.full((30, 30, 4), 255, np.uint8)
    for left, top in ((-20, -20), (SIDE - 10, SIDE - 10), (-40, 5), (SIDE + 3, 0)):
        canvas = black()
        paste(canvas, Patch(rgba, left, top), 1)
        cast_shadow(canvas.rgb, Patch(rgba, left, top), Shadow(strength=0.5, offset=(0, 0), softness=5))
        area = max(0, min(left + 30, SIDE) - max(left, 0)) * max(0, min(top + 30, SIDE) - max(top, 0))
        assert (canvas.layers == 1).sum() == area


def test_blur_is_seen_and_leaves_the_mask():
    sharp, soft, patch = black(), black(), white_disc(30.0)
    paste(sharp, patch, 1)
    paste(soft, patch, 1, blurred=soften(patch, 2.0))
    np.testing.assert_array_equal(sharp.layers, soft.layers)
    grey = [((canvas.rgb[..., 0] > 20) & (canvas.rgb[..., 0] < 235)).sum() for canvas in (sharp, soft)]
    assert grey[1] > 2 * grey[0]
    assert abs(int(sharp.rgb.sum()) - int(soft.rgb.sum())) < 0.02 * sharp.rgb.sum()


def test_a_shadow_darkens_what_is_beside():
    rgb = np.full((SIDE, SIDE, 3), 200, np.uint8)
    cast_shadow(rgb, white_disc(30.0), Shadow(strength=0.5, offset=(4, 6), softness=7))
    assert rgb[38, 34, 0] == 100
    assert rgb[2, 60, 0] == 200


def test_toned_colours_stay_below_alpha():
    patch = white_disc(30.0)
    grey = np.full((20, 20, 3), 60, np.uint8)
    bright = toned(patch.rgba, Look(gains=(1.7, 0.5, 1.0)), grey)
    assert (bright[..., :3] <= bright[..., 3:]).all()
    np.testing.assert_array_equal(bright[..., 3], patch.rgba[..., 3])
    assert bright[..., 1].max() == 128
    assert toned(patch.rgba, Look(harmony=1.0), grey)[..., 0].max() < 110


def test_looks_differ():
    looks = [random_look(np.random.default_rng(seed), 0.5) for seed in range(50)]
    for name in ("harmony", "blur", "shadow"):
        assert 5 < sum(bool(getattr(look, name)) for look in looks) < 45
