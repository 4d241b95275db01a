"""Scenes made on the fly to learn from: still pictures and short videos with exact masks."""

from masklet.training.scenes.moving import MovingScenes, MovingScenesConfig
from masklet.training.scenes.still import ScenesConfig, SyntheticScenes

__all__ = ["MovingScenes", "MovingScenesConfig", "ScenesConfig", "SyntheticScenes"]
