"""Nested prompts: depths, filling up, labels that go with points, and scales."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from masklet.compat.transformers.nested import PAD_VALUE, Canvas, encode_prompts, read_sizes

CANVAS = Canvas(sizes=[(50, 200), (100, 100)], target_size=1000)
ONE = Canvas(sizes=[(50, 200)], target_size=1000)


def encode(points: Any = None, labels: Any = None, boxes: Any = None, canvas: Canvas = ONE) -> dict[str, torch.Tensor]:
    return encode_prompts(points, labels, boxes, canvas)


def test_a_click_is_scaled_by_each_side_of_its_image():
    encoded = encode([[[[20, 10]]]], [[[1]]])
    assert encoded["input_points"].tolist() == [[[[100.0, 200.0]]]]
    assert encoded["input_points"].dtype == torch.float32
    assert encoded["input_labels"].tolist() == [[[1]]]
    assert encoded["input_labels"].dtype == torch.int64
    assert "input_boxes" not in encoded


def test_boxes_are_scaled_by_corner():
    encoded = encode(boxes=[[[0, 0, 200, 50], [20, 10, 30, 20]], [[1, 2, 3, 4], [5, 6, 7, 8]]], canvas=CANVAS)
    expected = [[[0, 0, 1000, 1000], [100, 200, 150, 400]], [[10, 20, 30, 40], [50, 60, 70, 80]]]
    assert encoded["input_boxes"].tolist() == expected
    assert encoded["input_boxes"].dtype == torch.float32


def test_ragged_prompts_are_filled_up():
    points = [[[[20, 10]], [[40, 20], [60, 30]]], [[[7, 8]]]]
    labels = [[[1], [1, 0]], [[0]]]
    encoded = encode(points, labels, canvas=CANVAS)
    pad = [PAD_VALUE, PAD_VALUE]
    expected = [[[[100, 200], pad], [[200, 400], [300, 600]]], [[[70, 80], pad], [pad, pad]]]
    assert encoded["input_points"].tolist() == expected
    assert encoded["input_labels"].tolist() == [[[1, PAD_VALUE], [1, 0]], [[0, PAD_VALUE], [PAD_VALUE, PAD_VALUE]]]


def test_an_image_may_have_no_object():
    encoded = encode([[], [[[7, 8]]]], [[], [[1]]], canvas=CANVAS)
    assert encoded["input_labels"].tolist() == [[[PAD_VALUE]], [[1]]]


@pytest.mark.parametrize("kind", [torch.tensor, np.array, tuple, lambda rows: [np.array(row) for row in rows]])
def test_arrays_tensors_and_tuples_are_lists(kind):
    rows = [[[[20.0, 10.0]]]]
    assert encode(kind(rows), kind([[[1]]]))["input_points"].tolist() == [[[[100.0, 200.0]]]]


def test_padding_given_as_such_stays_and_a_point_with_one_such_coordinate_does_not():
    encoded = encode(np.array([[[[-10, -10], [-10, 10]]]]), np.array([[[-10, 1]]]))
    assert encoded["input_points"].tolist() == [[[[-10, -10], [-50, 200]]]]


def test_one_size_counts_for_all_images():
    points = encode([[[[20, 10]]], [[[40, 20]]]], [[[1]], [[1]]])["input_points"]
    assert points.tolist() == [[[[100, 200]]], [[[200, 400]]]]


def test_points_alone_may_lack_the_level_of_objects():
    assert encode([[[20, 10], [40, 20]]])["input_points"].tolist() == [[[[100, 200], [200, 400]]]]
    assert encode(np.array([[[20, 10]]]))["input_points"].shape == (1, 1, 1, 2)
    with pytest.raises(ValueError, match="takes 4 levels"):
        encode([[[20, 10]]], [[[1]]])


@pytest.mark.parametrize(
    ("arguments", "expected", "found"),
    [
        ({"points": [20, 10], "labels": [1]}, "takes 3 levels", "but 1 were given"),
        ({"points": [[20, 10]]}, "takes 4 levels", "but 2 were given"),
        ({"points": [[[[20, 10]]], [[20, 10]]]}, "takes 4 levels", "but 3 and 4 were given"),
        ({"points": [[[[[20, 10]]]]]}, "takes 4 levels", "but 5 were given"),
        ({"points": np.zeros((1, 2))}, "takes 4 levels", "but 2 were given"),
        ({"labels": [[1]]}, "takes 3 levels", "but 2 were given"),
        ({"boxes": [0, 0, 1, 1]}, "takes 3 levels", "but 1 were given"),
        ({"boxes": torch.zeros(1, 4)}, "takes 3 levels", "but 2 were given"),
        ({"points": [[[]]]}, "takes 4 levels", "nothing is in the lists"),
        ({"points": []}, "takes 4 levels", "nothing is in the lists"),
    ],
)
def test_a_wrong_depth_shows_both(arguments, expected, found):
    with pytest.raises(ValueError, match=f"{expected}.*{found}"):
        encode(**arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"points": [[[[1, 2, 3]]]]}, r"\[1, 2, 3\] where 2 coordinates"),
        ({"points": [[[[1, 2], [3]]]]}, r"\[3\] where 2 coordinates"),
        ({"boxes": [[[1, 2, 3]]]}, "where 4 coordinates"),
        ({"boxes": np.zeros((1, 1, 5))}, r"\(1, 1, 5\), but its last axis must be 4"),
        ({"points": [[[[1, float("nan")]]]]}, "NaN"),
        ({"labels": [[[0.5]]]}, "0.5, but labels are whole"),
        ({"points": [[[[1, 2]]], [[[1, 2]]], [[[1, 2]]]], "canvas": CANVAS}, "for 3 images, but there are 2"),
        ({"boxes": [[[1, 2, 3, 4]]], "canvas": CANVAS}, "for 1 images, but there are 2"),
    ],
)
def test_what_is_wrong_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        encode(**arguments)


def test_what_is_no_number_is_a_type_error():
    with pytest.raises(TypeError, match="'left', which is str"):
        encode([[[["left", 2]]]])


def test_boxes_cannot_be_filled_up():
    with pytest.raises(ValueError, match="2 and 1 boxes"):
        encode(boxes=[[[0, 0, 1, 1], [0, 0, 2, 2]], [[0, 0, 1, 1]]], canvas=CANVAS)


@pytest.mark.parametrize(
    ("points", "labels", "words"),
    [
        ([[[[1, 2], [3, 4]]]], [[[1]]], "differ in their numbers"),
        ([[[[1, 2]], [[3, 4]]]], [[[1]]], "differ in their numbers"),
        ([[[[1, 2]], [[3, 4], [5, 6]]]], [[[1, 1], [1]]], "object 0 of image 0 has 1 points .* 2 labels"),
        ([[[[1, 2], [3, 4]], [[5, 6]]]], np.array([[[1, 1], [1, 1]]]), "object 1 of image 0 has 1 points .* 2 labels"),
    ],
)
def test_each_point_has_one_label(points, labels, words):
    with pytest.raises(ValueError, match=words):
        encode(points, labels)


def test_labels_may_say_that_there_is_no_point():
    labels = np.array([[[1, 1], [1, PAD_VALUE]]])
    assert encode([[[[1, 2], [3, 4]], [[5, 6]]]], labels)["input_labels"].tolist() == labels.tolist()


coordinate = st.floats(-5, 300, width=32)
ragged = st.lists(st.lists(st.lists(st.tuples(coordinate, coordinate), max_size=3), max_size=3), min_size=1, max_size=3)


@given(ragged.filter(lambda images: any(point for image in images for item in image for point in item)))
def test_what_was_given_is_in_place_and_all_else_is_padding(images):
    canvas = Canvas(sizes=[(8, 16)], target_size=64)
    labels = [[[1 for _ in item] for item in image] for image in images]
    encoded = encode(images, labels, canvas=canvas)
    seen = torch.zeros_like(encoded["input_labels"], dtype=torch.bool)
    for i, image in enumerate(images):
        for j, item in enumerate(image):
            for k, (x, y) in enumerate(item):
                assert encoded["input_points"][i, j, k].tolist() == [np.float32(x) * 4, np.float32(y) * 8]
                seen[i, j, k] = True
    assert (encoded["input_labels"][seen] == 1).all()
    assert (encoded["input_labels"][~seen] == PAD_VALUE).all()
    assert (encoded["input_points"][~seen] == PAD_VALUE).all()


def test_sizes_are_read_of_lists_arrays_and_tensors():
    assert read_sizes([[50, 200]]) == [(50, 200)]
    assert read_sizes([(50.0, 200.0), torch.Size([3, 4])]) == [(50, 200), (3, 4)]
    assert read_sizes(torch.tensor([[50, 200]])) == read_sizes(np.array([[50, 200]])) == [(50, 200)]


@pytest.mark.parametrize("sizes", [[50, 200], [[50]], [[50, 0]], torch.tensor([50, 200])])
def test_what_is_no_size_is_named(sizes):
    with pytest.raises(ValueError, match=re.escape("list of (height, width)")):
        read_sizes(sizes)
