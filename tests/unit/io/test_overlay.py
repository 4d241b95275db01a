"""Overlays: what is drawn where, in which colour, and how much of the picture is left to be seen."""

import numpy as np
import pytest

from masklet.io.colours import PALETTE, object_colour
from masklet.io.overlay import FILL_OPACITY, OverlayStyle, draw_overlay
from masklet.io.picture_grid import draw_side_by_side
from masklet.ops.mask_record import MaskRecord
from masklet.ops.rle import encode_rle
from masklet.types import Prompt


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


def test_masks_come_as_rle_and_as_records(grey: np.ndarray, square: np.ndarray):
    small = np.zeros_like(square)
    small[80:120, 110:170] = True
    expected = draw_overlay(grey, [square, small])
    rles = [encode_rle(mask) for mask in (square, small)]
    records = [
        MaskRecord(
            rle=rle,
            area=1,
            box=(0, 0, 1, 1),
            predicted_iou=1.0,
            stability_score=1.0,
            point=(0.0, 0.0),
            crop_box=(0,) * 4,
        )
        for rle in rles
    ]
    for masks in (rles, records, [square, rles[1]], {0: records[0], 1: small}):
        np.testing.assert_array_equal(draw_overlay(grey, masks), expected)
    with pytest.raises(ValueError, match=r"\(200, 300\), but \(100, 300\) fits"):
        draw_overlay(grey[:100], rles)


def test_nothing_to_draw_changes_nothing(grey: np.ndarray, square: np.ndarray):
    for masks in (square & False, np.zeros((0, 200, 300), bool), [], {}):
        np.testing.assert_array_equal(draw_overlay(grey, masks), grey)


def test_a_pixel_has_the_colour_of_the_smallest_mask_on_it(grey: np.ndarray, square: np.ndarray):
    small = np.zeros_like(square)
    small[80:120, 110:170] = True
    for masks in ([square, small], [small, square]):
        drawn = draw_overlay(grey, masks)
        below, above = (0, 1) if masks[0] is square else (1, 0)
        np.testing.assert_allclose(drawn[100, 140], filled(object_colour(above)), atol=1)
        np.testing.assert_allclose(drawn[60, 90], filled(object_colour(below)), atol=1)


def test_however_many_masks_the_picture_shines_through():
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    nested = np.arange(100)[:, None, None]
    y, x = np.mgrid[:300, :400]
    masks = (np.abs(y - 150) < 150 - nested) & (np.abs(x - 200) < 200 - nested)
    inside = (slice(130, 170), slice(130, 270))
    drawn = draw_overlay(image, masks)[inside][..., 0].astype(float)
    assert np.corrcoef(drawn.ravel(), image[inside][..., 0].ravel())[0, 1] > 0.99


@pytest.mark.parametrize("side", [1, 2, 4, 8])
def test_small_objects_are_not_hidden_by_their_contours(side: int):
    image = np.zeros((1000, 1500, 3), np.uint8)
    mask = np.zeros((1000, 1500), bool)
    mask[500 : 500 + side, 700 : 700 + side] = True
    drawn = draw_overlay(image, {1: mask})
    changed = np.argwhere((drawn > 40).any(-1))
    assert len(changed) > 0
    assert np.ptp(changed, 0).max() < side + 4  # no heavy halo
    colour = drawn[mask].astype(float).mean(0)
    assert np.abs(colour / colour.max() - np.array(PALETTE[1]) / max(PALETTE[1])).max() < 0.35


def test_styles(grey: np.ndarray, square: np.ndarray):
    lines = draw_overlay(grey, square, style=OverlayStyle(fill_opacity=0))
    assert (lines[70:130, 100:180] == 128).all()
    assert (lines[100, 76:90] != 128).any()
    solid = draw_overlay(grey, square, style=OverlayStyle(fill_opacity=1, contours=False))
    np.testing.assert_array_equal(solid[52:148, 82:198], np.broadcast_to(PALETTE[0], (96, 116, 3)))
    np.testing.assert_array_equal(solid[:48], 128)
    assert (draw_overlay(grey, square, style=OverlayStyle(fill_opacity=0, contours=False)) == 128).all()
    silent = draw_overlay(grey, square, captions=["a"], style=OverlayStyle(captions=False))
    np.testing.assert_array_equal(silent, draw_overlay(grey, square))
    both = draw_overlay(grey, square, style=OverlayStyle(side_by_side=True))
    np.testing.assert_array_equal(both, draw_side_by_side(grey, draw_overlay(grey, square)))


@pytest.mark.parametrize("opacity", [-0.1, 1.01, float("nan")])
def test_opacities_that_are_refused(opacity: float):
    with pytest.raises(ValueError, match=f"not {opacity}"):
        OverlayStyle(fill_opacity=opacity)


def test_contours_of_large_masks_are_seen_without_fills(grey: np.ndarray, square: np.ndarray):
    small = np.zeros_like(square)
    small[90:110, 60:220] = True
    style = OverlayStyle(fill_opacity=0)
    alone, both = draw_overlay(grey, square, style=style), draw_overlay(grey, [square, small], style=style)
    np.testing.assert_array_equal(both[100, 76:90], alone[100, 76:90])


def test_prompts_are_drawn_over_masks_and_boxes_in_their_colours(grey: np.ndarray, square: np.ndarray):
    plain = draw_overlay(grey, {4: square})
    drawn = draw_overlay(grey, {4: square}, prompt=Prompt(points=[(140, 100)], boxes=[[20, 20, 60, 180]]))
    assert (drawn[92:109, 132:149] != plain[92:109, 132:149]).any()
    assert np.abs(drawn[20, 40].astype(int) - object_colour(4)).max() < 40


def test_masks_that_fill_or_hardly_touch_the_picture(grey: np.ndarray):
    everything = np.ones((200, 300), bool)
    np.testing.assert_allclose(draw_overlay(grey, everything)[[0, 199], [0, 299]], [filled(PALETTE[0])] * 2, atol=1)
    corner = np.zeros((200, 300), bool)
    corner[0, 0] = corner[199, 299] = True
    assert (draw_overlay(grey, corner)[0, 0] != 128).any()
    assert draw_overlay(
        grey[:1, :1], np.ones((1, 1), bool), prompt=Prompt(points=[(0, 0)], boxes=[0, 0, 0, 0])
    ).shape == (1, 1, 3)


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
        draw_overlay(grey, square, prompt=Prompt(points=[(1, 2), (3, 4)], labels=[1]))
