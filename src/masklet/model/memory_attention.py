"""Memory attention: the current frame's embedding looks at what earlier frames left.

Self-attention and cross-attention have one head and axial RoPE, in real numbers. Spatial memories are maps of the
image embedding's size, so every one of them is rotated by the same table; object pointers, at the end, are not.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from masklet.config import ModelConfig
from masklet.model.position import rope_table, rotate, sine_map

INPUT_POSITION_WEIGHT = 0.1

QUERIES_AT_ONCE = 256
"""Rows of the attention matrix that are held at a time on a CPU: with all of seven maps at 1024 px, 29 MB."""


class RopeAttention(nn.Module):
    """One-head attention with rotated queries and keys; the last `num_unrotated` keys are left as they are.

    in_blocks: on a CPU, spare work where values are narrower than keys; not for graphs, whose length it would multiply.
    """

    def __init__(self, dim: int, key_dim: int) -> None:
        super().__init__()
        self.in_blocks = key_dim < dim
        self.q_projection = nn.Linear(dim, dim)
        self.k_projection = nn.Linear(key_dim, dim)
        self.v_projection = nn.Linear(key_dim, dim)
        self.out_projection = nn.Linear(dim, dim)

    def forward(
        self,
        q: Float[Tensor, "E N C"],
        k: Float[Tensor, "B L D"],
        v: Float[Tensor, "B L D"],
        rope: tuple[Tensor, Tensor],
        num_unrotated: int = 0,
        mask: Bool[Tensor, "B L"] | None = None,
    ) -> Float[Tensor, "B N C"]:
        """E is B, or 1 where all B look with the same queries."""
        q, k = self.q_projection(q)[:, None], self.k_projection(k)[:, None]
        num_maps = (k.shape[2] - num_unrotated) // q.shape[2]
        if num_maps:
            table = tuple(x.repeat(num_maps, 1) for x in rope)
            spatial, rest = k.split((num_maps * q.shape[2], num_unrotated), dim=2)
            k = torch.cat((rotate(spatial, *table), rest), dim=2)
        q = rotate(q, *rope).expand(len(k), -1, -1, -1)
        if self.in_blocks and q.device.type == "cpu" and q.dtype == torch.float32 and not torch.is_grad_enabled():
            return self.out_projection(self.v_projection(_weighted_mean(q[:, 0], k[:, 0], v, mask)))
        allowed = None if mask is None else mask[:, None, None]
        # Shared queries are repeated in memory: cuDNN's attention takes no stride of 0 (pytorch#175764).
        out = F.scaled_dot_product_attention(q.contiguous(), k, self.v_projection(v)[:, None], attn_mask=allowed)
        return self.out_projection(out[:, 0])


def _weighted_mean(
    q: Float[Tensor, "B N C"], k: Float[Tensor, "B L C"], v: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"] | None
) -> Float[Tensor, "B N D"]:
    """Attention for values that are narrower than the keys.

    Weights sum to one, so values may be projected after they are averaged: for memories, a quarter as wide as the keys,
    three eighths of the work goes away. The attention kernels want equal widths, hence these blocks of rows.
    """
    scale = q.shape[-1] ** -0.5
    out = q.new_empty(*q.shape[:2], v.shape[-1])
    weights = q.new_empty(min(QUERIES_AT_ONCE, q.shape[1]), k.shape[1])
    for index in range(len(q)):
        for rows, result in zip(q[index].split(QUERIES_AT_ONCE), out[index].split(QUERIES_AT_ONCE), strict=True):
            block = weights[: len(rows)]  # one piece of memory for all: fresh pages cost more than the sums
            torch.mm(rows * scale, k[index].T, out=block)
            if mask is not None:
                block.masked_fill_(~mask[index], -torch.inf)
            torch.softmax(block, -1, out=block)
            torch.mm(block, v[index], out=result)
    return out


class MemoryAttentionLayer(nn.Module):
    """Self-attention, attention to memory, MLP; each after a norm and with a residual."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim, mlp_dim = config.dim, config.memory.attention_mlp_dim
        self.norm1 = nn.LayerNorm(dim)
        self.self_attention = RopeAttention(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.cross_attention = RopeAttention(dim, config.memory.dim)
        self.norm3 = nn.LayerNorm(dim)
        self.linear1 = nn.Linear(dim, mlp_dim)
        self.linear2 = nn.Linear(mlp_dim, dim)

    def forward(
        self,
        x: Float[Tensor, "E N C"],
        memory: Float[Tensor, "B L D"],
        memory_position: Float[Tensor, "B L D"],
        rope: tuple[Tensor, Tensor],
        num_pointer_tokens: int,
        mask: Bool[Tensor, "B L"] | None = None,
    ) -> Float[Tensor, "B N C"]:
        y = self.norm1(x)
        x = x + self.self_attention(y, y, y, rope)
        y = self.norm2(x)
        x = x + self.cross_attention(y, memory + memory_position, memory, rope, num_pointer_tokens, mask)
        return x + self.linear2(F.relu(self.linear1(self.norm3(x))))


class MemoryAttention(nn.Module):
    """Conditions an image embedding on memory."""

    position: Tensor
    rope_cos: Tensor
    rope_sin: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        side = config.embedding_side
        self.layers = nn.ModuleList(MemoryAttentionLayer(config) for _ in range(config.memory.attention_layers))
        self.norm = nn.LayerNorm(config.dim)
        cos, sin = rope_table(side, config.dim)
        self.register_buffer("rope_cos", cos, persistent=False)
        self.register_buffer("rope_sin", sin, persistent=False)
        position = sine_map(side, side, config.dim).flatten(1).T[None] * INPUT_POSITION_WEIGHT
        self.register_buffer("position", position, persistent=False)

    def forward(
        self,
        embedding: Float[Tensor, "E C H W"],
        memory: Float[Tensor, "B L D"],
        memory_position: Float[Tensor, "B L D"],
        num_pointer_tokens: int,
        mask: Bool[Tensor, "B L"] | None = None,
    ) -> Float[Tensor, "B C H W"]:
        """`memory` holds whole maps of H*W tokens each, then `num_pointer_tokens` tokens of object pointers.

        `mask` is False for tokens that are there only because another object of the batch has more. E is B, or 1 for
        one image whose objects have different memories.
        """
        x = embedding.flatten(2).transpose(1, 2)
        x = x + self.position.to(x.dtype)
        for layer in self.layers:
            x = layer(x, memory, memory_position, (self.rope_cos, self.rope_sin), num_pointer_tokens, mask)
        return self.norm(x).transpose(1, 2).unflatten(2, embedding.shape[2:])
