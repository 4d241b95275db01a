"""Pasting: masks equal what is visible; shapes have sensible sizes."""

import numpy as np
import pytest

from masklet.training.scenes.compose import Canvas, Look, Placement, paste, random_blob, random_partition, warp_cutout

SIDE = 64


def test_paste_marks_visible_pixels_only(disc: np.ndarray) -> None:
    canvas = Canvas(rgb=np.zeros((SIDE, SIDE, 3), np.uint8), layers=np.zeros((SIDE, SIDE), np.uint8))
    below, above = Placement(centre=(24.0, 32.0), side=30.0), Placement(centre=(40.0, 32.0), side=30.0)
    paste(canvas, disc, below, Look(), 1)
    alone = canvas.layers == 1
    paste(canvas, disc, above, Look(), 2)
    patch, left, top = warp_cutout(disc, above, SIDE) or pytest.fail("outside")
    expected = np.zeros((SIDE, SIDE), bool)
    expected[top : top + patch.shape[0], left : left + patch.shape[1]] = patch[..., 3] > 127
    assert np.array_equal(canvas.layers == 2, expected)
    assert np.array_equal(canvas.layers == 1, alone & ~expected)
    assert canvas.rgb[32, 40, 0] == 200


@pytest.mark.parametrize("side", [12.0, 30.0, 50.0])
def test_warp_keeps_size_and_centre(disc: np.ndarray, side: float) -> None:
    patch, left, top = warp_cutout(disc, Placement(centre=(30.0, 33.0), side=side, angle=30.0), SIDE) or pytest.fail(
        "outside"
    )
    ys, xs = np.nonzero(patch[..., 3] > 127)
    assert len(ys) == pytest.approx(np.pi * side**2 / 4, rel=0.12)
    assert (xs.mean() + left, ys.mean() + top) == pytest.approx((30.0, 33.0), abs=1.0)


def test_warp_outside_is_none(disc: np.ndarray) -> None:
    assert warp_cutout(disc, Placement(centre=(-90.0, 10.0), side=20.0), SIDE) is None


def test_shadow_darkens_and_leaves_the_mask(disc: np.ndarray) -> None:
    plain, shaded = (
        Canvas(rgb=np.full((SIDE, SIDE, 3), 200, np.uint8), layers=np.zeros((SIDE, SIDE), np.uint8)) for _ in range(2)
    )
    placement = Placement(centre=(30.0, 30.0), side=24.0)
    paste(plain, disc, placement, Look(), 1)
    paste(shaded, disc, placement, Look(shadow=0.5, shadow_offset=(4, 6)), 1)
    assert np.array_equal(plain.layers, shaded.layers)
    assert shaded.rgb[shaded.layers == 0].mean() < plain.rgb[plain.layers == 0].mean()


@pytest.mark.parametrize("seed", range(6))
def test_shapes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    partition = random_partition(rng, 4, SIDE)
    assert partition.shape == (SIDE, SIDE)
    assert partition.max() < 4
    blob = random_blob(rng, 80)
    assert blob.shape == (80, 80)
    assert 0.02 < (blob > 127).mean() < 0.95
