"""Hiera (Ryali et al., 2023), the image encoder's trunk: a plain vision transformer that shrinks its map in stages.

Maps are BHWC throughout. Three blocks, each doing one thing: attention inside windows, attention over the whole map,
and attention that halves the map by pooling its queries. Two habits of the released weights matter to the numbers:
the first block of a stage works in the windows of the stage before, and windows that stick out of the map are filled
with zeros which are attended to like any token.
"""

from itertools import accumulate

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from masklet.config import TrunkConfig
from masklet.model.layers import Mlp

MLP_RATIO = 4
PATCH_KERNEL, PATCH_STRIDE, PATCH_PADDING = 7, 4, 3


class PatchEmbedding(nn.Module):
    """Overlapping patches to tokens, at stride 4."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(3, dim, PATCH_KERNEL, PATCH_STRIDE, PATCH_PADDING)

    def forward(self, pixels: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B H2 W2 C"]:
        return self.projection(pixels).permute(0, 2, 3, 1)


class Attention(nn.Module):
    """Multi-head self-attention over all tokens of a map; `pool` halves the queries' map, and so the output's."""

    def __init__(self, dim: int, out_dim: int, num_heads: int, pool: bool = False) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.pool = pool
        self.qkv = nn.Linear(dim, 3 * out_dim)
        self.projection = nn.Linear(out_dim, out_dim)

    def forward(self, x: Float[Tensor, "B H W C"]) -> Float[Tensor, "B H2 W2 C2"]:
        height, width = x.shape[1:3]
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        if self.pool:
            q = max_pool(q)
            height, width = q.shape[1:3]
        out = F.scaled_dot_product_attention(self._heads(q), self._heads(k), self._heads(v))
        return self.projection(out.transpose(1, 2).reshape(-1, height, width, q.shape[-1]))

    def _heads(self, x: Tensor) -> Tensor:
        return x.flatten(1, 2).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class GlobalBlock(nn.Module):
    """A transformer block that attends to the whole map."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attention = Attention(dim, dim, num_heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, MLP_RATIO * dim, dim, activation=F.gelu)

    def forward(self, x: Float[Tensor, "B H W C"]) -> Float[Tensor, "B H W C"]:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class WindowBlock(GlobalBlock):
    """A transformer block that attends inside square windows."""

    def __init__(self, dim: int, num_heads: int, window: int) -> None:
        super().__init__(dim, num_heads)
        self.window = window

    def forward(self, x: Float[Tensor, "B H W C"]) -> Float[Tensor, "B H W C"]:
        height, width = x.shape[1:3]
        windows = self.attention(to_windows(self.norm1(x), self.window))
        x = x + from_windows(windows, height, width)
        return x + self.mlp(self.norm2(x))


class PoolBlock(nn.Module):
    """A stage's first block: windowed attention with pooled queries halves the map and widens it."""

    def __init__(self, dim: int, out_dim: int, num_heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.shortcut = nn.Linear(dim, out_dim)
        self.attention = Attention(dim, out_dim, num_heads, pool=True)
        self.norm2 = nn.LayerNorm(out_dim, eps=1e-6)
        self.mlp = Mlp(out_dim, MLP_RATIO * out_dim, out_dim, activation=F.gelu)

    def forward(self, x: Float[Tensor, "B H W C"]) -> Float[Tensor, "B H2 W2 C2"]:
        normed = self.norm1(x)
        shortcut = max_pool(self.shortcut(normed))
        height, width = shortcut.shape[1:3]
        windows = self.attention(to_windows(normed, self.window))
        x = shortcut + from_windows(windows, height, width)
        return x + self.mlp(self.norm2(x))


class Hiera(nn.Module):
    """The trunk: four stages at strides 4, 8, 16 and 32, each twice as wide as the one before."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        window = config.window_sizes[0]
        self.patch_embedding = PatchEmbedding(config.embed_dim)
        self.position = nn.Parameter(torch.empty(1, config.embed_dim, *config.position_grid))
        self.window_position = nn.Parameter(torch.empty(1, config.embed_dim, window, window))
        for parameter in (self.position, self.window_position):
            nn.init.trunc_normal_(parameter, std=0.02)
        self.blocks = nn.ModuleList(_blocks(config))
        self.stage_ends = frozenset(end - 1 for end in accumulate(config.stage_depths))

    def forward(self, pixels: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B _ _ _"]]:
        """The four stages' maps, fine to coarse."""
        x = self.patch_embedding(pixels)
        x = x + self._positions(x.shape[1], x.shape[2])
        maps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.stage_ends:
                maps.append(x)
        return maps

    def _positions(self, height: int, width: int) -> Float[Tensor, "1 H W C"]:
        """A coarse learned map, interpolated, plus a learned window, repeated."""
        side = self.window_position.shape[-1]
        whole = F.interpolate(self.position, (height, width), mode="bicubic", align_corners=False)
        tiles = self.window_position.tile(1, 1, -(-height // side), -(-width // side))
        return (whole + tiles[..., :height, :width]).permute(0, 2, 3, 1)


def _blocks(config: TrunkConfig) -> list[nn.Module]:
    blocks: list[nn.Module] = []
    for stage, depth in enumerate(config.stage_depths):
        dim, heads = config.stage_dims[stage], config.stage_heads[stage]
        for place in range(depth):
            if stage > 0 and place == 0:
                blocks.append(PoolBlock(config.stage_dims[stage - 1], dim, heads, config.window_sizes[stage - 1]))
            elif len(blocks) in config.global_blocks:
                blocks.append(GlobalBlock(dim, heads))
            else:
                blocks.append(WindowBlock(dim, heads, config.window_sizes[stage]))
    return blocks


def max_pool(x: Float[Tensor, "B H W C"]) -> Float[Tensor, "B H2 W2 C"]:
    """Maximum over squares of 2 x 2."""
    return F.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


def to_windows(x: Float[Tensor, "B H W C"], window: int) -> Float[Tensor, "BN S S C"]:
    """Cut a map into windows of side S, row by row; zeros at the right and the bottom where it does not divide."""
    batch, height, width, dim = x.shape
    if height % window or width % window:
        x = F.pad(x, (0, 0, 0, -width % window, 0, -height % window))
    rows, columns = x.shape[1] // window, x.shape[2] // window
    x = x.view(batch, rows, window, columns, window, dim)
    return x.transpose(2, 3).reshape(-1, window, window, dim)


def from_windows(x: Float[Tensor, "BN S S C"], height: int, width: int) -> Float[Tensor, "B H W C"]:
    """Put windows together to a map of the given size, dropping what sticks out."""
    window, dim = x.shape[1], x.shape[3]
    rows, columns = -(-height // window), -(-width // window)
    x = x.view(-1, rows, columns, window, window, dim).transpose(2, 3)
    return x.reshape(-1, rows * window, columns * window, dim)[:, :height, :width]
