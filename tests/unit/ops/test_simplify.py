import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masklet.ops import simplify
from masklet.ops.outlines import trace_outlines
from masklet.ops.rings import ring_area
from masklet.ops.simplify import choose_corners, halve


def disc(size: int, radius: int, centre: tuple[int, int]) -> np.ndarray:
    return cv2.circle(np.zeros((size, size), np.uint8), centre, radius, 1, -1).astype(bool)


def unfixed(rings: list[np.ndarray]) -> list[np.ndarray]:
    return [np.zeros(len(ring), bool) for ring in rings]


def test_a_disc_takes_few_corners():
    rings, _ = trace_outlines(disc(200, 80, (100, 100)))
    (kept,) = choose_corners(rings, unfixed(rings), 1.0)
    assert len(kept) < len(rings[0]) / 4
    assert (np.diff(kept) > 0).all()
    corners, left_out = rings[0][kept].astype(np.float32), np.delete(rings[0], kept, 0)
    distances = [abs(cv2.pointPolygonTest(corners, (float(x), float(y)), True)) for x, y in left_out]
    assert max(distances) <= 1.0
    assert choose_corners(rings, unfixed(rings), 0.0)[0].tolist() == list(range(len(rings[0])))


def test_fixed_corners_are_kept():
    rings, _ = trace_outlines(disc(200, 80, (100, 100)))
    fixed = unfixed(rings)
    fixed[0][[5, 17, 18, 19]] = True
    (kept,) = choose_corners(rings, fixed, 4.0)
    assert {5, 17, 18, 19} <= set(kept.tolist())
    assert len(kept) < 30
    assert (np.diff(np.roll(kept, -kept.argmin())) > 0).all()


def test_small_outlines_are_kept():
    mask = disc(200, 80, (100, 120))
    mask[:3, :3] = np.eye(3)
    rings, _ = trace_outlines(mask)
    for ring, kept in zip(rings, choose_corners(rings, unfixed(rings), 9.0), strict=True):
        assert (len(kept) == len(ring)) == (abs(ring_area(ring)) < 64)


@settings(max_examples=15)
@given(st.integers(0, 10**9))
def test_outlines_close_together_do_not_meet(seed: int):
    generator = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(generator.standard_normal((40, 50)).astype(np.float32), (0, 0), 2)
    rings, touching = trace_outlines(noise > generator.normal(0, 0.05))
    fixed = []
    for ring in rings:
        meets = touching[ring[:, 1], ring[:, 0]]
        fixed.append(meets | np.roll(meets, 1) | np.roll(meets, -1))
    lines = [ring[kept] for ring, kept in zip(rings, choose_corners(rings, fixed, 5.0), strict=True)]
    edges = [(i, j, line[j], line[(j + 1) % len(line)]) for i, line in enumerate(lines) for j in range(len(line))]
    for number, (_, _, a, b) in enumerate(edges):
        for _, _, c, d in edges[number + 1 :]:
            ends = {tuple(a), tuple(b)} & {tuple(c), tuple(d)}
            assert len(ends) < 2
            assert ends or not crosses(a, b, c, d), "they have a corner in common or nothing"


def crosses(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> bool:
    """Whether two edges have a point in common, found by cutting one by the line of the other."""

    def side(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> int:
        return int(np.sign((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])))

    apart = (np.minimum(a, b) > np.maximum(c, d)).any() or (np.minimum(c, d) > np.maximum(a, b)).any()
    return not apart and side(a, b, c) != side(a, b, d) and side(c, d, a) != side(c, d, b)


def test_tolerances_come_to_an_end():
    assert [halve(4.0), halve(1.0), halve(0.9)] == [2.0, 0.5, 0.0]


def test_more_edges_than_can_be_compared_stay(monkeypatch: pytest.MonkeyPatch):
    rings = trace_outlines(disc(80, 30, (40, 40)))[0]
    assert len(choose_corners(rings, unfixed(rings), 1.5)[0]) < len(rings[0])
    monkeypatch.setattr(simplify, "MOST_PAIRS", 3)
    assert len(choose_corners(rings, unfixed(rings), 1.5)[0]) == len(rings[0])
