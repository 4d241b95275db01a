"""Regions of a made-up picture are the things in it."""

import numpy as np
import pytest

from masklet.training.scenes.regions import Opinion, find_regions


def test_find_regions_finds_the_things_in_a_picture() -> None:
    pytest.importorskip("skimage")
    rng = np.random.default_rng(0)
    ys, xs = np.mgrid[:160, :160]
    rgb = np.where((ys > 90)[..., None], (60, 120, 40), (120, 170, 220)).astype(np.float32)
    disc = np.hypot(ys - 60, xs - 100) < 30
    rgb[disc] = (190, 60, 40)
    rgb += rng.normal(0, 6, rgb.shape)
    found = find_regions(rgb.clip(0, 255).astype(np.uint8), max_regions=6)
    masks = [row[found.labels] for row in found.members]
    for truth in (disc, ys > 90, (ys <= 90) & ~disc):
        assert max((mask & truth).sum() / (mask | truth).sum() for mask in masks) > 0.9
    assert (np.diff(found.scores) <= 0).all()
    assert found.labels.dtype == np.uint16


def test_shading_is_not_split() -> None:
    pytest.importorskip("skimage")
    ramp = np.linspace(90, 250, 160)
    rgb = np.repeat(np.tile(ramp[:, None], (1, 160))[..., None], 3, 2)
    rgb[110:, :] = (60, 110, 30)
    found = find_regions(rgb.astype(np.uint8))
    ground = np.broadcast_to(np.arange(160)[:, None] >= 110, (160, 160))
    best = found.members[0][found.labels]
    iou = max((best & side).sum() / (best | side).sum() for side in (ground, ~ground))
    assert iou > 0.9


def test_an_opinion_keeps_together_what_colours_part() -> None:
    pytest.importorskip("skimage")
    rng = np.random.default_rng(0)
    rgb = np.full((160, 160, 3), (120, 170, 220), np.float32)
    rgb[40:80, 50:110], rgb[80:120, 50:110] = (190, 60, 40), (140, 185, 225)
    picture = (rgb + rng.normal(0, 6, rgb.shape)).clip(0, 255).astype(np.uint8)
    whole = np.zeros((160, 160), bool)
    whole[40:120, 50:110] = True

    def ask(_rgb: np.ndarray, labels: np.ndarray) -> np.ndarray:
        counts = np.bincount(labels.ravel())
        return 4 * (np.bincount(labels.ravel(), whole.ravel()) / counts)[:, None]

    def score_of_whole(opinion: Opinion | None) -> float:
        found = find_regions(picture, max_regions=6, ask=opinion)
        masks = [row[found.labels] for row in found.members]
        good = [(mask & whole).sum() / (mask | whole).sum() > 0.9 for mask in masks]
        return max(found.scores[good], default=0.0)

    assert score_of_whole(ask) > score_of_whole(None) + 0.1
