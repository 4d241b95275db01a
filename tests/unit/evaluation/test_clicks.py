"""Simulated clicks, against a plain search for the pixel with the widest free circle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from masklet.evaluation.clicks import correction_click
from masklet.types import PointLabel

pairs = array_shapes(min_dims=2, max_dims=2, max_side=9).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)


def squared_depth(region: np.ndarray, x: int, y: int) -> int:
    """Squared distance of a pixel to the nearest one that is not of the region, also outside the picture."""
    outside = np.argwhere(~np.pad(region, 1)) - 1
    return int(((outside - (y, x)) ** 2).sum(1).min())


def blank() -> np.ndarray:
    return np.zeros((20, 30), bool)


def test_a_missed_part_gets_a_positive_click() -> None:
    truth, predicted = blank(), blank()
    truth[2:13, 2:25] = predicted[2:13, 2:14] = True
    assert correction_click(predicted, truth) == (19, 7, PointLabel.POSITIVE)


def test_a_surplus_part_gets_a_negative_click() -> None:
    truth, predicted = blank(), blank()
    truth[2:13, 2:14] = predicted[2:13, 2:25] = True
    assert correction_click(predicted, truth) == (19, 7, PointLabel.NEGATIVE)


def test_the_deeper_region_is_corrected() -> None:
    truth, predicted = blank(), blank()
    truth[0:3, 0:30] = True  # a long band is larger than the square, but not as deep
    predicted[10:15, 10:15] = True
    assert correction_click(predicted, truth) == (12, 12, PointLabel.NEGATIVE)


def test_regions_as_deep_get_a_negative_click() -> None:
    truth, predicted = blank(), blank()
    truth[0:3, 0:3] = predicted[10:13, 10:13] = True
    assert correction_click(predicted, truth) == (11, 11, PointLabel.NEGATIVE)


def test_nothing_to_correct() -> None:
    truth = blank()
    assert correction_click(truth, truth) is None
    truth[3:5, 3:5] = True
    assert correction_click(truth, truth) is None


def test_a_mask_where_there_should_be_none() -> None:
    predicted = blank()
    predicted[5:8, 5:8] = True
    assert correction_click(predicted, blank()) == (6, 6, PointLabel.NEGATIVE)


def test_masks_of_different_sizes() -> None:
    with pytest.raises(ValueError, match=r"\(20, 30\) and \(5, 5\)"):
        correction_click(blank(), np.ones((5, 5), bool))


@given(pairs)
def test_a_click_is_true_and_the_deepest(masks) -> None:
    predicted, truth = masks
    click = correction_click(predicted, truth)
    if (predicted == truth).all():
        assert click is None
        return
    assert click is not None
    x, y, label = click
    assert truth[y, x] == bool(label)
    assert predicted[y, x] != truth[y, x]
    depths = [
        squared_depth(region, column, row)
        for region in (truth & ~predicted, predicted & ~truth)
        for row, column in np.argwhere(region)
    ]
    chosen = truth & ~predicted if label else predicted & ~truth
    assert squared_depth(chosen, x, y) == max(depths)
