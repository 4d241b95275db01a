"""Clicks and boxes: where they are, how they look, and that odd ones do no harm."""

import numpy as np
import pytest

from masklet.io.colours import Colour
from masklet.io.prompt_marks import NEGATIVE_COLOUR, POSITIVE_COLOUR, draw_prompt
from masklet.io.strokes import Pen
from masklet.types import Prompt


def draw(
    *, colours: tuple[Colour, ...] = (), size: tuple[int, int] = (200, 300), ground: int = 128, **said
) -> np.ndarray:
    canvas = np.full((*size, 3), ground, np.uint8)
    draw_prompt(canvas, Prompt(**said), colours, Pen.for_size(*size))
    return canvas


def test_points_are_green_and_red():
    drawn = draw(points=[(50, 60), (200, 100), (9, 9)], labels=[1, 0, -1]).astype(int)
    beside = np.array([3, 3])  # off the sign in the middle
    for (x, y), colour in (((50, 60), POSITIVE_COLOUR), ((200, 100), NEGATIVE_COLOUR)):
        assert np.abs(drawn[y + beside[1], x + beside[0]] - colour).max() < 70
        assert drawn[y - 8 : y + 9, x - 8 : x + 9].min(-1).max() > 240  # a white rim
        assert drawn[y, x].min() > 200  # and a white sign
    np.testing.assert_array_equal(drawn[:20, :20], 128)  # padding is not drawn


def test_points_come_in_any_shape():
    expected = draw(points=[(50, 60), (150, 100), (20, 30)])
    parts = [np.array([[50, 60], [150, 100]]), np.array([[20, 30]])]
    np.testing.assert_array_equal(draw(points=parts, labels=[[1, 1], [1]]), expected)  # two prompts
    np.testing.assert_array_equal(draw(points=np.array([[[50, 60]], [[150, 100]], [[20, 30]]])), expected)
    np.testing.assert_array_equal(draw(points=np.array([50.0, 60.0])), draw(points=[(50, 60)], labels=[1]))
    assert (draw() == 128).all()
    assert (draw(points=[], labels=[]) == 128).all()


def test_boxes_are_lines():
    drawn = draw(boxes=[80, 50, 200, 150])
    np.testing.assert_array_equal(drawn[60:140, 90:190], 128)
    for y, x in ((50, 140), (150, 140), (100, 80), (100, 200)):
        assert (drawn[y, x] > 240).all()
    assert (drawn[50, 80] == 128).all()  # round corners
    np.testing.assert_array_equal(draw(boxes=[[200, 150, 80, 50]]), drawn)
    colour = (5, 199, 132)
    coloured = draw(boxes=[[80, 50, 200, 150]], colours=(colour,))
    assert np.abs(coloured[50, 140].astype(int) - colour).max() < 40  # one an object: in its colour
    np.testing.assert_array_equal(draw(boxes=[[80, 50, 200, 150]], colours=(colour,) * 2), drawn)


def test_what_lies_outside_the_picture_does_no_harm():
    far = [(-1e9, 5), (1e9, 1e9), (5, -300)]
    assert (draw(points=far, boxes=[[-500, -500, -400, -400]]) == 128).all()
    assert (draw(boxes=[[-50, -50, 400, 300]]) == 128).all()
    assert (draw(boxes=[[-50, -50, 40, 40]])[40, :20] > 200).all()


def test_lines_grow_with_the_picture():
    widths = []
    for scale in (1, 4):
        drawn = draw(boxes=np.array([100, 100, 500, 300]) * scale, size=(400 * scale, 600 * scale), ground=0)
        widths.append(int((drawn[200 * scale, : 300 * scale].max(-1) > 128).sum()))
    assert 2.5 < widths[1] / widths[0] < 5.5


def test_labels_are_as_many_as_points():
    with pytest.raises(ValueError, match="2 points and 1 labels"):
        draw(points=[(1, 2), (3, 4)], labels=[1])
