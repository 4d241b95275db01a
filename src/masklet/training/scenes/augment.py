"""Photometric changes of whole scenes: what cameras and compression do to a picture. Masks stay as they are.

What is drawn once holds for all frames of a clip; noise alone is new on every frame, and the quality of compression may
slowly change.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from masklet.training.checks import check_probabilities

NOISE_SHIFTS = 64
"""How many pixels the bank of noise is larger than a picture: as many places a window of it can start, either way."""

NOISE_STD = 32.0
"""Standard deviation of the bank of noise, in steps of 8 bits: fine enough, and its int8 ends at four of them."""


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Probabilities 0..1 and strengths of the photometric changes."""

    tone_probability: float = 0.8
    contrast: float = 0.3
    brightness: float = 30.0
    gamma: float = 0.3
    white_balance: float = 0.1
    saturation_probability: float = 0.3
    grayscale_probability: float = 0.06
    blur_probability: float = 0.2
    max_blur: float = 1.6
    noise_probability: float = 0.3
    max_noise: float = 14.0
    jpeg_probability: float = 0.25
    min_jpeg_quality: int = 30

    def __post_init__(self) -> None:
        check_probabilities(self)
        if not 1 <= self.min_jpeg_quality <= 95:
            raise ValueError(f"min_jpeg_quality must be 1 to 95, got {self.min_jpeg_quality}")
        if self.max_blur < 0.4:
            raise ValueError(f"max_blur must be a sigma of at least 0.4 pixels, got {self.max_blur}")


def tone_table(rng: np.random.Generator, config: AugmentConfig) -> UInt8[np.ndarray, "1 256 3"]:
    """Lookup table: gamma, then contrast, brightness and white balance."""
    ramp = (np.arange(256, dtype=np.float32) / 255.0) ** float(np.exp(rng.uniform(-config.gamma, config.gamma)))
    gain = float(np.exp(rng.uniform(-config.contrast, config.contrast)))
    shift = rng.uniform(-config.brightness, config.brightness)
    channels = np.exp(rng.uniform(-config.white_balance, config.white_balance, 3)).astype(np.float32)
    table = ((ramp - 0.5) * gain + 0.5)[:, None] * 255.0 * channels + shift
    return table.clip(0, 255).astype(np.uint8)[None]


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """What happens to a scene. None and 0: nothing. qualities: of JPEG, on the first frame and on the last."""

    tone: UInt8[np.ndarray, "1 256 3"] | None
    hsv: UInt8[np.ndarray, "1 256 3"] | None
    grayscale: bool
    blur: float
    noise: float
    qualities: tuple[int, int] | None


class Augmenter:
    """Applies random photometric changes; holds a bank of noise so that none is drawn a pixel at a time."""

    def __init__(self, config: AugmentConfig, size: int) -> None:
        self.config = config
        bank = np.random.default_rng(0).standard_normal((size + NOISE_SHIFTS, size + NOISE_SHIFTS, 3))
        self._noise = (bank * NOISE_STD).clip(-127, 127).astype(np.int8)

    def draw(self, rng: np.random.Generator) -> Treatment:
        """What to do to a scene."""
        config, draws = self.config, rng.random(6)
        qualities = None
        if draws[5] < config.jpeg_probability:
            first = int(rng.integers(config.min_jpeg_quality, 96))
            last = first if rng.random() < 0.5 else int(rng.integers(config.min_jpeg_quality, 96))
            qualities = (first, last)
        return Treatment(
            tone=tone_table(rng, config) if draws[0] < config.tone_probability else None,
            hsv=_hsv_table(rng) if draws[1] < config.saturation_probability else None,
            grayscale=bool(draws[2] < config.grayscale_probability),
            blur=float(rng.uniform(0.4, config.max_blur)) if draws[3] < config.blur_probability else 0.0,
            noise=float(rng.uniform(1.0, config.max_noise)) if draws[4] < config.noise_probability else 0.0,
            qualities=qualities,
        )

    def apply(
        self, treatment: Treatment, rgb: UInt8[np.ndarray, "H W 3"], rng: np.random.Generator, when: float = 0.0
    ) -> UInt8[np.ndarray, "H W 3"]:
        """A changed picture, H and W at most `size`. when: 0 on the first frame of a clip, 1 on its last."""
        if treatment.tone is not None:
            rgb = cv2.LUT(rgb, treatment.tone)
        if treatment.hsv is not None:
            rgb = cv2.cvtColor(cv2.LUT(cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV), treatment.hsv), cv2.COLOR_HSV2RGB)
        if treatment.grayscale:
            rgb = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        if treatment.blur:
            rgb = cv2.GaussianBlur(rgb, (0, 0), treatment.blur)
        if treatment.noise:
            top, left = rng.integers(0, NOISE_SHIFTS, 2)
            noise = self._noise[top : top + rgb.shape[0], left : left + rgb.shape[1]]
            rgb = cv2.addWeighted(rgb, 1.0, noise, treatment.noise / NOISE_STD, 0.0, dtype=cv2.CV_8U)
        if treatment.qualities is not None:
            first, last = treatment.qualities
            quality = round(first + (last - first) * when)
            _, data = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, quality])
            # Channels are swapped on both ways, so they stay in place.
            rgb = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
        return rgb


def _hsv_table(rng: np.random.Generator) -> UInt8[np.ndarray, "1 256 3"]:
    """Lookup table in hue, saturation and value: another hue, more or less colour."""
    ramp = np.arange(256)
    table = np.empty((1, 256, 3), np.uint8)
    table[0, :, 0] = (ramp + int(rng.integers(-12, 13))) % 180
    table[0, :, 1] = (ramp * rng.uniform(0.3, 1.4)).clip(0, 255)
    table[0, :, 2] = ramp
    return table
