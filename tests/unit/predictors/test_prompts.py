"""What users may say, what they may not, and how it reaches the model."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from masklet.predictors.prompts import parse_prompt
from masklet.types import Prompt

SIZE = (60, 80)  # height, width of the image


def parse(**prompt):
    return parse_prompt(Prompt(**prompt), SIZE, model_side=160, mask_side=40)


def test_points_are_scaled_to_model_pixels():
    (group,) = parse(points=[(40, 30)], labels=[1]).groups
    assert group.points.coords.tolist() == [[[80.0, 80.0]]]
    assert group.points.labels.tolist() == [[1]]


def test_a_box_goes_before_the_points():
    (group,) = parse(points=[(0, 0)], labels=[0], boxes=(10, 15, 40, 45)).groups
    assert group.points.labels.tolist() == [[2, 3, 0]]
    assert group.points.coords.tolist() == [[[20, 40], [80, 120], [0, 0]]]


@pytest.mark.parametrize(
    ("prompt", "count", "single"),
    [
        ({"points": [(1, 2), (3, 4)], "labels": [1, 0]}, 1, True),
        ({"points": [[(1, 2)], [(3, 4)]], "labels": [[1], [0]]}, 2, False),
        ({"points": np.ones((3, 2, 2)), "labels": np.ones((3, 2))}, 3, False),
        ({"points": torch.ones(3, 2, 2), "labels": torch.ones(3, 2)}, 3, False),
        ({"points": np.ones((1, 2, 2)), "labels": np.ones((1, 2))}, 1, False),
        ({"boxes": (1, 2, 3, 4)}, 1, True),
        ({"boxes": [(1, 2, 3, 4)]}, 1, False),
        ({"boxes": np.tile((1, 2, 3, 4), (4, 1))}, 4, False),
        ({"boxes": [(1, 2, 3, 4)] * 2, "points": [[(1, 2)], [(3, 4), (5, 6)]], "labels": [[1], [0, 1]]}, 2, False),
        ({"mask": np.zeros(SIZE, bool)}, 1, True),
        ({"mask": np.zeros((2, *SIZE), bool)}, 2, False),
        ({"mask": np.full((1, 40, 40), 0.5)}, 1, True),
        ({"mask": torch.full((2, 1, 40, 40), 0.5)}, 2, False),
        ({"mask": np.zeros((1, *SIZE), bool)}, 1, False),
        ({"points": [], "labels": [], "boxes": (1, 2, 3, 4)}, 1, True),
        ({"points": [[], [(1, 2)]], "labels": [[], [1]], "boxes": [(1, 2, 3, 4)] * 2}, 2, False),
    ],
)
def test_forms_of_prompts(prompt, count, single):
    parsed = parse(**prompt)
    assert (parsed.num_prompts, parsed.single) == (count, single)
    assert sorted(row for group in parsed.groups for row in group.rows) == list(range(count))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8))
def test_ragged_prompts_are_grouped_without_padding(counts):
    points = [[(i, j) for j in range(count)] for i, count in enumerate(counts)]
    labels = [[1] * count for count in counts]
    groups = parse(points=points, labels=labels).groups
    assert sorted(group.points.coords.shape[1] for group in groups) == sorted(set(counts))
    for group in groups:
        for row, coords in zip(group.rows, group.points.coords, strict=True):
            assert coords.shape[0] == counts[row]
            assert coords[0, 0].item() == row * 2
        assert not (group.points.labels == -1).any()


def test_points_outside_the_image_are_allowed():
    (group,) = parse(points=[(-8, 90)], labels=[1]).groups
    assert group.points.coords.tolist() == [[[-16, 240]]]


@pytest.mark.parametrize("mask", [np.ones(SIZE, bool), np.ones(SIZE, np.uint8) * 255, np.ones(SIZE, np.float32)])
def test_a_binary_mask_of_the_image_becomes_logits(mask):
    mask[:, 40:] = 0
    (group,) = parse(mask=mask).groups
    assert group.mask.shape == (1, 1, 40, 40)
    assert group.mask[0, 0, 20, [0, 10, 30, 39]].tolist() == [10, 10, -10, -10]
    assert group.points is None


def test_logits_pass_as_they_are():
    logits = np.linspace(-5, 5, 1600, dtype=np.float32).reshape(1, 40, 40)
    (group,) = parse(mask=logits).groups
    np.testing.assert_array_equal(group.mask[0].numpy(), logits)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ({}, "empty prompt"),
        ({"points": np.zeros((0, 2)), "labels": []}, "empty prompt"),
        ({"points": [], "labels": []}, "empty prompt"),
        ({"points": [[(1, 2)], []], "labels": [[1], []]}, "empty prompt: number 1"),
        ({"mask": np.ones((40, 40), bool)}, r"\(40, 40\).*\(60, 80\)"),
        ({"points": [(1, 2)]}, "points came without labels"),
        ({"labels": [1]}, "labels came without points"),
        ({"points": [(1, 2, 3)], "labels": [1]}, r"\(1, 3\).*\(N, 2\)"),
        ({"points": (1, 2), "labels": [1]}, r"\(2,\).*\(N, 2\)"),
        ({"points": [(1, 2), (3, 4)], "labels": [1]}, "2 points need labels"),
        ({"points": [(1, 2)], "labels": [5]}, r"labels \[5"),
        ({"points": [(1, 2)], "labels": [0.5]}, r"labels \[0.5"),
        ({"points": [(1, float("nan"))], "labels": [1]}, "points hold NaN"),
        ({"points": [(1, "x")], "labels": [1]}, "points are not numbers"),
        ({"points": [[(1, 2)], [(3, 4)]], "labels": [[1]]}, "2 prompts need as many rows of labels"),
        ({"boxes": (1, 2, 3)}, r"boxes have the shape \(3,\)"),
        ({"boxes": (30, 2, 3, 40)}, "wrong order"),
        ({"boxes": (1, 2, float("inf"), 4)}, "boxes hold NaN or infinity"),
        ({"boxes": np.ones((2, 4)), "points": [(1, 2)], "labels": [1]}, "points for 1, boxes for 2"),
        ({"mask": np.zeros((50, 50), bool)}, r"\(50, 50\).*\(60, 80\).*40 x 40"),
        ({"mask": np.full(SIZE, 0.5)}, "40 x 40"),
        ({"mask": np.full((1, 40, 40), np.nan)}, "NaN"),
    ],
)
def test_bad_prompts_are_named(prompt, message):
    with pytest.raises(ValueError, match=message):
        parse(**prompt)
