"""Placing cut-outs: sizes, centres, turns, and one map for colours and parts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masklet.training.scenes.warp import Bend, Pose, Sprite, Wave, render

SIDE = 96


def on_canvas(patch, plane=3) -> np.ndarray:
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    layer = patch.part if plane == "part" else patch.rgba[..., plane]
    canvas[patch.top : patch.top + layer.shape[0], patch.left : patch.left + layer.shape[1]] = layer
    return canvas


def bar(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 4), 255, np.uint8)


def spread(mask: np.ndarray) -> tuple[float, float]:
    ys, xs = np.nonzero(mask)
    return float(np.ptp(xs)) + 1, float(np.ptp(ys)) + 1


@pytest.mark.parametrize("side", [12.0, 30.0, 50.0])
def test_size_and_centre(disc, side):
    patch = render(Sprite(disc), Pose(40.0, 43.0, side, 0.5), SIDE)
    ys, xs = np.nonzero(on_canvas(patch) > 127)
    assert len(ys) == pytest.approx(np.pi * side**2 / 4, rel=0.1)
    assert (xs.mean(), ys.mean()) == pytest.approx((40.0, 43.0), abs=0.5)


def test_a_turn_by_a_right_angle():
    straight, turned = (render(Sprite(bar(60, 20)), Pose(48, 48, 60, angle), SIDE) for angle in (0.0, np.pi / 2))
    assert spread(on_canvas(straight) > 127) == pytest.approx((60, 20), abs=1.5)
    assert spread(on_canvas(turned) > 127) == pytest.approx((20, 60), abs=1.5)


def test_form_stretches_and_mirrors():
    half = bar(60, 60)
    half[:, :30, :3] = 0
    patch = render(Sprite(half, np.array([[-1.2, 0.0], [0.0, 0.5]])), Pose(48, 48, 60), SIDE)
    assert spread(on_canvas(patch) > 127) == pytest.approx((72, 30), abs=1.5)
    red = on_canvas(patch, 0)
    assert red[48, 30] == 255
    assert red[48, 66] == 0


def test_yaw_squeezes_and_makes_one_side_smaller():
    mask = on_canvas(render(Sprite(bar(60, 60)), Pose(48, 48, 60, yaw=0.9), SIDE)) > 127
    width, _ = spread(mask)
    assert width == pytest.approx(60 * np.cos(0.9), rel=0.15)
    heights = mask.sum(0)[mask.any(0)]
    assert heights[2] > 1.3 * heights[-3]


def test_what_turns_right_round_shows_its_mirrored_back():
    wedge = np.zeros((60, 60, 4), np.uint8)
    wedge[np.arange(60)[:, None] <= np.arange(60)] = 255
    front, back, round_ = (
        on_canvas(render(Sprite(wedge), Pose(47.5, 47.5, 60, yaw=yaw), SIDE)) > 127 for yaw in (0.0, np.pi, -2 * np.pi)
    )
    np.testing.assert_array_equal(front, round_)
    assert (back[:, ::-1] == front).mean() > 0.99
    widths = [spread(on_canvas(render(Sprite(wedge), Pose(48, 48, 60, yaw=yaw), SIDE)) > 127)[0] for yaw in (1.5, 1.65)]
    assert widths == pytest.approx([30, 30], abs=6), "from the edge it is as narrow as it gets"


def striped() -> np.ndarray:
    """A disc, colours times alpha: red on its left, green on its right."""
    ys, xs = np.mgrid[:61, :61]
    rgba = np.zeros((61, 61, 4), np.uint8)
    inside = (xs - 30) ** 2 + (ys - 30) ** 2 <= 30**2
    rgba[..., 0], rgba[..., 1], rgba[..., 3] = 255 * (inside & (xs < 30)), 255 * (inside & (xs >= 30)), 255 * inside
    return rgba


def test_what_spins_keeps_its_outline_and_shows_other_sides():
    sprite = Sprite(striped())
    still, quarter, half, whole = (
        render(sprite, Pose(48, 48, 61, spin=turns * np.pi), SIDE) for turns in (0.0, 0.5, 1.0, 2.0)
    )
    for turned in (quarter, half, whole):
        np.testing.assert_array_equal(on_canvas(turned), on_canvas(still))
    assert [on_canvas(still, plane)[48, 30] for plane in (0, 1)] == [255, 0]
    assert [on_canvas(half, plane)[48, 30] for plane in (0, 1)] == [0, 255], "the back is the mirrored front"
    assert on_canvas(quarter, 1)[48, 25:72].min() > 240, "what was right of the middle is all that is seen"
    np.testing.assert_allclose(on_canvas(whole, 0), on_canvas(still, 0), atol=8)


def test_what_spins_has_colours_up_to_its_outline():
    """Also where it is not as wide as the pillar that its colours are on."""
    seen = render(Sprite(striped()), Pose(48, 48, 61, spin=0.7), SIDE).rgba
    assert seen[seen[..., 3] == 255][:, :2].sum(1).min() > 240


def test_what_is_not_quite_opaque_spins_in_all_its_colours():
    rgba = np.random.default_rng(0).integers(100, 250, (61, 61, 4), dtype=np.uint8)
    rgba[..., 3] = 254
    rgba[30, 30, 3] = 255
    still, turned = (render(Sprite(rgba), Pose(48, 48, 61, spin=spin), SIDE).rgba for spin in (0.0, 1e-4))
    assert np.abs(still.astype(int) - turned).max() <= 3


def test_what_has_something_attached_does_not_spin():
    part = np.zeros((61, 61), np.uint8)
    part[20:30, 40:50] = 255
    still, turned = (render(Sprite(striped(), part=part), Pose(48, 48, 61, spin=spin), SIDE) for spin in (0.0, 1.0))
    np.testing.assert_array_equal(still.rgba, turned.rgba)


def test_a_bend_moves_one_end_alone():
    sprite = Sprite(bar(64, 16))
    straight, bent = (
        on_canvas(render(sprite, Pose(48, 48, 64), SIDE, (), bend)) > 127 for bend in (None, Bend(0.0, 0.6, False))
    )
    np.testing.assert_array_equal(straight[:, :44], bent[:, :44])
    before, after = (np.nonzero(mask[:, 70])[0].mean() for mask in (straight, bent))
    assert abs(after - before) > 6


def test_waves_ripple_the_rim():
    wave = Wave((0.0, 0.1), (6.0, 0.0), 0.0)
    mask = on_canvas(render(Sprite(bar(64, 32)), Pose(48, 48, 64), SIDE, (wave,))) > 127
    tops = mask.argmax(0)[20:76]
    assert np.ptp(tops) == pytest.approx(2 * 0.1 * 32, abs=2)
    assert mask.sum() == pytest.approx(64 * 32, rel=0.06)


def test_parts_go_where_the_whole_goes():
    part = np.zeros((40, 40), np.uint8)
    part[:, 20:] = 255
    rgba = bar(40, 40)
    rgba[:, :20, 0] = 0
    for pose in (Pose(48, 48, 40), Pose(30, 60, 25, 1.0, 0.4), Pose(10, 10, 70, 3.0)):
        patch = render(Sprite(rgba, part=part), pose, SIDE, (Wave((0.05, 0.02), (2.0, 3.0), 1.0),))
        # red is 255 on the part alone, and sampled by the same map
        inside = patch.rgba[..., 3] == 255
        np.testing.assert_array_equal(patch.part[inside], patch.rgba[inside, 0])


def test_large_cutouts_are_shrunk_without_aliasing():
    stripes = bar(256, 256)
    stripes[:, ::2, :3] = 0
    patch = render(Sprite(stripes), Pose(48, 48, 32), SIDE)
    inner = on_canvas(patch, 0)[40:56, 40:56]
    assert inner.min() > 110
    assert inner.max() < 145


def test_nothing_outside(disc):
    assert render(Sprite(disc), Pose(-90.0, 10.0, 20.0), SIDE) is None


@settings(max_examples=40)
@given(
    x=st.floats(-60, 160), y=st.floats(-60, 160), side=st.floats(2, 300), angle=st.floats(-7, 7),
    yaw=st.floats(-3, 3), bent=st.floats(-1, 1),
)  # fmt: skip
def test_patches_stay_on_the_canvas(x, y, side, angle, yaw, bent):
    wave = Wave((0.1, 0.0), (3.0, 1.0), 0.0)
    patch = render(Sprite(bar(30, 20)), Pose(x, y, side, angle, yaw), SIDE, (wave,), Bend(0.2, bent, True))
    if patch is not None:
        assert patch.left >= 0
        assert patch.top >= 0
        assert patch.left + patch.rgba.shape[1] <= SIDE
        assert patch.top + patch.rgba.shape[0] <= SIDE
