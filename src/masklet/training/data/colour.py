"""Random changes of a clip's colours; masks stay as they are.

Torchvision's ColorJitter, on bytes: after each change values are rounded and cut to 0..255, as upstream's are on
pictures. Hue turns in 256 steps.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

GREY_WEIGHTS = np.array((0.299, 0.587, 0.114), np.float32)
"""How much R, G and B weigh in grey (ITU-R BT.601)."""


@dataclass(frozen=True, kw_only=True)
class JitterConfig:
    """How far colours may change. A value v stands for factors from max(0, 1 - v) to 1 + v; 0 changes nothing.

    hue: the largest turn, either way, as a share of the colour circle, 0..0.5.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is how far its factor may be from 1, 0 or more, not {getattr(self, name)}")
        if not 0 <= self.hue <= 0.5:
            raise ValueError(f"hue is a share of the colour circle, 0 to 0.5, not {self.hue}")


def jitter(
    frames: UInt8[np.ndarray, "T H W 3"], config: JitterConfig, rng: np.random.Generator
) -> UInt8[np.ndarray, "T H W 3"]:
    """Frames with one random change of colours for all of them, in a random order of its parts."""
    changes = []
    for change, reach in ((_brighten, config.brightness), (_contrast, config.contrast), (_saturate, config.saturation)):
        if reach:
            changes.append((change, rng.uniform(max(0.0, 1 - reach), 1 + reach)))
    if config.hue:
        changes.append((_turn_hue, rng.uniform(-config.hue, config.hue)))
    for index in rng.permutation(len(changes)):
        change, amount = changes[index]
        frames = change(frames, amount)
    return frames


def to_grey(frames: UInt8[np.ndarray, "T H W 3"]) -> UInt8[np.ndarray, "T H W 3"]:
    """Frames without colour, still with three channels."""
    return _saturate(frames, 0.0)


def _brighten(frames: np.ndarray, factor: float) -> np.ndarray:
    return _look_up(frames, np.arange(256) * factor)


def _contrast(frames: np.ndarray, factor: float) -> np.ndarray:
    """Towards or away from each frame's own mean grey."""
    changed = np.empty_like(frames)
    for index, frame in enumerate(frames):
        mean = float(np.dot(GREY_WEIGHTS, cv2.mean(frame)[:3]))
        changed[index] = _look_up(frame, np.arange(256) * factor + mean * (1 - factor))
    return changed


def _saturate(frames: np.ndarray, factor: float) -> np.ndarray:
    mix = factor * np.eye(3, dtype=np.float32) + np.float32(1 - factor) * GREY_WEIGHTS
    return cv2.transform(_as_rows(frames), mix).reshape(frames.shape)


def _turn_hue(frames: np.ndarray, share: float) -> np.ndarray:
    hsv = cv2.cvtColor(_as_rows(frames), cv2.COLOR_RGB2HSV_FULL)
    hsv[..., 0] += np.uint8(round(share * 256) % 256)  # around the circle, as bytes overflow
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL).reshape(frames.shape)


def _look_up(frames: np.ndarray, values: np.ndarray) -> np.ndarray:
    table = np.rint(values).clip(0, 255).astype(np.uint8)
    return cv2.LUT(_as_rows(frames), table).reshape(frames.shape)


def _as_rows(frames: np.ndarray) -> np.ndarray:
    """All frames as one tall picture, which OpenCV changes at once."""
    return frames.reshape(-1, *frames.shape[-2:])
