"""How a video session works, apart from what tracking does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from masklet.io.disk import KeepOnDisk
from masklet.tracking.tracked_object import KeepOn
from masklet.types import KeptTensor


@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """How a session works, apart from what tracking does (`TrackingPolicy`)."""

    non_overlapping: bool = False
    """A pixel belongs to one object at most, the one whose logit is highest there."""
    feature_cache_size: int = 4
    """Frames whose features are kept on the device, so that clicks on them are answered at once."""
    read_ahead: int = 4
    """Frames that are decoded ahead, in a thread; 0 decodes when a frame is asked for."""
    state: Literal["device", "cpu"] | Path = "device"
    """Where memories and logits of frames are put: on the model's device, on the CPU, or in files in a folder."""

    def __post_init__(self) -> None:
        if self.feature_cache_size < 1:
            raise ValueError(f"feature_cache_size is {self.feature_cache_size}, but it must be at least one frame")
        if self.state not in ("device", "cpu") and not isinstance(self.state, Path):
            raise ValueError(f"state is {self.state!r}, but it must be 'device', 'cpu' or a Path of a folder")

    def keeper(self) -> Callable[[Tensor], KeptTensor]:
        """What puts copies of tensors there. OSError for a folder that cannot be made."""
        if isinstance(self.state, Path):
            return KeepOnDisk(self.state)
        return KeepOn(torch.device("cpu") if self.state == "cpu" else None)


DEFAULT_OPTIONS = SessionOptions()
