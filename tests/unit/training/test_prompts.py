"""Simulated prompts: where they fall, what they say, and that all places have their turn."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor

from masklet.ops.masks import innermost_point
from masklet.training.prompts import INNERMOST_CLICKS, correction_clicks, first_click, noisy_boxes, random_pixels
from masklet.types import PointLabel

HEIGHT, WIDTH = 12, 20


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def rectangle(left: int, top: int, right: int, bottom: int, height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    """Bounds belong to it."""
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[top : bottom + 1, left : right + 1] = True
    return mask


def many(mask: Tensor, count: int = 2000) -> Tensor:
    return mask.expand(count, *mask.shape)


def test_first_clicks_are_all_over_their_object_half_of_them_innermost():
    mask = (rectangle(3, 2, 9, 6) | rectangle(17, 11, 19, 11)).numpy()
    rng = np.random.default_rng(0)
    clicks = [first_click(mask, rng) for _ in range(3000)]
    assert {(click.shape, click.dtype) for click in clicks} == {((2,), np.dtype(np.float32))}
    counts = Counter((int(x), int(y)) for x, y in clicks)
    assert set(counts) == {(int(x), int(y)) for y, x in np.argwhere(mask)}
    anywhere = (1 - INNERMOST_CLICKS) / mask.sum()
    assert counts[innermost_point(mask)] / 3000 == pytest.approx(INNERMOST_CLICKS + anywhere, abs=0.03)


def test_random_pixels_are_all_over_their_region_and_nowhere_else(generator):
    region = rectangle(3, 2, 6, 4) | rectangle(17, 11, 19, 11)
    coords = random_pixels(many(region, 3000), generator)
    x, y = coords.long().unbind(-1)
    assert torch.equal(coords, torch.stack((x, y), dim=-1).float())
    counts = torch.zeros(HEIGHT, WIDTH).index_put((y, x), torch.ones(len(x)), accumulate=True)
    assert torch.equal(counts > 0, region)
    share = counts[region] / counts.sum() * region.sum()
    assert share.min() > 0.7
    assert share.max() < 1.3


def test_each_region_has_its_own_pixel(generator):
    regions = torch.stack([rectangle(column, column // 2, column, column // 2) for column in range(WIDTH)])
    expected = [[column, column // 2] for column in range(WIDTH)]
    assert random_pixels(regions, generator).tolist() == expected


def test_an_empty_region_gives_any_pixel_of_the_map(generator):
    x, y = random_pixels(many(torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)), generator).unbind(-1)
    assert (x.min(), x.max(), y.min(), y.max()) == (0, WIDTH - 1, 0, HEIGHT - 1)


def test_same_generator_same_prompts():
    region = many(rectangle(3, 2, 16, 9), 10)
    for draw in (random_pixels, lambda r, g: correction_clicks(~r, r, g).coords, lambda r, g: noisy_boxes(r, g).coords):
        first, second = (draw(region, torch.Generator().manual_seed(3)) for _ in range(2))
        assert torch.equal(first, second)


def test_corrections_fall_where_the_prediction_is_wrong(generator):
    """Positive where something is missing, negative where something is too much, in proportion to the areas."""
    target, prediction = rectangle(2, 2, 9, 7), rectangle(6, 2, 11, 7)
    clicks = correction_clicks(many(prediction), many(target), generator)
    assert clicks.coords.shape == (2000, 1, 2)
    assert clicks.labels.shape == (2000, 1)
    x, y = clicks.coords[:, 0].long().unbind(-1)
    missing, surplus = target & ~prediction, prediction & ~target
    positive = clicks.labels[:, 0] == PointLabel.POSITIVE
    assert missing[y[positive], x[positive]].all()
    assert surplus[y[~positive], x[~positive]].all()
    assert (clicks.labels[~positive] == PointLabel.NEGATIVE).all()
    share = missing.sum() / (missing ^ surplus).sum()
    assert positive.float().mean().item() == pytest.approx(share.item(), abs=0.05)


def test_corrections_of_one_kind(generator):
    target = rectangle(2, 2, 9, 7)
    nothing = torch.zeros_like(target)
    assert (correction_clicks(many(nothing, 50), many(target, 50), generator).labels == PointLabel.POSITIVE).all()
    assert (correction_clicks(many(target, 50), many(nothing, 50), generator).labels == PointLabel.NEGATIVE).all()


def test_a_perfect_prediction_gets_clicks_that_are_true(generator):
    target = rectangle(2, 2, 9, 7)
    clicks = correction_clicks(many(target), many(target), generator)
    x, y = clicks.coords[:, 0].long().unbind(-1)
    assert torch.equal(clicks.labels[:, 0] == PointLabel.POSITIVE, target[y, x])
    assert clicks.labels.unique().tolist() == [PointLabel.NEGATIVE, PointLabel.POSITIVE]


def test_each_prompt_is_corrected_by_its_own_masks(generator):
    targets = torch.stack([rectangle(c, 1, c, 1) for c in range(WIDTH)])
    clicks = correction_clicks(torch.zeros_like(targets), targets, generator)
    assert clicks.coords[:, 0].tolist() == [[c, 1] for c in range(WIDTH)]


@pytest.mark.parametrize(
    ("corners", "size", "reach"),
    [
        ((20, 30, 60, 50), (100, 100), (100 * 20 / 1024, 100 * 20 / 1024)),  # a fiftieth of the image
        ((20, 30, 30, 40), (100, 100), (1.0, 1.0)),  # a tenth of the box
        ((100, 200, 900, 240), (1024, 1024), (20.0, 4.0)),  # of each its own
        ((40, 30, 40, 35), (100, 100), (0.0, 0.5)),  # one pixel wide: nothing to jitter
    ],
)
def test_boxes_jitter_within_their_reach(corners, size, reach, generator):
    mask = rectangle(*corners, *size)
    count = 60 if size[0] > 100 else 2000
    boxes = noisy_boxes(many(mask, count), generator)
    assert boxes.coords.shape == (count, 2, 2)
    assert boxes.labels.tolist() == [[PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT]] * count
    off = boxes.coords - torch.tensor(corners, dtype=torch.float32).view(2, 2)
    for axis in range(2):
        assert off[..., axis].abs().max() <= reach[axis] + 1e-4
        if count == 2000 and reach[axis]:
            assert off[..., axis].max() > 0.95 * reach[axis]
            assert off[..., axis].min() < -0.95 * reach[axis]
            assert off[..., axis].mean().abs() < 0.1 * reach[axis]
    if reach[0]:
        assert not torch.equal(off[:, 0, 0], off[:, 1, 0]), "corners move on their own"


def test_boxes_stay_in_the_image(generator):
    whole = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    coords = noisy_boxes(many(whole), generator).coords
    assert coords.min() == 0
    assert coords[..., 0].max() == WIDTH - 1
    assert coords[..., 1].max() == HEIGHT - 1


def test_a_box_is_around_all_parts_of_its_mask(generator):
    mask = rectangle(4, 3, 4, 3) | rectangle(15, 9, 15, 9)
    coords = noisy_boxes(many(mask, 4000), generator).coords.mean(0)
    torch.testing.assert_close(coords, torch.tensor([[4.0, 3.0], [15.0, 9.0]]), atol=0.05, rtol=0)
