import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from masklet.ops.nms import box_nms

coordinates = st.integers(0, 12)
boxes = st.lists(st.tuples(coordinates, coordinates, coordinates, coordinates), max_size=25)


def naive(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    """Every box against every kept one of a higher rank."""
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        for k in kept:
            a, b = boxes[i], boxes[k]
            width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
            height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
            union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
            if union > 0 and np.float64(np.float32(width * height) / np.float32(union)) > threshold:
                break
        else:
            kept.append(i)
    return kept


@given(boxes, st.data(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 1.0]))
def test_keeps_what_a_plain_loop_keeps(corners, data, threshold):
    corners = [(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in corners]
    scores = data.draw(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=len(corners), max_size=len(corners)))
    array = torch.tensor(corners, dtype=torch.int64).view(-1, 4)
    kept = box_nms(array, torch.tensor(scores, dtype=torch.float32), threshold)
    assert kept.tolist() == naive(np.array(corners).reshape(-1, 4), np.array(scores), threshold)


def test_only_an_overlap_above_the_threshold_counts():
    pair = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5]])  # an IoU of exactly 0.5
    assert box_nms(pair, torch.tensor([0.1, 0.9]), 0.5).tolist() == [1, 0]
    assert box_nms(pair, torch.tensor([0.1, 0.9]), 0.4999).tolist() == [1]
    assert box_nms(pair, torch.tensor([0.5, 0.5]), 0.4).tolist() == [0]  # the first of equals


def test_boxes_without_area_stay():
    same = torch.tensor([[3.0, 3, 3, 3]] * 3)
    assert box_nms(same, torch.ones(3), 0.0).tolist() == [0, 1, 2]
    assert box_nms(torch.zeros((0, 4)), torch.zeros(0), 0.5).tolist() == []


@pytest.mark.gpu
def test_indices_are_where_the_boxes_are():
    kept = box_nms(torch.tensor([[0.0, 0, 4, 4]] * 2, device="cuda"), torch.tensor([0.1, 0.2], device="cuda"), 0.5)
    assert kept.device.type == "cuda"
    assert kept.tolist() == [1]
