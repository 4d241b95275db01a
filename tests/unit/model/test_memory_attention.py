"""Memory attention against its formulas, with rotations as complex products."""

import math

import pytest
import torch
from torch import Tensor, nn

from masklet.config import MemoryConfig, ModelConfig
from masklet.model import memory_attention
from masklet.model.memory_attention import MemoryAttention, MemoryAttentionLayer, RopeAttention
from masklet.model.position import rope_table

SIDE, DIM, MEMORY_DIM = 4, 16, 8
CONFIG = ModelConfig(
    image_size=16 * SIDE,
    dim=DIM,
    memory=MemoryConfig(dim=MEMORY_DIM, attention_layers=2, attention_mlp_dim=12),
)
TOKENS = SIDE * SIDE


def randomise(module: nn.Module) -> None:
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4)


def turn(x: Tensor) -> Tensor:
    """Adjacent pairs of channels as complex numbers, turned by the token's column (first half) or row (second)."""
    turned = torch.empty_like(x)
    pairs = DIM // 2
    for token in range(x.shape[1]):
        place = token % TOKENS  # every map has the same places
        for pair in range(pairs):
            along = place % SIDE if pair < pairs // 2 else place // SIDE
            angle = along * 10_000 ** (-4 * (pair % (pairs // 2)) / DIM)
            even, odd = x[:, token, 2 * pair], x[:, token, 2 * pair + 1]
            turned[:, token, 2 * pair] = even * math.cos(angle) - odd * math.sin(angle)
            turned[:, token, 2 * pair + 1] = even * math.sin(angle) + odd * math.cos(angle)
    return turned


def attend(attention: RopeAttention, q: Tensor, k: Tensor, v: Tensor, num_unrotated: int = 0) -> Tensor:
    q, k, v = attention.q_projection(q), attention.k_projection(k), attention.v_projection(v)
    spatial = k.shape[1] - num_unrotated
    k = torch.cat((turn(k[:, :spatial]), k[:, spatial:]), dim=1)
    weights = (turn(q) @ k.transpose(1, 2) / DIM**0.5).softmax(-1)
    return attention.out_projection(weights @ v)


def normalise(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
    return (x - mean) / (variance + 1e-5).sqrt() * norm.weight + norm.bias


def layer_formula(
    layer: MemoryAttentionLayer, x: Tensor, memory: Tensor, memory_position: Tensor, num_pointer_tokens: int
) -> Tensor:
    y = normalise(x, layer.norm1)
    x = x + attend(layer.self_attention, y, y, y)
    y = normalise(x, layer.norm2)
    x = x + attend(layer.cross_attention, y, memory + memory_position, memory, num_pointer_tokens)
    hidden = normalise(x, layer.norm3) @ layer.linear1.weight.T + layer.linear1.bias
    return x + hidden.clamp(min=0) @ layer.linear2.weight.T + layer.linear2.bias


@pytest.fixture
def rope() -> tuple[Tensor, Tensor]:
    return rope_table(SIDE, DIM)


@pytest.mark.parametrize(("num_maps", "num_unrotated"), [(1, 0), (2, 0), (1, 3), (3, 4), (0, 2)])
def test_attention_rotates_maps_and_leaves_pointers(num_maps, num_unrotated, rope):
    attention = RopeAttention(DIM, MEMORY_DIM)
    randomise(attention)
    q = torch.randn(2, TOKENS, DIM)
    k, v = torch.randn(2, 2, num_maps * TOKENS + num_unrotated, MEMORY_DIM)
    expected = attend(attention, q, k, v, num_unrotated)
    torch.testing.assert_close(attention(q, k, v, rope, num_unrotated), expected, atol=1e-4, rtol=1e-4)
    if num_maps and num_unrotated:
        moved = k.clone()
        moved[:, -num_unrotated:] += 1
        assert not torch.allclose(attention(q, moved, v, rope, num_unrotated), expected, atol=1e-3)


def test_layer(rope):
    layer = MemoryAttentionLayer(CONFIG)
    randomise(layer)
    x, length = torch.randn(2, TOKENS, DIM), 2 * TOKENS + 3
    memory, position = torch.randn(2, 2, length, MEMORY_DIM)
    expected = layer_formula(layer, x, memory, position, 3)
    torch.testing.assert_close(layer(x, memory, position, rope, 3), expected, atol=1e-4, rtol=1e-4)


def test_memorys_position_reaches_keys_and_not_values(rope):
    """Where keys are made of nothing, attention is flat, and the position has no other way in."""
    layer = MemoryAttentionLayer(CONFIG)
    randomise(layer)
    x, memory = torch.randn(1, TOKENS, DIM), torch.randn(1, TOKENS, MEMORY_DIM)
    here, there = torch.randn(2, 1, TOKENS, MEMORY_DIM)
    assert not torch.allclose(layer(x, memory, here, rope, 0), layer(x, memory, there, rope, 0), atol=1e-3)
    nn.init.zeros_(layer.cross_attention.k_projection.weight)
    nn.init.zeros_(layer.cross_attention.k_projection.bias)
    assert torch.equal(layer(x, memory, here, rope, 0), layer(x, memory, there, rope, 0))


def sine(row: int, column: int, channel: int) -> float:
    """The image embedding's position encoding: rows then columns, sine and cosine in turn."""
    along, half = (row, channel) if channel < DIM // 2 else (column, channel - DIM // 2)
    angle = (along + 1) / (SIDE + 1e-6) * 2 * math.pi / 10_000 ** (2 * (half // 2) / (DIM // 2))
    return math.sin(angle) if half % 2 == 0 else math.cos(angle)


def input_position() -> Tensor:
    """(1, tokens, channels), row by row, a tenth of the encoding."""
    places = [(row, column) for row in range(SIDE) for column in range(SIDE)]
    return 0.1 * torch.tensor([[sine(row, column, channel) for channel in range(DIM)] for row, column in places])[None]


def test_a_tenth_of_the_position_is_added_at_the_input():
    attention = MemoryAttention(CONFIG)
    for layer in attention.layers:
        for last in (layer.self_attention.out_projection, layer.cross_attention.out_projection, layer.linear2):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
    embedding, memory = torch.randn(2, DIM, SIDE, SIDE), torch.randn(2, TOKENS, MEMORY_DIM)
    found = attention(embedding, memory, memory, 0).flatten(2).transpose(1, 2)
    expected = normalise(embedding.flatten(2).transpose(1, 2) + input_position(), attention.norm)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_the_whole():
    attention = MemoryAttention(CONFIG)
    randomise(attention)
    embedding, length = torch.randn(2, DIM, SIDE, SIDE), 2 * TOKENS + 4
    memory, position = torch.randn(2, 2, length, MEMORY_DIM)
    x = embedding.flatten(2).transpose(1, 2) + input_position()
    for layer in attention.layers:
        x = layer_formula(layer, x, memory, position, 4)
    expected = normalise(x, attention.norm).transpose(1, 2).reshape(2, DIM, SIDE, SIDE)
    torch.testing.assert_close(attention(embedding, memory, position, 4), expected, atol=2e-4, rtol=2e-4)


def test_norms_have_the_frameworks_epsilon():
    norms = [m for m in MemoryAttention(CONFIG).modules() if isinstance(m, nn.LayerNorm)]
    assert len(norms) == 2 * 3 + 1
    assert {norm.eps for norm in norms} == {1e-5}


@pytest.mark.parametrize("with_mask", [False, True])
@pytest.mark.parametrize(("batch", "queries"), [(1, 1), (3, 3), (1, 3)])
def test_in_blocks_or_not_the_numbers_are_the_same(monkeypatch, rope, with_mask, batch, queries):
    """`batch` sets of queries look at `queries` memories; blocks of five rows do not divide the map."""
    monkeypatch.setattr(memory_attention, "QUERIES_AT_ONCE", 5)
    attention = RopeAttention(DIM, MEMORY_DIM)
    randomise(attention)
    q = torch.randn(batch, TOKENS, DIM)
    k, v = torch.randn(2, queries, 2 * TOKENS + 3, MEMORY_DIM)
    mask = torch.rand(queries, 2 * TOKENS + 3) < 0.7 if with_mask else None
    assert attention.in_blocks
    with torch.no_grad():
        blocks = attention(q, k, v, rope, 3, mask)
        attention.in_blocks = False
        whole = attention(q, k, v, rope, 3, mask)
    torch.testing.assert_close(blocks, whole, atol=1e-5, rtol=1e-5)


def test_gradients_do_not_pass_through_blocks(rope):
    attention = RopeAttention(DIM, MEMORY_DIM)
    q = torch.randn(1, TOKENS, DIM)
    k = torch.randn(1, TOKENS, MEMORY_DIM, requires_grad=True)
    attention(q, k, k, rope).sum().backward()
    assert k.grad is not None
    assert attention.q_projection.weight.grad is not None
