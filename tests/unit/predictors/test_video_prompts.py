"""Prompts on a video's frames: brought to model pixels, and refused where they make no sense."""

import numpy as np
import pytest
import torch

from masklet.predictors.video_prompts import parse_mask, parse_points, to_model_mask
from masklet.types import PointLabel

SIZE = (48, 64)
"""Of the frame; the model sees a square of 64, so y is stretched by 4 / 3 and x stays."""


def test_clicks_in_model_pixels():
    prompt = parse_points([(10, 6), (64, 48)], [1, 0], None, SIZE, 64)
    assert prompt.box is None
    assert prompt.mask is None
    assert prompt.clicks is not None
    assert prompt.clicks.coords.tolist() == [[[10, 8], [64, 64]]]
    assert prompt.clicks.labels.tolist() == [[1, 0]]


def test_a_box_in_model_pixels():
    prompt = parse_points(None, None, (8, 12, 32, 24), SIZE, 128)
    assert prompt.clicks is None
    assert prompt.box is not None
    assert prompt.box.coords.tolist() == [[[16, 32], [64, 64]]]
    assert prompt.box.labels.tolist() == [[PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT]]


def test_a_box_and_clicks_stay_apart():
    prompt = parse_points(torch.tensor([[1.0, 3.0]]), np.array([0]), np.array([0, 0, 64, 48]), SIZE, 64)
    assert prompt.points is not None
    assert prompt.points.labels.tolist() == [[2, 3, 0]]
    assert prompt.points.coords.tolist() == [[[0, 0], [64, 64], [1, 4]]]


@pytest.mark.parametrize(
    ("points", "labels", "box", "message"),
    [
        (None, None, None, "empty prompt"),
        ([], [], None, "empty prompt"),
        ([(1, 1)], None, None, "points came without labels"),
        (None, [1], None, "labels came without points"),
        ([(1, 1)], [1, 0], None, r"labels of the shape \(1,\), not \(2,\)"),
        ([(1, 1)], [7], None, r"labels \[7.*\] mean nothing"),
        ([(1, 2, 3)], [1], None, "must be .N, 2."),
        ([(5, 5), (65, 1)], [1, 1], None, r"point \[65.0, 1.0\] is outside the frame, which is 64 wide and 48 high"),
        ([(1, 48.5)], [1], None, "outside the frame"),
        ([(-0.5, 3)], [1], None, "outside the frame"),
        ([(float("nan"), 3)], [1], None, "NaN"),
        ("here", [1], None, "not numbers"),
        (None, None, (1, 2, 3), "x0, y0, x1, y1"),
        (None, None, [(1, 2, 3, 4)], "one object has one box"),
        (None, None, (9, 9, 5, 12), "corners in the wrong order"),
        (None, None, (64, 5, 70, 9), r"box \[64.0, 5.0, 70.0, 9.0\] is outside the frame"),
        (None, None, (3, -9, 8, 0), "outside the frame"),
    ],
)
def test_prompts_that_make_no_sense(points, labels, box, message):
    with pytest.raises(ValueError, match=message):
        parse_points(points, labels, box, SIZE, 64)


@pytest.mark.parametrize("how", ["bfloat16", "gradient"])
def test_tensors_are_checked_like_arrays(how):
    def tensor(*values: float) -> torch.Tensor:
        made = torch.tensor(values, dtype=torch.float32)
        return made.bfloat16() if how == "bfloat16" else made.requires_grad_()

    inside = parse_points(tensor(8, 12)[None], torch.tensor([1]), tensor(8, 12, 32, 24), SIZE, 128)
    assert inside.points is not None
    assert inside.points.coords.tolist() == [[[16, 32], [64, 64], [16, 32]]]
    with pytest.raises(ValueError, match=r"point \[65.0, 1.0\] is outside the frame"):
        parse_points(tensor(65, 1)[None], torch.tensor([1]), None, SIZE, 128)
    with pytest.raises(ValueError, match="outside the frame"):
        parse_points(None, None, tensor(65, 1, 70, 9), SIZE, 128)


