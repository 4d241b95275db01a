"""Changes of colour, beside Pillow's, which upstream's are made of."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from masklet.training.data.colour import JitterConfig, jitter, to_grey


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 24, 40, 3)).astype(np.uint8)


class Fixed(np.random.Generator):
    """Draws the upper end of every range."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def uniform(self, low=0.0, high=1.0, size=None):
        return high


@pytest.mark.parametrize(
    ("name", "enhance"),
    [
        ("brightness", ImageEnhance.Brightness),
        ("contrast", ImageEnhance.Contrast),
        ("saturation", ImageEnhance.Color),
    ],
)
def test_a_change_is_that_of_pillow(frames: np.ndarray, name: str, enhance) -> None:
    changed = jitter(frames, JitterConfig(**{name: 0.3}), Fixed())
    for before, after in zip(frames, changed, strict=True):
        expected = np.asarray(enhance(Image.fromarray(before)).enhance(1.3))
        assert np.abs(after.astype(int) - expected).max() <= 1
        assert (after != before).mean() > 0.5


def test_hue_goes_around_the_circle() -> None:
    red, green, blue, grey = np.uint8([[255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 90, 90]])
    frames = np.stack((red, green, blue, grey))[None, None]
    turned = jitter(frames, JitterConfig(hue=1 / 3), Fixed())
    assert np.abs(turned[0, 0].astype(int) - np.stack((green, blue, red, grey))).max() <= 4
    half = jitter(frames, JitterConfig(hue=0.5), Fixed())
    assert np.abs(half[0, 0, 0].astype(int) - (0, 255, 255)).max() <= 4


def test_grey(frames: np.ndarray) -> None:
    grey = to_grey(frames)
    for before, after in zip(frames, grey, strict=True):
        expected = np.asarray(Image.fromarray(before).convert("L"))
        assert np.abs(after.astype(int) - expected[..., None]).max() <= 1


def test_nothing_to_change_changes_nothing(frames: np.ndarray) -> None:
    np.testing.assert_array_equal(jitter(frames, JitterConfig(), np.random.default_rng(0)), frames)


def test_factors_fill_their_range() -> None:
    grey = np.full((1, 1, 1, 3), 100, np.uint8)
    rng = np.random.default_rng(0)
    factors = [jitter(grey, JitterConfig(brightness=0.2), rng)[0, 0, 0, 0] / 100 for _ in range(500)]
    assert (min(factors), max(factors)) == (pytest.approx(0.8, abs=0.01), pytest.approx(1.2, abs=0.01))
    assert np.mean(factors) == pytest.approx(1, abs=0.02)
    darkest = min(jitter(grey, JitterConfig(brightness=1.5), rng)[0, 0, 0, 0] for _ in range(500))
    assert darkest <= 2, "a factor is never below 0"


def test_the_order_is_drawn(frames: np.ndarray) -> None:
    class Ordered(Fixed):
        def __init__(self, order: list[int]) -> None:
            super().__init__()
            self.order = order

        def permutation(self, x, axis=0):
            assert x == len(self.order)
            return np.array(self.order)

    config = JitterConfig(brightness=0.5, contrast=0.5)
    first, second = (jitter(frames, config, Ordered(order)) for order in ([0, 1], [1, 0]))
    assert (first != second).any()
    found = {jitter(frames[:, :1, :1], config, np.random.default_rng(seed)).tobytes() for seed in range(5)}
    assert len(found) > 1


@pytest.mark.parametrize("values", [{"brightness": -0.1}, {"contrast": -1}, {"saturation": -1}, {"hue": 0.6}])
def test_values_that_make_no_sense(values: dict[str, float]) -> None:
    ((name, value),) = values.items()
    with pytest.raises(ValueError, match=f"{name} is .* not {value}"):
        JitterConfig(**values)
