"""Photometric changes keep shapes and leave their input alone."""

import numpy as np

from masklet.training.scenes.augment import AugmentConfig, Augmenter

SIDE = 64


def test_augmenter_keeps_shape_and_input() -> None:
    always = AugmentConfig(
        tone_probability=1.0, saturation_probability=1.0, blur_probability=1.0, noise_probability=1.0,
        jpeg_probability=1.0,
    )  # fmt: skip
    rgb = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    before = rgb.copy()
    out = Augmenter(always, SIDE)(rgb, np.random.default_rng(1))
    assert out.shape == rgb.shape
    assert out.dtype == np.uint8
    assert np.array_equal(rgb, before)
