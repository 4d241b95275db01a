"""The two-way transformer of SAM's mask decoder: prompt tokens and image tokens attend to each other.

The tokens' position encoding is the tokens as they came in, added again at every attention; the first layer's
self-attention alone has neither that nor a residual. Unlike upstream, prompts on one image share its tokens until each
has changed them, and a CPU does not project the many tokens of an image for the few of a prompt (`CrossAttention`).
"""

import torch
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
        self, q: Float[Tensor, "Q N C"], k: Float[Tensor, "K L C"], v: Float[Tensor, "K L C"]
    ) -> Float[Tensor, "B N C"]:
        """Q and K are B, or one of them is 1: the same queries, or the same keys and values, for all."""
        batch = len(q) if len(k) == 1 else len(k)
        # Repeated in memory: some of PyTorch's kernels fail with tensors that are only seen as repeated (its #175764).
        q, k, v = (
            self._heads(self.q_projection(q).expand(batch, -1, -1).contiguous()),
            self._heads(self.k_projection(k).expand(batch, -1, -1).contiguous()),
            self._heads(self.v_projection(v).expand(batch, -1, -1).contiguous()),
        )
        return self.out_projection(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class CrossAttention(Attention):
    """Attention between a few tokens and many, either way round.

    Queries meet keys in q Wq (k Wk)', which is also (q Wq Wk') k': on a CPU the few go through both matrices and the
    many through none, which for eight tokens of a prompt is half the work. It is the same for values and what is made
    of them. Elsewhere, and for gradients, it is plain attention, as kernels and mixed precision are made for that.
    """

    def forward(
        self, q: Float[Tensor, "Q N C"], k: Float[Tensor, "K L C"], v: Float[Tensor, "K L C"]
    ) -> Float[Tensor, "B N C"]:
        inner = self.q_projection.out_features
        if not self._can_rearrange(q):
            return super().forward(q, k, v)
        if q.shape[1] < k.shape[1] and self.num_heads * q.shape[1] * len(q) < inner * len(k):
            return self._few_ask_many(q, k, v)
        if k.shape[1] < q.shape[1] and self.num_heads * k.shape[1] < inner:
            return self._many_ask_few(q, k, v)
        return super().forward(q, k, v)

    def _can_rearrange(self, x: Tensor) -> bool:
        exact = x.dtype == torch.float32 and not torch.is_autocast_enabled(x.device.type)
        on_cpu = x.device.type == "cpu" and not torch.is_grad_enabled()
        return exact and on_cpu and all(map(_is_plain, self.children()))

    def _few_ask_many(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        # The keys' bias adds as much to all scores of a query, so it is nothing to their softmax.
        q = self._heads(self.q_projection(q)) @ self._by_head(self.k_projection.weight)
        scores = q.flatten(1, 2) @ k.mT * self._scale
        mixed = (scores.softmax(-1) @ v).unflatten(1, (self.num_heads, -1))
        out = mixed @ self._by_head(self.v_projection.weight).mT
        return self.out_projection(out.transpose(1, 2).flatten(2) + self.v_projection.bias)

    def _many_ask_few(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        k, v = self._heads(self.k_projection(k)) * self._scale, self._heads(self.v_projection(v))
        bias = k @ self.q_projection.bias.view(self.num_heads, -1, 1)
        scores = (k @ self._by_head(self.q_projection.weight)).flatten(1, 2) @ q.mT
        weights = (scores.unflatten(1, (self.num_heads, -1)) + bias).softmax(2).flatten(1, 2)
        # A query's weights sum to one in each head, so the bias can be part of the values.
        v = v @ self._by_head(self.out_projection.weight.T) + self.out_projection.bias / self.num_heads
        return weights.mT @ v.flatten(1, 2)

    def _by_head(self, weight: Tensor) -> Tensor:
        return weight.unflatten(0, (self.num_heads, -1))

    @property
    def _scale(self) -> float:
        return (self.q_projection.out_features // self.num_heads) ** -0.5


def _is_plain(layer: nn.Module) -> bool:
    """Is the layer its matrix and bias alone: no adapter, hook or other forward, no packed or traced weights?"""
    matrix_is_plain = type(layer) is nn.Linear and type(layer.weight) is nn.Parameter
    hooked = layer._forward_hooks or layer._forward_pre_hooks or "forward" in layer.__dict__
    return matrix_is_plain and not hooked


class TwoWayLayer(nn.Module):
    """Self-attention of the tokens, tokens to image, MLP, image to tokens."""

    def __init__(self, dim: int, config: DecoderConfig, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attention = Attention(dim, config.num_heads)
        self.norm1 = nn.LayerNorm(dim)
        self.token_to_image = CrossAttention(dim, config.num_heads, CROSS_ATTENTION_DOWNSAMPLING)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, config.mlp_dim, dim)
        self.norm3 = nn.LayerNorm(dim)
        self.image_to_token = CrossAttention(dim, config.num_heads, CROSS_ATTENTION_DOWNSAMPLING)
        self.norm4 = nn.LayerNorm(dim)

    def forward(
        self,
        tokens: Float[Tensor, "B N C"],
        image: Float[Tensor, "E L C"],
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
        self.final_attention = CrossAttention(dim, config.num_heads, CROSS_ATTENTION_DOWNSAMPLING)
        self.final_norm = nn.LayerNorm(dim)

    def forward(
        self, tokens: Float[Tensor, "B N C"], image: Float[Tensor, "E L C"], image_position: Float[Tensor, "1 L C"]
    ) -> tuple[Float[Tensor, "B N C"], Float[Tensor, "B L C"]]:
        """`image` is of B images, or of one for all."""
        position = tokens
        for layer in self.layers:
            tokens, image = layer(tokens, image, position, image_position)
        attended = self.final_attention(tokens + position, image + image_position, image)
        return self.final_norm(tokens + attended), image
