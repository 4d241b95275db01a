"""The memory encoder: a frame's embedding and the mask found in it, condensed to a small map to remember."""

import itertools

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from masklet.config import EMBEDDING_STRIDE, ModelConfig
from masklet.model.layers import LayerNorm2d

EXPANSION = 4
LAYER_SCALE_INIT = 1e-6


class MaskDownsampler(nn.Module):
    """A mask at model pixels to a map at stride 16: four halvings, each with four times the channels."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        halvings = EMBEDDING_STRIDE.bit_length() - 1
        channels = [4**i for i in range(halvings + 1)]
        pairs = list(itertools.pairwise(channels))
        self.convs = nn.ModuleList(nn.Conv2d(c_in, c_out, 3, stride=2, padding=1) for c_in, c_out in pairs)
        self.norms = nn.ModuleList(LayerNorm2d(c_out) for _, c_out in pairs)
        self.projection = nn.Conv2d(channels[-1], dim, 1)

    def forward(self, mask: Float[Tensor, "B 1 S S"]) -> Float[Tensor, "B C H W"]:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            mask = F.gelu(norm(conv(mask)))
        return self.projection(mask)


class FuserBlock(nn.Module):
    """A ConvNeXt block (Liu et al., 2022)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = LayerNorm2d(dim)
        self.expand = nn.Linear(dim, EXPANSION * dim)
        self.contract = nn.Linear(EXPANSION * dim, dim)
        self.scale = nn.Parameter(torch.full((dim,), LAYER_SCALE_INIT))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        y = self.norm(self.depthwise(x)).permute(0, 2, 3, 1)
        y = self.scale * self.contract(F.gelu(self.expand(y)))
        return x + y.permute(0, 3, 1, 2)


class MemoryEncoder(nn.Module):
    """Fuses an image embedding, before memory conditioning, with a mask."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.mask_downsampler = MaskDownsampler(config.dim)
        self.feature_projection = nn.Conv2d(config.dim, config.dim, 1)
        self.fuser = nn.ModuleList(FuserBlock(config.dim) for _ in range(config.memory.fuser_layers))
        self.projection = nn.Conv2d(config.dim, config.memory.dim, 1)

    def forward(self, embedding: Float[Tensor, "E C H W"], mask: Float[Tensor, "B 1 S S"]) -> Float[Tensor, "B D H W"]:
        """`mask` is at model pixels, scaled as the weights expect it (see `Sam2.encode_memory`)."""
        x = self.feature_projection(embedding) + self.mask_downsampler(mask)
        for block in self.fuser:
            x = block(x)
        return self.projection(x)
