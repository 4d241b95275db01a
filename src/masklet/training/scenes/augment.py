"""Photometric changes of whole scenes: what cameras, light and compression do to a picture. Masks stay as they are."""

from dataclasses import dataclass

import cv2
import numpy as np

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


def tone_table(rng: np.random.Generator, config: AugmentConfig) -> np.ndarray:
    """Lookup table uint8 (1, 256, 3): gamma, then contrast, brightness and white balance."""
    ramp = (np.arange(256, dtype=np.float32) / 255.0) ** float(np.exp(rng.uniform(-config.gamma, config.gamma)))
    gain = float(np.exp(rng.uniform(-config.contrast, config.contrast)))
    shift = rng.uniform(-config.brightness, config.brightness)
    channels = np.exp(rng.uniform(-config.white_balance, config.white_balance, 3)).astype(np.float32)
    table = ((ramp - 0.5) * gain + 0.5)[:, None] * 255.0 * channels + shift
    return table.clip(0, 255).astype(np.uint8)[None]


class Augmenter:
    """Applies random photometric changes; holds a bank of noise so that none is drawn a pixel at a time."""

    def __init__(self, config: AugmentConfig, size: int) -> None:
        self.config = config
        bank = np.random.default_rng(0).standard_normal((size + NOISE_SHIFTS, size + NOISE_SHIFTS, 3))
        self._noise = (bank * NOISE_STD).clip(-127, 127).astype(np.int8)

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Change `rgb` (uint8 (H, W, 3), H and W at most `size`); returns a new array of the same shape."""
        config = self.config
        draws = rng.random(6)
        if draws[0] < config.tone_probability:
            rgb = cv2.LUT(rgb, tone_table(rng, config))
        if draws[1] < config.saturation_probability:
            rgb = self._saturate(rgb, rng)
        if draws[2] < config.grayscale_probability:
            rgb = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        if draws[3] < config.blur_probability:
            rgb = cv2.GaussianBlur(rgb, (0, 0), float(rng.uniform(0.4, config.max_blur)))
        if draws[4] < config.noise_probability:
            rgb = self._add_noise(rgb, rng)
        if draws[5] < config.jpeg_probability:
            quality = int(rng.integers(config.min_jpeg_quality, 96))
            _, data = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, quality])
            # Channels are swapped on both ways, so they stay in place.
            rgb = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
        return rgb

    @staticmethod
    def _saturate(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)
        ramp = np.arange(256)
        table = np.empty((1, 256, 3), np.uint8)
        table[0, :, 0] = (ramp + int(rng.integers(-12, 13))) % 180
        table[0, :, 1] = (ramp * rng.uniform(0.3, 1.4)).clip(0, 255)
        table[0, :, 2] = ramp
        return cv2.cvtColor(cv2.LUT(hsv, table), cv2.COLOR_HSV2RGB)

    def _add_noise(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width = rgb.shape[:2]
        top, left = rng.integers(0, NOISE_SHIFTS, 2)
        noise = self._noise[top : top + height, left : left + width]
        strength = float(rng.uniform(1.0, self.config.max_noise)) / NOISE_STD
        return cv2.addWeighted(rgb, 1.0, noise, strength, 0.0, dtype=cv2.CV_8U)
