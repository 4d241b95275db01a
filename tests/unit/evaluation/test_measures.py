"""Region similarity and contour accuracy, by hand and against `vos-benchmark`."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from masklet.evaluation.measures import boundary, contour_accuracy, region_similarity
from masklet.io.label_maps import read_labels

MASKS = st.tuples(st.integers(1, 24), st.integers(1, 24)).flatmap(
    lambda size: st.tuples(arrays(bool, size), arrays(bool, size))
)


def mask_of(*rows: str) -> np.ndarray:
    return np.array([[letter == "#" for letter in row] for row in rows])


def blobs(seed: int, size: tuple[int, int]) -> np.ndarray:
    """A random mask with smooth outlines, which may touch the border."""
    noise = np.random.default_rng(seed).standard_normal(size)
    return cv2.GaussianBlur(noise, (0, 0), max(size) / 20) > 0


def oracle(mask: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """J and F of one frame by `vos-benchmark`; of a frame without an object, which it does not score, 1."""
    evaluator = pytest.importorskip("vos_benchmark.evaluator").Evaluator()
    evaluator.feed_frame(mask.astype(np.uint8), truth.astype(np.uint8))
    return evaluator.object_iou.get(1, [1.0])[0], evaluator.boundary_f.get(1, [1.0])[0]


def ours(mask: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    return region_similarity(mask, truth), contour_accuracy(mask, truth)


def test_region_similarity_is_the_iou() -> None:
    assert region_similarity(mask_of("##.", "##."), mask_of(".##", ".##")) == pytest.approx(2 / 6)


def test_the_boundary_is_where_a_neighbour_to_the_right_or_below_differs() -> None:
    mask = mask_of(
        ".....",
        "..##.",
        "..##.",
        "....#",
        "...##",
    )
    expected = mask_of(
        ".###.",
        ".#.#.",
        ".####",
        "..##.",
        "..#..",
    )
    assert np.array_equal(boundary(mask), expected)


def test_the_whole_picture_has_no_boundary() -> None:
    assert not boundary(np.ones((5, 7), bool)).any()


@pytest.mark.parametrize("score", [region_similarity, contour_accuracy])
def test_empty_masks_agree_and_one_alone_does_not(score) -> None:
    empty, full = np.zeros((9, 9), bool), np.zeros((9, 9), bool)
    full[3:6, 3:6] = True
    assert score(empty, empty) == 1
    assert score(full, full) == 1
    assert score(empty, full) == 0
    assert score(full, empty) == 0


def test_boundaries_match_within_the_tolerance_and_not_beyond() -> None:
    truth = np.zeros((30, 40), bool)  # a diagonal of 50 pixels
    truth[10:20, 10:20] = True
    assert contour_accuracy(np.roll(truth, 2, axis=1), truth, tolerance=2 / 50) == 1
    assert contour_accuracy(np.roll(truth, 2, axis=1), truth, tolerance=1.9 / 50) == 1  # rounded up
    assert contour_accuracy(np.roll(truth, 2, axis=1), truth, tolerance=1 / 50) < 1
    assert contour_accuracy(np.roll(truth, 2, axis=1), truth, tolerance=0) < 1
    assert contour_accuracy(truth, truth, tolerance=0) == 1


def test_void_pixels_count_in_neither() -> None:
    truth, mask, void = (np.zeros((20, 20), bool) for _ in range(3))
    truth[:, :10] = True
    mask[:, :10] = True
    mask[:6, 12:] = True
    void[:6, 10:] = True
    assert region_similarity(mask, truth) < 1
    assert contour_accuracy(mask, truth) < 1
    assert region_similarity(mask, truth, void) == 1
    assert contour_accuracy(mask, truth, void=void) == 1
    assert contour_accuracy(mask, truth, void=void) == contour_accuracy(mask & ~void, truth & ~void)


@pytest.mark.parametrize("score", [region_similarity, contour_accuracy])
def test_masks_that_cannot_be_compared_are_refused(score) -> None:
    with pytest.raises(ValueError, match=r"bool \(3, 4\) is not"):
        score(np.zeros((3, 4), bool), np.zeros((4, 3), bool))
    with pytest.raises(ValueError, match="uint8"):
        score(np.zeros((3, 4), np.uint8), np.zeros((3, 4), bool))


@given(MASKS)
def test_scores_of_any_masks_are_those_of_the_original(masks: tuple[np.ndarray, np.ndarray]) -> None:
    assert ours(*masks) == pytest.approx(oracle(*masks), abs=1e-12)


@pytest.mark.parametrize("size", [(480, 854), (270, 90), (600, 800), (3, 200)])
@pytest.mark.parametrize("seed", range(4))
def test_scores_of_blobs_are_those_of_the_original(seed: int, size: tuple[int, int]) -> None:
    truth, other = blobs(seed, size), blobs(seed + 100, size)
    window = np.zeros(size, bool)
    window[size[0] // 3 :, size[1] // 4 : size[1] // 2] = True
    moved = np.roll(truth, (1, 3), axis=(0, 1))
    for pair in ((moved, truth), (other, truth), (moved & window, truth & window), (truth & window, truth)):
        assert ours(*pair) == pytest.approx(oracle(*pair), abs=1e-12)


def test_scores_of_real_masks_are_those_of_the_original(shared: Path) -> None:
    for folder in sorted((shared / "data" / "davis_dev" / "Annotations").iterdir()):
        truth = read_labels(sorted(folder.iterdir())[-1]) > 0
        eroded = cv2.erode(truth.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
        for mask in (np.roll(truth, (3, -8), axis=(0, 1)), eroded, ~truth):
            assert ours(mask, truth) == pytest.approx(oracle(mask, truth), abs=1e-12)
