"""Coordinates between the image's pixels and the model's.

The model sees every image as a square, its aspect ignored, so x and y scale apart. Points are (x, y).
"""

import torch
from jaxtyping import Float32, Shaped
from torch import Tensor


def to_model_pixels(
    coords: Shaped[Tensor, "*batch 2"], image_size: tuple[int, int], model_side: int
) -> Float32[Tensor, "*batch 2"]:
    """Points in image pixels as points in model pixels: `x / W * side`, `y / H * side`, in float32.

    image_size: (height, width) of the image. The order of the two steps is upstream's, to the last bit.
    """
    return coords.to(torch.float32) / _extent(image_size, coords) * model_side


def _extent(image_size: tuple[int, int], like: Tensor) -> Float32[Tensor, "2"]:
    height, width = image_size
    if height < 1 or width < 1:
        raise ValueError(f"an image of height {height} and width {width} has no pixels to point at")
    return torch.tensor([width, height], dtype=torch.float32, device=like.device)
