import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from shapely import MultiPolygon
from shapely.validation import explain_validity

from masklet.ops import polygons as polygons_module
from masklet.ops.masks import mask_iou
from masklet.ops.outlines import trace_outlines
from masklet.ops.polygons import Polygon, mask_to_polygons, polygons_to_mask
from masklet.ops.rings import fill_rings, join_rings, ring_area

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=25), elements=st.booleans())


def to_shapely(polygons: list[Polygon]) -> MultiPolygon:
    return MultiPolygon([(polygon.outer, list(polygon.holes)) for polygon in polygons])


def blobs(seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    noise = generator.standard_normal(generator.integers(2, 150, 2)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), generator.uniform(0.6, 8))
    return smooth > np.quantile(smooth, generator.random())


@given(masks)
def test_without_a_tolerance_nothing_is_lost(mask: np.ndarray):
    polygons = mask_to_polygons(mask, tolerance=0)
    np.testing.assert_array_equal(polygons_to_mask(polygons, mask.shape), mask)
    shape = to_shapely(polygons)
    assert shape.is_valid, explain_validity(shape)
    assert shape.area == sum(polygon.area for polygon in polygons) == mask.sum()
    for polygon in polygons:
        assert ring_area(polygon.outer) > 0
        assert all(ring_area(hole) < 0 for hole in polygon.holes)


@settings(max_examples=50)
@given(st.integers(0, 10**9), st.sampled_from([0.6, 1.0, 2.5, 10.0]))
def test_with_a_tolerance_polygons_are_valid_and_close(seed: int, tolerance: float):
    mask = blobs(seed)
    polygons = mask_to_polygons(mask, tolerance=tolerance)
    shape = to_shapely(polygons)
    assert shape.is_valid, explain_validity(shape)
    assert mask_iou(polygons_to_mask(polygons, mask.shape), mask) > 0.98
    exact = mask_to_polygons(mask, tolerance=0)
    assert [len(polygon.holes) for polygon in polygons] == [len(polygon.holes) for polygon in exact]


@settings(max_examples=50)
@given(st.integers(0, 10**9), st.sampled_from([0.1, 0.25, 0.49]))
def test_an_inset_keeps_the_mask_for_those_who_fill_what_lines_touch(seed: int, inset: float):
    mask = blobs(seed)
    polygons = mask_to_polygons(mask, tolerance=0, inset=inset)
    np.testing.assert_array_equal(polygons_to_mask(polygons, mask.shape), mask)
    drawn = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(drawn, [ring.astype(np.int32) for polygon in polygons for ring in polygon.rings], 1)
    if not trace_outlines(mask)[1].any():  # a line between pixels that touch by a corner is drawn over one of them
        np.testing.assert_array_equal(drawn == 1, mask)


def test_a_pixel_survives():
    mask = np.zeros((9, 9), bool)
    mask[4, 6] = True
    (polygon,) = mask_to_polygons(mask)
    assert sorted(polygon.outer.tolist()) == [[6, 4], [6, 5], [7, 4], [7, 5]]
    assert polygon.area == 1
    assert mask_to_polygons(np.zeros((3, 4), bool)) == []


def test_holes_go_to_the_part_they_are_in():
    mask = np.zeros((40, 90), bool)
    mask[2:38, 2:38] = True
    mask[10:20, 10:20] = False
    mask[13:16, 13:16] = True
    mask[5:30, 50:80] = True
    mask[8:12, 55:60] = mask[20:25, 60:70] = False
    polygons = mask_to_polygons(mask)
    assert sorted((polygon.area, len(polygon.holes)) for polygon in polygons) == [(9, 0), (680, 2), (1196, 1)]
    np.testing.assert_array_equal(polygons_to_mask(polygons, (40, 90)), mask)
    for polygon in polygons:
        joined = fill_rings([join_rings(polygon.rings)], (40, 90))
        np.testing.assert_array_equal(joined, polygons_to_mask([polygon], (40, 90)))


def test_straight_lines_take_few_corners():
    mask = cv2.fillPoly(np.zeros((300, 300), np.uint8), [np.array([[10, 20], [280, 90], [150, 270]])], 1) == 1
    (polygon,) = mask_to_polygons(mask)
    assert len(polygon.outer) < 12
    assert polygon.area == pytest.approx(mask.sum(), rel=0.01)


def test_noise_is_kept_as_it_is(monkeypatch: pytest.MonkeyPatch):
    noise = cv2.GaussianBlur(np.random.default_rng(1).standard_normal((60, 80)), (0, 0), 5) > 0
    num_corners = sum(map(len, trace_outlines(noise)[0]))
    for most, kept in ((num_corners, False), (num_corners - 1, True)):
        monkeypatch.setattr(polygons_module, "MOST_CORNERS", most)
        polygons = mask_to_polygons(noise)
        assert (sum(len(ring) for polygon in polygons for ring in polygon.rings) == num_corners) == kept


def test_a_disc_among_specks_is_simplified():
    rows, columns = np.ogrid[:200, :200]
    disc = np.hypot(rows - 100, columns - 100) < 80
    specks = np.random.default_rng(0).random(disc.shape) < 0.005
    whole = trace_outlines(disc ^ specks)[0]
    polygons = mask_to_polygons(disc ^ specks)
    assert max(len(polygon.outer) for polygon in polygons) < max(map(len, whole)) / 3
    assert mask_iou(polygons_to_mask(polygons, disc.shape), disc ^ specks) > 0.98


def test_polygons_may_overlap_and_reach_out_of_the_picture():
    square = np.array([[-4.0, -4], [3, -4], [3, 3], [-4, 3]])
    mask = polygons_to_mask([Polygon(square), Polygon(square + 1), Polygon(square + 90)], (5, 6))
    expected = np.zeros((5, 6), bool)
    expected[:4, :4] = True
    np.testing.assert_array_equal(mask, expected)


def test_what_is_refused():
    with pytest.raises(ValueError, match="at least three corners"):
        Polygon(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="finite"):
        Polygon(np.array([[0, 0], [1, 0], [1, np.nan]]))
    with pytest.raises(ValueError, match=r"at least 0 pixels .* not -1 and 0"):
        mask_to_polygons(np.ones((2, 2), bool), tolerance=-1)
    with pytest.raises(ValueError, match=r"not 1\.5 and 0\.5"):
        mask_to_polygons(np.ones((2, 2), bool), inset=0.5)
