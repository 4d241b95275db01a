"""Light that changes while a clip runs: brighter and darker, warmer and colder, and soft shadows that pass."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from masklet.training.checks import check_probabilities
from masklet.training.scenes.shapes import smooth_field

FIELD = 96
"""Side of the field of shadows, of which a window of half its side is seen."""


@dataclass(frozen=True, kw_only=True)
class LightingConfig:
    """Probabilities (0..1) of a clip; drifts are standard deviations a frame, of logarithms."""

    change_probability: float = 0.35
    brightness_drift: float = 0.04
    colour_drift: float = 0.015
    shadow_probability: float = 0.2
    """Of soft shadows, as of leaves and clouds, that pass over all there is."""
    max_shadow: float = 0.55
    """Share of the light that a shadow takes at most."""

    def __post_init__(self) -> None:
        check_probabilities(self, "max_shadow")


@dataclass(frozen=True)
class Lighting:
    """The light of a clip. gains multiply RGB. shade: light that gets through; a window of it moves along `places`."""

    gains: Float[np.ndarray, "T 3"] | None
    shade: Float32[np.ndarray, "F F"] | None
    places: Float[np.ndarray, "T 2"]

    def apply(self, rgb: UInt8[np.ndarray, "H W 3"], index: int) -> UInt8[np.ndarray, "H W 3"]:
        """A frame in its light."""
        if self.gains is not None:
            table = (np.arange(256)[:, None] * self.gains[index] + 0.5).clip(0, 255).astype(np.uint8)
            rgb = cv2.LUT(rgb, table[None])
        if self.shade is not None:
            x, y = self.places[index]
            window = cv2.getRectSubPix(self.shade, (FIELD // 2, FIELD // 2), (float(x), float(y)))
            light = cv2.resize((window * 255.0).astype(np.uint8), rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR)
            rgb = cv2.multiply(rgb, cv2.cvtColor(light, cv2.COLOR_GRAY2RGB), scale=1.0 / 255.0)
        return rgb


def random_lighting(rng: np.random.Generator, config: LightingConfig, num_frames: int, stride: float) -> Lighting:
    """The light of a clip of so many frames."""
    gains = shade = None
    places = np.full((num_frames, 2), FIELD / 2)
    if rng.random() < config.change_probability:
        steps = rng.normal(0.0, 1.0, (num_frames, 4)) * 0.5 + rng.normal(0.0, 1.0, 4)
        way = np.cumsum(steps, axis=0) * stride
        way -= way[rng.integers(num_frames)]  # some frame, not always the first, has the light of the pictures
        gains = np.exp(config.brightness_drift * way[:, 3:] + config.colour_drift * way[:, :3]).clip(0.4, 1.8)
    if rng.random() < config.shadow_probability:
        field = smooth_field(rng, int(rng.integers(3, 9)), FIELD)
        covered = (field * rng.uniform(1.0, 4.0)).clip(0.0, 1.0)
        shade = (1.0 - rng.uniform(0.2, 1.0) * config.max_shadow * covered).astype(np.float32)
        speed = rng.normal(0.0, FIELD / 48, 2) * stride
        places = FIELD / 2 + speed * (np.arange(num_frames)[:, None] - num_frames / 2)
    return Lighting(gains, shade, places)
