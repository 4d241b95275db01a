"""The features of a video's frames, the last few of them kept."""

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor

from masklet.model import Sam2
from masklet.types import ImageFeatures


class FrameFeatures:
    """Features by frame index: encoded on demand, the `size` that were used last kept (17 MB each at 1024 px, float32).

    read: what the model sees of a frame, normalised (3, S, S).
    """

    def __init__(self, model: Sam2, read: Callable[[int], Tensor], size: int) -> None:
        assert size >= 1, f"a feature cache holds at least one frame, not {size}"
        self.model = model
        self.size = size
        self._read = read
        self._kept: OrderedDict[int, ImageFeatures] = OrderedDict()

    @torch.no_grad()
    def __getitem__(self, frame_index: int) -> ImageFeatures:
        if frame_index not in self._kept:
            pixels = self._read(frame_index).to(self.model.device, self.model.dtype)
            self._kept[frame_index] = self.model.encode_image(pixels[None])
            while len(self._kept) > self.size:
                self._kept.popitem(last=False)
        self._kept.move_to_end(frame_index)
        return self._kept[frame_index]

    def clear(self) -> None:
        """Keep nothing."""
        self._kept.clear()
