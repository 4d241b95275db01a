import numpy as np
import pytest

from masklet.config import preset
from masklet.predictors.generator_options import NANO_THRESHOLDS, GeneratorOptions


def test_defaults_are_upstreams():
    options = GeneratorOptions().for_model(preset("sam2.1_hiera_tiny"))
    assert (options.points_per_side, options.points_per_batch) == (32, 64)
    assert (options.pred_iou_thresh, options.stability_score_thresh, options.stability_score_offset) == (0.8, 0.95, 1.0)
    assert (options.box_nms_thresh, options.crop_nms_thresh, options.crop_n_layers) == (0.7, 0.7, 0)
    assert options.crop_overlap_ratio == 512 / 1500
    assert [len(grid) for grid in options.grids()] == [1024]


def test_thresholds_that_are_not_given_suit_the_model():
    of_nano = GeneratorOptions(points_per_side=9).for_model(preset("nano"))
    assert (of_nano.pred_iou_thresh, of_nano.stability_score_thresh) == NANO_THRESHOLDS
    assert of_nano.points_per_side == 9
    given = GeneratorOptions(pred_iou_thresh=0.0, stability_score_thresh=0.9)
    assert given.for_model(preset("nano")) == given


def test_grids_of_layers_get_smaller_by_the_factor():
    options = GeneratorOptions(points_per_side=9, crop_n_layers=2, crop_n_points_downscale_factor=2)
    assert [len(grid) for grid in options.grids()] == [81, 16, 4]


def test_grids_of_ones_own():
    options = GeneratorOptions(points_per_side=None, point_grids=[[(0.5, 0.25)], np.zeros((3, 2))], crop_n_layers=1)
    whole, layer = options.grids()
    np.testing.assert_array_equal(whole, [[0.5, 0.25]])
    assert layer.shape == (3, 2)


WRONG = {
    "points_per_side": [0, -1, 3.5, True, "32"],
    "points_per_batch": [0, 1.5],
    "crop_n_layers": [-1, 0.5],
    "crop_n_points_downscale_factor": [0, 2.5],
    "pred_iou_thresh": [float("nan"), 1.01, float("inf"), "0.8"],
    "stability_score_thresh": [float("nan"), 2],
    "stability_score_offset": [-1, float("inf")],
    "mask_threshold": [float("nan"), None],
    "box_nms_thresh": [-0.1, 1.1, float("nan")],
    "crop_nms_thresh": [-0.1, 1.1],
    "crop_overlap_ratio": [-0.1, 1, float("nan")],
    "min_mask_region_area": [-1, float("inf")],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_named(name, value):
    with pytest.raises(ValueError, match=rf"{name} is {value!r}, but must be a"):
        GeneratorOptions(**{name: value})


def test_the_message_says_what_is_right():
    with pytest.raises(
        ValueError, match=r"box_nms_thresh is 1.1, but must be a finite number at least 0 and at most 1: "
    ):
        GeneratorOptions(box_nms_thresh=1.1)
    with pytest.raises(ValueError, match="points_per_batch is 0, but must be a whole number of at least 1"):
        GeneratorOptions(points_per_batch=0)


@pytest.mark.parametrize("name", ["pred_iou_thresh", "stability_score_thresh", "mask_threshold"])
def test_thresholds_may_be_negative(name):
    assert getattr(GeneratorOptions(**{name: -1}), name) == -1


def test_points_come_from_one_source():
    with pytest.raises(ValueError, match=r"points_per_side is 32 and point_grids is given as well, .*_side=None"):
        GeneratorOptions(point_grids=[[(0.5, 0.5)]])
    with pytest.raises(ValueError, match="points_per_side is None and point_grids is None as well"):
        GeneratorOptions(points_per_side=None)


def test_a_layer_needs_a_point():
    with pytest.raises(ValueError, match=r"points_per_side is 3, .*_factor 2 leaves no point in layer 2 of crops"):
        GeneratorOptions(points_per_side=3, crop_n_layers=2, crop_n_points_downscale_factor=2)


@pytest.mark.parametrize(
    ("grids", "message"),
    [
        ([], r"holds 0 grids, but crop_n_layers=0 needs 1"),
        ([[(0, 0)], [(0, 0)]], r"holds 2 grids"),
        ([[(0.5, 0.5, 0.5)]], r"point_grids\[0\] has the shape \(1, 3\)"),
        ([[]], r"point_grids\[0\] has the shape \(0,\)"),
        ([[(0.5, 1.5)]], r"point_grids\[0\] holds \[0.5, 1.5\], but x and y must be in \[0, 1\]"),
        ([[(0.5, float("nan"))]], r"point_grids\[0\] holds"),
        ([[(0.5, "a")]], r"point_grids\[0\] is not rows of two numbers"),
    ],
)
def test_grids_are_checked(grids, message):
    with pytest.raises(ValueError, match=message):
        GeneratorOptions(points_per_side=None, point_grids=grids)
