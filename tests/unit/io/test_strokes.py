"""Pens suit pictures and objects, and strokes lie where they should."""

import numpy as np
import pytest

from masklet.io.strokes import MANY, Pen, stroke


@pytest.mark.parametrize("side", [300, 1000, 6000])
def test_pens_grow_with_the_picture(side: int):
    small, large = Pen.for_size(side, side), Pen.for_size(2 * side, 2 * side)
    assert small.line < large.line <= 2.1 * small.line or side == 300
    assert small.text < large.text
    assert small.line >= 1
    assert small.text >= 10


def test_pens_are_finer_where_there_are_many_objects():
    usual, crowd = (Pen.for_size(1500, 1500, num_objects=count) for count in (MANY, 10 * MANY))
    assert usual == Pen.for_size(1500, 1500)
    assert crowd.line < 0.7 * usual.line
    assert crowd.text < 0.7 * usual.text
    assert crowd.marker == usual.marker  # clicks are few all the same
    assert Pen.for_size(1500, 1500, num_objects=10**6).text >= 10


def test_pens_are_finer_for_small_objects():
    pen = Pen.for_size(1500, 1500)
    assert pen.for_object(100_000) == pen
    speck = pen.for_object(9)
    assert speck.line == 1
    assert speck.halo < 0.1 * pen.halo
    assert pen.for_object(1).halo < speck.halo


def test_a_stroke_has_a_halo_on_both_sides():
    pen = Pen(line=2, halo=2, marker=5, text=10)
    pixels = np.full((21, 3), 100, np.float32)
    stroke(pixels, np.arange(21) - 10.0, (200, 0, 0), (255, 255, 255), pen)
    np.testing.assert_array_equal(pixels[10], (200, 0, 0))
    np.testing.assert_array_equal(pixels, pixels[::-1])
    assert (pixels[8] > 220).all()
    assert (pixels[:7] == 100).all()
