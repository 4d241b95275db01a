"""The two-way transformer of SAM's mask decoder: prompt tokens and image tokens attend to each other.

The tokens' position encoding is the tokens as they came in, added again at every attention; the first layer's
self-attention alone has neither that nor a residual.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from masklet.config import DecoderConfig
from masklet.model.layers import Mlp

CROSS_ATTENTION_DOWNSAMPLING = 2


class Attention(nn.Module):
    """Multi-head attention whose inner width may be smaller than its outer one."""

    def __init__(self, dim: int, num_heads: int, downsampling: int = 1) -> None:
        super().__init__()
        inner = dim // downsampling
        self.num_heads = num_heads
        self.q_projection = nn.Linear(dim, inner)
        self.k_projection = nn.Linear(dim, inner)
        self.v_projection = nn.Linear(dim, inner)
        self.out_projection = nn.Linear(inner, dim)

    def forward(
        self, q: Float[Tensor, "B N C"], k: Float[Tensor, "B L C"], v: Float[Tensor, "B L C"]
    ) -> Float[Tensor, "B N C"]:
        q, k, v = (
            self._heads(self.q_projection(q)),
            self._heads(self.k_projection(k)),
            self._heads(self.v_projection(v)),
        )
        return self.out_projection(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class TwoWayLayer(nn.Module):
    """Self-attention of the tokens, tokens to image, MLP, image to tokens."""

    def __init__(self, dim: int, config: DecoderConfig, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attention = Attention(dim, config.num_heads)
        self.norm1 = nn.LayerNorm(dim)
        self.token_to_image = Attention(dim, config.num_heads, CROSS_ATTENTION_DOWNSAMPLING)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, config.mlp_dim, dim)
        self.norm3 = nn.LayerNorm(dim)
        self.image_to_token = Attention(dim, config.num_heads, CROSS_ATTENTION_DOWNSAMPLING)
        self.norm4 = nn.LayerNorm(dim)

    def forward(
        self,
        tokens: Float[Tensor, "B N C"],
        image: Float[Tensor, "B L C"],
        token_position: Float[Tensor, "B N C"],
        image_position: Float[Tensor, "1 L C"],
    ) -> tuple[Float[Tensor, "B N C"], Float[Tensor, "B L C"]]:
        if self.first:
            tokens = self.self_attention(tokens, tokens, tokens)
        else:
            placed = tokens + token_position
            tokens = tokens + self.self_attention(placed, placed, tokens)
        tokens = self.norm1(tokens)

        placed_image = image + image_position
        tokens = self.norm2(tokens + self.token_to_image(tokens + token_position, placed_image, image))
        tokens = self.norm3(tokens + self.mlp(tokens))
        image = self.norm4(image + self.image_to_token(placed_image, tokens + token_position, tokens))
        return tokens, image


class TwoWayTransformer(nn.Module):
    """Some two-way layers, then a last look of the tokens at the image."""

    def __init__(self, dim: int, config: DecoderConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayLayer(dim, config, first=index == 0) for index in range(config.depth))
        self.final_attention = Attention(dim, config.num_heads, CROSS_ATTENTION_DOWNSAMPLING)
        self.final_norm = nn.LayerNorm(dim)

    def forward(
        self, tokens: Float[Tensor, "B N C"], image: Float[Tensor, "B L C"], image_position: Float[Tensor, "1 L C"]
    ) -> tuple[Float[Tensor, "B N C"], Float[Tensor, "B L C"]]:
        position = tokens
        for layer in self.layers:
            tokens, image = layer(tokens, image, position, image_position)
        attended = self.final_attention(tokens + position, image + image_position, image)
        return self.final_norm(tokens + attended), image
