"""Photometric changes keep shapes and leave their input alone; a clip is changed as one."""

import numpy as np
import pytest

from masklet.training.scenes.augment import AugmentConfig, Augmenter

SIDE = 64
NAMES = ("tone", "saturation", "grayscale", "blur", "noise", "jpeg")


def only(*names: str, **strengths: float) -> Augmenter:
    probabilities = {f"{name}_probability": float(name in names) for name in NAMES}
    return Augmenter(AugmentConfig(**probabilities, **strengths), SIDE)


@pytest.fixture
def rgb() -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    return np.kron(coarse, np.ones((8, 8, 1), np.uint8))


@pytest.mark.parametrize("name", [*NAMES, "all"])
def test_each_change_keeps_shape_and_input(name, rgb):
    augmenter = only(*(NAMES if name == "all" else (name,)))
    before, rng = rgb.copy(), np.random.default_rng(1)
    out = augmenter.apply(augmenter.draw(rng), rgb, rng)
    assert (out.shape, out.dtype) == (rgb.shape, np.uint8)
    assert not np.array_equal(out, rgb)
    np.testing.assert_array_equal(rgb, before)


def test_without_changes_pixels_stay(rgb):
    augmenter, rng = only(), np.random.default_rng(1)
    np.testing.assert_array_equal(augmenter.apply(augmenter.draw(rng), rgb, rng), rgb)


def test_noise_is_new_on_every_frame_and_tone_is_not(rgb):
    rng = np.random.default_rng(2)
    noisy, toned = only("noise"), only("tone")
    treatment = noisy.draw(rng)
    assert not np.array_equal(noisy.apply(treatment, rgb, rng), noisy.apply(treatment, rgb, rng))
    treatment = toned.draw(rng)
    np.testing.assert_array_equal(toned.apply(treatment, rgb, rng), toned.apply(treatment, rgb, rng))


def test_quality_changes_along_some_clips_in_bounds():
    augmenter = only("jpeg", min_jpeg_quality=50)
    qualities = [augmenter.draw(np.random.default_rng(seed)).qualities for seed in range(60)]
    changing = [pair for pair in qualities if pair and pair[0] != pair[1]]
    assert 15 < len(changing) < 45
    assert all(50 <= quality <= 95 for pair in qualities if pair for quality in pair)


def test_a_low_quality_at_the_end_loses_more_there(rgb):
    augmenter = only("jpeg")
    noisy = np.random.default_rng(0).integers(0, 256, rgb.shape).astype(np.uint8)
    falling = next(
        treatment
        for treatment in (augmenter.draw(np.random.default_rng(seed)) for seed in range(100))
        if treatment.qualities and treatment.qualities[0] - treatment.qualities[1] > 20
    )
    losses = [
        np.abs(augmenter.apply(falling, noisy, np.random.default_rng(0), when).astype(int) - noisy).mean()
        for when in (0.0, 0.5, 1.0)
    ]
    assert losses[0] < losses[1] < losses[2]


@pytest.mark.parametrize("wrong", [{"min_jpeg_quality": 0}, {"max_blur": 0.1}])
def test_wrong_strengths_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AugmentConfig(**wrong)
