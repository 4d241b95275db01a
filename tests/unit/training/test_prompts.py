"""Simulated prompts: how often which, where they fall, what they say, and that all places have their turn."""

from collections import Counter
from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from masklet.ops.masks import innermost_point
from masklet.training.prompts import (
    PromptConfig,
    PromptPlan,
    clicks_in,
    correction_clicks,
    draw_plan,
    first_clicks,
    noisy_boxes,
    random_pixels,
)
from masklet.types import PointLabel

HEIGHT, WIDTH = 12, 20
NOWHERE = torch.full((2,), torch.nan)


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


def plans(config: PromptConfig, num_frames: int, count: int = 1000) -> list[PromptPlan]:
    decisions = np.random.default_rng(0)
    return [draw_plan(config, num_frames, decisions) for _ in range(count)]


def share(outcomes: list[bool]) -> float:
    return sum(outcomes) / len(outcomes)


def test_the_published_values():
    values = {field.name: field.default for field in fields(PromptConfig)}
    assert values == {
        "click_probability": 0.5,
        "box_probability": 0.5,
        "centre_click_probability": 0.0,
        "max_prompted_frames": 2,
        "max_corrected_frames": 2,
        "num_corrections": 7,
        "correction_probability": 1.0,
        "truth_click_probability": 0.1,
        "previous_mask_probability": 1.0,
        "corrected_frames_condition": True,
    }


def test_a_clip_is_prompted_as_published():
    """Masks, or clicks and boxes half and half; one frame or two; with clicks one or two are corrected."""
    drawn = plans(PromptConfig(), 8)
    masks = [set(plan.prompts.values()) == {"mask"} for plan in drawn]
    assert share(masks) == pytest.approx(0.5, abs=0.05)
    assert share([len(plan.prompts) == 2 for plan in drawn]) == pytest.approx(0.5, abs=0.05)
    assert all(next(iter(plan.prompts)) == 0 for plan in drawn)
    assert all(not plan.corrections for plan, is_mask in zip(drawn, masks, strict=True) if is_mask)

    clicked = [plan for plan, is_mask in zip(drawn, masks, strict=True) if not is_mask]
    kinds = Counter(kind for plan in clicked for kind in plan.prompts.values())
    assert set(kinds) == {"box", "click"}
    assert kinds["box"] / kinds.total() == pytest.approx(0.5, abs=0.06)
    assert any(len(set(plan.prompts.values())) == 2 for plan in clicked), "each frame has a kind of its own"
    assert all(set(plan.prompts) <= set(plan.corrections) for plan in clicked)
    # Two are corrected where two are prompted, and every second time where one is.
    assert share([len(plan.corrections) == 2 for plan in clicked]) == pytest.approx(0.75, abs=0.06)
    assert {len(clicks) for plan in clicked for clicks in plan.corrections.values()} == {7}
    from_truth = [click.from_truth for plan in clicked for clicks in plan.corrections.values() for click in clicks]
    assert share(from_truth) == pytest.approx(0.1, abs=0.02)
    assert all(click.with_mask for plan in clicked for clicks in plan.corrections.values() for click in clicks)


@pytest.mark.parametrize("which", ["prompts", "corrections"])
def test_all_other_frames_have_their_turn(which):
    config = PromptConfig(click_probability=1.0)
    only_one = [plan for plan in plans(config, 5, 2000) if which == "prompts" or len(plan.prompts) == 1]
    seconds = Counter(frame for plan in only_one for frame in getattr(plan, which) if frame)
    assert set(seconds) == {1, 2, 3, 4}
    assert all(count / seconds.total() == pytest.approx(1 / 4, abs=0.05) for count in seconds.values())


def test_a_still_image_has_clicks_or_a_box_and_is_corrected():
    drawn = plans(PromptConfig(click_probability=0.0, box_probability=0.25), 1)
    assert all(set(plan.prompts) == set(plan.corrections) == {0} for plan in drawn)
    assert share([plan.prompts[0] == "box" for plan in drawn]) == pytest.approx(0.25, abs=0.04)
    assert "mask" not in {plan.prompts[0] for plan in drawn}


