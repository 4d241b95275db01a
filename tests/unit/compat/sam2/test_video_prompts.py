"""Clicks and boxes for the original's video predictor: what is taken, and what is refused."""

import numpy as np
import pytest
import torch

from masklet.compat.sam2.video_prompts import read_points

SIZE = (40, 56)
POINTS, LABELS, BOX = [[28.0, 10.0], [0.0, 40.0]], [1, 0], [14.0, 0.0, 56.0, 20.0]


@pytest.mark.parametrize(
    ("points", "labels", "box"),
    [
        (POINTS, LABELS, BOX),
        (np.array(POINTS), np.array(LABELS, np.int32), np.array([BOX])),
        (torch.tensor(POINTS)[None], torch.tensor(LABELS)[None], torch.tensor(BOX)),
    ],
)
def test_the_box_comes_first_in_model_pixels(points, labels, box):
    found = read_points(points, labels, box, SIZE, 64)
    assert found.coords.tolist() == [[[16, 0], [64, 32], [32, 16], [0, 64]]]
    assert found.labels.tolist() == [[2, 3, 1, 0]]
    assert found.coords.dtype == torch.float32
    assert read_points(points, labels, None, SIZE, 64).labels.tolist() == [[1, 0]]
    assert read_points(None, None, box, SIZE, 64).labels.tolist() == [[2, 3]]


def test_labels_may_be_booleans():
    assert read_points(POINTS, np.array([True, False]), None, SIZE, 64).labels.tolist() == [[1, 0]]


def test_no_points_beside_a_box():
    assert read_points(np.zeros((0, 2)), np.zeros(0), BOX, SIZE, 64).labels.tolist() == [[2, 3]]


@pytest.mark.parametrize(
    ("points", "labels", "box", "message"),
    [
        ([[1, 2]], None, None, "given together"),
        (None, [1], None, "given together"),
        (None, None, None, "points with labels, or a box"),
        ([[1, 2]], [1, 0], None, "1 points and 2 labels"),
        ([[1, 2]], [5], None, r"1 in the object.*\[5\]"),
        ([[1, 2]], [0.5], None, r"1 in the object.*\[0\.5\]"),
        ([[1, 2]], ["a"], None, r"labels must be made of numbers.*\['a'\]"),
        ([[1, 2, 3]], [1], None, r"\(N, 2\)"),
        (np.zeros((2, 1, 2)), [1, 1], None, r"\(N, 2\)"),
        ([[float("nan"), 2]], [1], None, "finite"),
        ([[1e39, 2]], [1], None, "finite"),
        ([[1, 2], [3]], [1, 1], None, "points must be made of numbers"),
        (None, None, [0, 0, 5], "four finite numbers"),
        (None, None, [[0, 0, 5, 5], [1, 1, 2, 2]], "four finite numbers"),
        (None, None, [0, 0, 5, float("inf")], "four finite numbers"),
        (None, None, "box", "a box must be made of numbers"),
    ],
)
def test_what_means_nothing_is_named(points, labels, box, message):
    with pytest.raises(ValueError, match=message):
        read_points(points, labels, box, SIZE, 64)
