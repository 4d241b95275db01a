"""Position encodings: four kinds, all computed in float32 from closed formulas.

The sine map that memory attention and memories use interleaves sine and cosine; the one for time does not. RoPE
rotates adjacent pairs of channels. These differences are the released weights', and the parity tests hold them.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

TEMPERATURE = 10_000.0
"""Longest wavelength, in units of 2 pi, of all sine encodings (Vaswani et al., 2017)."""


def sine_map(height: int, width: int, dim: int) -> Float[Tensor, "C H W"]:
    """Sine encoding of a map's positions: dim / 2 channels for rows, then dim / 2 for columns.

    Positions run from 1 to the side's length and are scaled to (0, 2 pi].
    """
    axis_dim = dim // 2
    exponent = torch.arange(axis_dim, dtype=torch.float32).div(2, rounding_mode="floor") * 2 / axis_dim
    wavelength = TEMPERATURE**exponent

    def encode(length: int) -> Tensor:
        position = torch.arange(1, length + 1, dtype=torch.float32) / (length + 1e-6) * 2 * math.pi
        angle = position[:, None] / wavelength
        return torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), dim=-1).flatten(1)

    rows = encode(height)[:, None].expand(height, width, axis_dim)
    columns = encode(width)[None].expand(height, width, axis_dim)
    return torch.cat((rows, columns), dim=-1).permute(2, 0, 1).contiguous()


def sine_time(distance: Float[Tensor, "*any"], dim: int) -> Float[Tensor, "*any C"]:
    """Sine encoding of distances in time: all sines, then all cosines."""
    half = dim // 2
    exponent = torch.arange(half, dtype=torch.float32, device=distance.device).div(2, rounding_mode="floor") * 2 / half
    angle = distance[..., None] / TEMPERATURE**exponent
    return torch.cat((angle.sin(), angle.cos()), dim=-1)


def fourier(coords: Float[Tensor, "*any 2"], frequencies: Float[Tensor, "2 F"]) -> Float[Tensor, "*any C"]:
    """Random Fourier features (Tancik et al., 2020) of (x, y) in [0, 1]: F sines, then F cosines."""
    angle = 2 * math.pi * ((2 * coords - 1) @ frequencies)
    return torch.cat((angle.sin(), angle.cos()), dim=-1)


def rope_table(side: int, head_dim: int) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N D"]]:
    """Cosines and sines of axial RoPE (Heo et al., 2024) for a square map, row by row.

    Each is (side * side, head_dim / 2): an angle for each pair of channels, the first half of them turning with x, the
    second with y.
    """
    frequency = TEMPERATURE ** (-torch.arange(0, head_dim, 4, dtype=torch.float32) / head_dim)
    position = torch.arange(side * side, dtype=torch.float32)
    x, y = position % side, position.div(side, rounding_mode="floor")
    angle = torch.cat((x[:, None] * frequency, y[:, None] * frequency), dim=-1)
    return angle.cos(), angle.sin()


def rotate(
    x: Float[Tensor, "B H N D"], cos: Float[Tensor, "N P"], sin: Float[Tensor, "N P"]
) -> Float[Tensor, "B H N D"]:
    """Turn adjacent pairs of channels by the table's angles: a complex product, in real numbers so that it exports."""
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    return turned.flatten(-2).to(x.dtype)