def test_shares_of_a_run_that_corrects_less():
    config = PromptConfig(
        num_corrections=1, correction_probability=0.3, previous_mask_probability=0.8, truth_click_probability=0.0
    )
    drawn = plans(config, 1, 2000)
    corrected = [plan.corrections[0] for plan in drawn if plan.corrections]
    assert len(corrected) / len(drawn) == pytest.approx(0.3, abs=0.04)
    assert {len(clicks) for clicks in corrected} == {1}
    assert share([clicks[0].with_mask for clicks in corrected]) == pytest.approx(0.8, abs=0.05)
    assert not any(clicks[0].from_truth for clicks in corrected)
    assert not any(plan.corrections for plan in plans(PromptConfig(num_corrections=0), 3, 50))


@given(
    num_frames=st.integers(1, 6),
    most_prompted=st.integers(1, 8),
    more=st.integers(0, 4),
    clicks=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 1000),
)
def test_any_plan_can_be_followed(num_frames, most_prompted, more, clicks, seed):
    config = PromptConfig(
        click_probability=clicks, max_prompted_frames=most_prompted, max_corrected_frames=most_prompted + more
    )
    plan = draw_plan(config, num_frames, np.random.default_rng(seed))
    assert plan == draw_plan(config, num_frames, np.random.default_rng(seed))
    assert set(plan.prompts) | set(plan.corrections) <= set(range(num_frames))
    assert 0 in plan.prompts
    assert len(plan.prompts) <= most_prompted
    if "mask" in plan.prompts.values():
        assert len(plan.prompts) < num_frames, "something is left to learn from"
        assert not plan.corrections
    else:
        assert len(plan.prompts) <= len(plan.corrections) <= most_prompted + more


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"box_probability": 1.5}, "box_probability is 1.5"),
        ({"click_probability": -0.1}, "click_probability is -0.1"),
        ({"max_prompted_frames": 0}, "max_prompted_frames is 0"),
        ({"max_corrected_frames": 1}, "max_corrected_frames is 1.*at least max_prompted_frames, 2"),
        ({"num_corrections": -1}, "num_corrections is -1"),
    ],
)
def test_what_a_configuration_may_not_say(changes, message):
    with pytest.raises(ValueError, match=message):
        PromptConfig(**changes)
    PromptConfig(max_corrected_frames=1, correction_probability=0.0)  # nothing is corrected, so it does not matter


def test_pixels_are_uniform_in_their_region_and_nowhere_else(generator):
    """Chi-square of 23 degrees of freedom: 41.6 is passed once in a hundred times."""
    region = rectangle(3, 2, 9, 4) | rectangle(17, 11, 19, 11)
    number, count = int(region.sum()), 6000
    x, y = random_pixels(many(region, count), generator).unbind(-1)
    counts = torch.zeros(HEIGHT, WIDTH).index_put((y, x), torch.ones(count), accumulate=True)
    assert torch.equal(counts > 0, region)
    expected = count / number
    assert number == 24
    assert ((counts[region] - expected) ** 2 / expected).sum() < 41.6