def test_points_of_several_objects_are_refused():
    with pytest.raises(ValueError, match="of 2 objects were given"):
        parse_points([[(1, 1)], [(5, 5)]], [[1], [1]], None, SIZE, 64)
    assert parse_points([[(1, 1)]], [[1]], None, SIZE, 64).clicks is not None


def test_a_box_may_reach_beyond_the_frame():
    prompt = parse_points(None, None, (-5, -5, 10, 60), SIZE, 64)
    assert prompt.box is not None


def test_a_mask_of_the_models_size_stays_as_it_is():
    mask = torch.rand(64, 64, generator=torch.Generator().manual_seed(0)) > 0.5
    assert torch.equal(to_model_mask(mask, 64), mask[None, None])


@pytest.mark.parametrize(
    ("rows", "inside"),
    [((64,), []), ((64, 65), [32]), ((63, 64), [31, 32]), ((63,), [])],
)
def test_a_model_pixel_is_inside_where_half_of_it_is_covered(rows, inside):
    """A model pixel sees rows 1/8, 3/8, 3/8 and 1/8 where it is two rows high."""
    mask = torch.zeros(128, 128, dtype=torch.bool)
    mask[list(rows)] = True
    small = to_model_mask(mask, 64)
    assert small.dtype == torch.bool
    assert small.shape == (1, 1, 64, 64)
    assert small[0, 0].all(1).nonzero().flatten().tolist() == inside
    assert torch.equal(small[0, 0].all(1), small[0, 0].any(1))


@pytest.mark.parametrize("kind", [bool, np.uint8, np.float32])
def test_a_binary_mask_of_the_frames_size(kind):
    mask = np.zeros(SIZE, kind)
    mask[12:36, 16:48] = 1
    expected = torch.zeros(64, 64, dtype=torch.bool)
    expected[16:48, 16:48] = True
    for given in (mask, mask[None], torch.from_numpy(mask), mask.tolist()):
        found = parse_mask(given, SIZE, 64, 16).mask
        assert found is not None
        assert found.shape == (1, 1, 64, 64)
        assert torch.equal(found[0, 0], expected)


def test_logits_are_inside_above_zero():
    full = np.full(SIZE, -3.0, np.float32)
    full[:, :32] = 0.5
    full[:, 32:40] = 0.0
    found = parse_mask(full, SIZE, 64, 16).mask
    assert found is not None
    assert found[0, 0].any(0).tolist() == [True] * 32 + [False] * 32


def test_low_res_logits_are_enlarged_as_logits():
    """Their edge lies where the interpolated logit is 0, not where a low-res pixel ends."""
    low = torch.full((1, 16, 16), -3.0)
    low[..., :8] = 1.0
    found = parse_mask(low, SIZE, 64, 16).mask
    assert found is not None
    # Between the pixels' centres, at 30 and 34, the logit falls from 1 to -3: it is 0 at 31.
    assert found[0, 0].all(0).tolist() == [True] * 31 + [False] * 33


def test_an_empty_mask_is_a_mask():
    found = parse_mask(np.zeros(SIZE, bool), SIZE, 64, 16).mask
    assert found is not None
    assert not found.any()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((64, 48), bool), r"shape \(64, 48\) fits nothing: it has the frame's size \(48, 64\)"),
        (np.zeros((2, *SIZE), bool), "fits nothing"),
        (np.zeros((64, 64), bool), "fits nothing"),
        (np.full(SIZE, np.nan), "NaN or infinity"),
        (np.full((16, 16), np.inf), "NaN or infinity"),
        (np.ones((16, 16), bool), "bool and shape .16, 16. fits nothing"),
    ],
)
def test_masks_that_fit_nothing(mask, message):
    with pytest.raises(ValueError, match=message):
        parse_mask(mask, SIZE, 64, 16)
