"""Where to look for everything in a picture: grids of points, and the crops that they are laid over.

Layer 0 is the whole image. Layer i cuts it into 2**i by 2**i crops that overlap, so that small things are seen larger.
Numbers are upstream's, but for crops without a pixel, which images narrower than the cut have there: they are left out.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Shaped
from torch import Tensor

CROP_EDGE_MARGIN = 20
"""A box is cut off where a side of it is within so many pixels of a crop's edge that is not the image's (upstream)."""


@dataclass(frozen=True)
class Crop:
    """A part of an image. box: XYXY in image pixels, right and bottom exclusive. layer: which grid goes with it."""

    box: tuple[int, int, int, int]
    layer: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        left, top, right, bottom = self.box
        return bottom - top, right - left


def point_grid(side: int) -> Float64[np.ndarray, "N 2"]:
    """`side` by `side` points (x, y) in [0, 1], in the middles of equal cells, row by row."""
    if side < 1:
        raise ValueError(f"a grid of points needs a side of at least 1, not {side}")
    margin = 1 / (2 * side)
    ticks = np.linspace(margin, 1 - margin, side)
    y, x = np.meshgrid(ticks, ticks, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1)


def layer_sides(side: int, num_layers: int, downscale_factor: int) -> list[int]:
    """Sides of the grids of layer 0 and of `num_layers` layers of crops: `side` over powers of the factor, whole."""
    return [int(side / downscale_factor**layer) for layer in range(num_layers + 1)]


def crop_grid(image_size: tuple[int, int], num_layers: int, overlap_ratio: int | float) -> list[Crop]:
    """The whole image (height, width), then the crops of each layer, column by column.

    overlap_ratio: by how much the crops of layer 1 overlap, as a share of the image's shorter side; half as much with
    every layer.
    """
    height, width = image_size
    if height < 1 or width < 1:
        raise ValueError(f"an image of height {height} and width {width} has no pixels to crop")
    crops = [Crop((0, 0, width, height), 0)]
    for layer in range(1, num_layers + 1):
        num = 2**layer
        overlap = int(overlap_ratio * min(height, width) * (2 / num))
        columns = _spans(width, num, overlap)
        rows = _spans(height, num, overlap)
        crops += [Crop((left, top, right, bottom), layer) for left, right in columns for top, bottom in rows]
    return crops


def _spans(length: int, num: int, overlap: int) -> list[tuple[int, int]]:
    """First pixel and end of each of `num` overlapping parts of a side, those without a pixel left out."""
    part = math.ceil((overlap * (num - 1) + length) / num)
    starts = [(part - overlap) * index for index in range(num)]
    return [(start, min(start + part, length)) for start in starts if start < length]


def is_cut_by_crop(
    boxes: Shaped[Tensor, "K 4"], crop: Crop, image_size: tuple[int, int], margin: int | float = CROP_EDGE_MARGIN
) -> Bool[Tensor, "K"]:
    """Which boxes (XYXY in image pixels) end near an edge of the crop that is not near the image's: cut-off objects."""
    height, width = image_size
    crop_edges = torch.tensor(crop.box, device=boxes.device)
    image_edges = torch.tensor((0, 0, width, height), device=boxes.device)
    near_crop = (boxes - crop_edges).abs() <= margin
    near_image = (boxes - image_edges).abs() <= margin
    return (near_crop & ~near_image).any(1)