def test_each_region_has_its_own_pixel(generator):
    regions = torch.stack([rectangle(column, column // 2, column, column // 2) for column in range(WIDTH)])
    expected = [[column, column // 2] for column in range(WIDTH)]
    assert random_pixels(regions, generator).tolist() == expected


@given(st.integers(0, 2**32), st.floats(0.0, 1.0))
def test_a_pixel_is_in_its_region(seed, density):
    generator = torch.Generator().manual_seed(seed)
    regions = torch.rand(5, HEIGHT, WIDTH, generator=generator) < density
    x, y = random_pixels(regions, generator).unbind(-1)
    assert torch.equal(regions[torch.arange(5), y, x], regions.flatten(1).any(1))


def test_first_clicks_are_all_over_their_object_and_some_on_its_centre(generator):
    mask = rectangle(3, 2, 9, 6) | rectangle(17, 11, 19, 11)
    centre = innermost_point(mask.numpy())
    clicks = first_clicks(many(mask, 4000), many(torch.tensor(centre).float(), 4000), 0.3, generator)
    assert clicks.coords.shape == (4000, 1, 2)
    assert (clicks.labels == PointLabel.POSITIVE).all()
    counts = Counter((int(x), int(y)) for x, y in clicks.coords[:, 0].tolist())
    assert set(counts) == {(int(x), int(y)) for y, x in torch.nonzero(mask).tolist()}
    assert counts[centre] / 4000 == pytest.approx(0.3 + 0.7 / mask.sum().item(), abs=0.03)


def test_a_centre_is_farthest_from_everything_outside(generator):
    """Beyond the border is outside, too."""
    mask = rectangle(0, 0, 8, 6) & ~rectangle(2, 2, 2, 2)
    centre = torch.tensor(innermost_point(mask.numpy())).float()
    (x, y), *_ = first_clicks(mask[None], centre[None], 1.0, generator).coords[0].long().tolist()
    outside = torch.nonzero(~torch.nn.functional.pad(mask, (1, 1, 1, 1))) - 1
    distances = torch.cdist(torch.nonzero(mask).float(), outside.float()).amin(1)
    assert torch.cdist(torch.tensor([[y, x]]).float(), outside.float()).min() == distances.max()


def test_an_absent_object_gets_a_negative_click_anywhere(generator):
    nothing = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    clicks = first_clicks(many(nothing), many(NOWHERE), 1.0, generator)
    assert (clicks.labels == PointLabel.NEGATIVE).all()
    x, y = clicks.coords[:, 0].unbind(-1)
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
    expected = missing.sum() / (missing ^ surplus).sum()
    assert positive.float().mean().item() == pytest.approx(expected.item(), abs=0.05)


def test_corrections_of_one_kind(generator):
    target = rectangle(2, 2, 9, 7)
    nothing = torch.zeros_like(target)
    assert (correction_clicks(many(nothing, 50), many(target, 50), generator).labels == PointLabel.POSITIVE).all()
    assert (correction_clicks(many(target, 50), many(nothing, 50), generator).labels == PointLabel.NEGATIVE).all()


def test_a_perfect_prediction_gets_a_negative_click_beside_the_object(generator):
    target = rectangle(2, 2, 9, 7)
    clicks = correction_clicks(many(target), many(target), generator)
    x, y = clicks.coords[:, 0].long().unbind(-1)
    assert (clicks.labels == PointLabel.NEGATIVE).all()
    assert not target[y, x].any()
    assert len(set(zip(x.tolist(), y.tolist(), strict=True))) > 0.9 * (~target).sum()


def test_where_nothing_is_beside_the_object_the_click_is_on_it(generator):
    whole = torch.ones(HEIGHT, WIDTH, dtype=torch.bool)
    clicks = correction_clicks(whole[None], whole[None], generator)
    assert clicks.labels.tolist() == [[PointLabel.POSITIVE]]
    assert clicks.coords.tolist() == [[[WIDTH - 1, HEIGHT - 1]]]


def test_each_object_is_corrected_by_its_own_masks(generator):
    targets = torch.stack([rectangle(c, 1, c, 1) for c in range(WIDTH)])
    clicks = correction_clicks(torch.zeros_like(targets), targets, generator)
    assert clicks.coords[:, 0].tolist() == [[c, 1] for c in range(WIDTH)]
    assert torch.equal(clicks_in(targets, targets, generator).coords, clicks.coords)


@pytest.mark.parametrize(
    ("corners", "size", "reach"),
    [
        ((20, 30, 60, 50), (100, 100), (100 * 20 / 1024, 100 * 20 / 1024)),  # a fiftieth of the image
        ((20, 30, 30, 40), (100, 100), (1.0, 1.0)),  # a tenth of the box
        ((100, 200, 900, 240), (1024, 1024), (20.0, 4.0)),  # of each its own
        ((40, 30, 40, 35), (100, 100), (0.0, 0.5)),  # one pixel wide: nothing to shift
    ],
)
def test_boxes_shift_within_their_reach(corners, size, reach, generator):
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


def test_an_absent_object_has_a_negative_click_for_a_box(generator):
    masks = torch.stack((rectangle(2, 2, 9, 7), torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)))
    boxes = noisy_boxes(masks, generator)
    assert boxes.labels.tolist() == [
        [PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT],
        [PointLabel.NEGATIVE, PointLabel.PADDING],
    ]
    assert boxes.coords.shape == (2, 2, 2)


def test_frames_with_losses():
    plan = PromptPlan({0: "mask", 3: "click"}, {5: ()})
    assert plan.taught(8, None) == list(range(8))
    assert plan.taught(8, 2) == [0, 3, 5, 6, 7]
    assert plan.taught(8, 3) == [0, 3, 4, 5, 6, 7]
    assert plan.taught(8, 9) == list(range(8))
    assert PromptPlan({0: "click"}, {}).taught(1, 1) == [0]
