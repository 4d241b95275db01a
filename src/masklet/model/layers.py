"""The two small layers that several parts of the network share."""

import itertools
from collections.abc import Callable

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation over the channels of a BCHW map, pixel by pixel."""

    def __init__(self, num_channels: int) -> None:
        super().__init__(num_channels, eps=1e-6)

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        channels_last = input.permute(0, 2, 3, 1)
        return super().forward(channels_last).permute(0, 3, 1, 2)


class Mlp(nn.Module):
    """Linear layers with an activation between them (none after the last)."""

    def __init__(self, *dims: int, activation: Callable[[Tensor], Tensor] = F.relu) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(d_in, d_out) for d_in, d_out in itertools.pairwise(dims))
        self.activation = activation

    def forward(self, x: Float[Tensor, "*any D"]) -> Float[Tensor, "*any E"]:
        *inner, last = self.layers
        for layer in inner:
            x = self.activation(layer(x))
        return last(x)
