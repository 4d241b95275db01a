"""One object found in a picture by automatic mask generation."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from masklet.ops.rle import RLE, decode_rle


@dataclass(frozen=True, kw_only=True)
class MaskRecord:
    """A mask, and how it was found.

    rle: the mask at the image's size. area: its pixels. box: XYWH in pixels, (0, 0, 0, 0) where the mask is empty; a
    mask of one pixel is 1 wide, where upstream says 0. predicted_iou and stability_score: in [0, 1]. point: (x, y) in
    image pixels, the point that the mask answers. crop_box: XYWH of the part of the image in which it was found.
    """

    rle: RLE
    area: int
    box: tuple[int, int, int, int]
    predicted_iou: float
    stability_score: float
    point: tuple[float, float]
    crop_box: tuple[int, int, int, int]

    @property
    def mask(self) -> Bool[np.ndarray, "H W"]:
        """The mask, decoded anew each time."""
        return decode_rle(self.rle)
