"""Captions stand at their objects, not on each other, and are left out where there is no room."""

import numpy as np
import pytest

from masklet.io.captions import FEW, STRIDE, Caption, draw_captions, draw_pill
from masklet.io.overlay import OverlayStyle, draw_overlay

CLEAR = OverlayStyle(fill_opacity=0, contours=False)


def draw(masks: list[np.ndarray], captions: list[str]) -> tuple[np.ndarray, list[np.ndarray]]:
    """A black picture with captions alone, and for each the pixels that are its."""
    image = np.zeros((*masks[0].shape, 3), np.uint8)
    drawn = draw_overlay(image, masks, captions=captions, style=CLEAR)
    alone = []
    for index in range(len(masks)):
        others = [text if i != index else "" for i, text in enumerate(captions)]
        alone.append((draw_overlay(image, masks, captions=others, style=CLEAR) != drawn).any(-1))
    return drawn, alone


def rectangle(top: int, left: int, height: int, width: int, size: tuple[int, int] = (200, 300)) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[top : top + height, left : left + width] = True
    return mask


@pytest.mark.parametrize("text", ["truck 0.98", "Straßenbahn", "a"])
def test_a_caption_stands_above_its_object(text: str):
    drawn, _ = draw([rectangle(50, 80, 100, 120)], [text])
    rows, columns = np.nonzero(drawn.any(-1))
    assert rows.max() < 50
    assert rows.min() > 20
    assert abs(columns.mean() - 140) < 3


@pytest.mark.parametrize("text", ["", "w" * 200])
def test_captions_of_any_length(text: str):
    drawn, _ = draw([rectangle(50, 80, 100, 120)], [text])
    assert drawn.any() == bool(text)


def test_objects_at_the_edge_have_captions_within_the_picture():
    for mask in (rectangle(0, 0, 1, 300), rectangle(199, 299, 1, 1), rectangle(0, 0, 200, 300)):
        drawn, _ = draw([mask], ["12"])
        assert drawn.any()
        assert not drawn[[0, -1]].any()
        assert not drawn[:, [0, -1]].any()


def test_captions_at_one_place_are_moved_or_left_out():
    masks = [rectangle(60, 80, 90, 120)] * 6
    drawn, alone = draw(masks, list("abcdef"))
    assert drawn.any()
    assert 2 <= sum(pixels.any() for pixels in alone) < 6
    whole = draw_captions_alone("a")
    assert all(pixels.sum() in (0, whole) or pixels.sum() > 0.8 * whole for pixels in alone)


def draw_captions_alone(text: str) -> int:
    """How many pixels a caption has where it is alone."""
    return int(draw([rectangle(60, 80, 90, 120)], [text])[0].any(-1).sum())


def test_in_a_crowd_captions_stand_in_their_objects_if_they_fit():
    masks = [rectangle(50 * row, 50 * column, 50, 50, (200, 300)) for row in range(4) for column in range(6)]
    masks += [rectangle(20 + 40 * i, 3, 3, 3) for i in range(4)]
    assert len(masks) > FEW
    _, alone = draw(masks, [str(i) for i in range(len(masks))])
    for mask, pixels in zip(masks[:24], alone[:24], strict=True):
        assert pixels.any()
        assert not (pixels & ~mask).any()
    assert not any(pixels.any() for pixels in alone[24:])  # too small


def test_in_a_crowd_captions_stand_where_their_object_is_seen():
    below = rectangle(0, 0, 200, 300)
    cover = [rectangle(0, 20 * i, 140, 20) for i in range(15)]
    _, (pixels, *_) = draw([below, *cover], ["below"] + ["x"] * 15)
    assert pixels.any()
    assert np.nonzero(pixels)[0].min() >= 140


def test_pills_are_cut_at_the_edge():
    canvas = np.zeros((20, 20, 3), np.uint8)
    draw_pill(canvas, "much too long", (255, 0, 0), (10, 10), 12)
    assert canvas[10:, 10:].any()
    assert not canvas[:10].any()
    assert not canvas[:, :10].any()


def test_nothing_is_written_where_all_is_taken():
    canvas = np.zeros((8, 8, 3), np.uint8)
    seen = np.zeros((8 // STRIDE, 8 // STRIDE), np.int32)
    draw_captions(canvas, [Caption("a", (255, 0, 0), (0, 0, 8, 8)), Caption("b", (0, 0, 255), (0, 0, 8, 8))], seen, 10)
    assert canvas[..., 0].any()
    assert not (canvas[..., 2] > canvas[..., 0]).any()
