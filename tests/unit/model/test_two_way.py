"""The two-way transformer against its formulas, head by head."""

import pytest
import torch
from torch import Tensor, nn

from masklet.config import DecoderConfig
from masklet.model.two_way import Attention, CrossAttention, TwoWayLayer, TwoWayTransformer
from masklet.training.lora import LoraConfig, LoraLinear

DIM, HEADS = 8, 2
CONFIG = DecoderConfig(depth=2, num_heads=HEADS, mlp_dim=12)


def linear(x: Tensor, layer: nn.Linear) -> Tensor:
    return torch.einsum("bnc,dc->bnd", x, layer.weight) + layer.bias


def attend(attention: Attention, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    q, k, v = linear(q, attention.q_projection), linear(k, attention.k_projection), linear(v, attention.v_projection)
    width = q.shape[-1] // HEADS
    heads = []
    for head in range(HEADS):
        part = slice(head * width, (head + 1) * width)
        scores = torch.einsum("bnc,blc->bnl", q[..., part], k[..., part]) / width**0.5
        weights = scores.exp() / scores.exp().sum(-1, keepdim=True)
        heads.append(weights @ v[..., part])
    return linear(torch.cat(heads, dim=-1), attention.out_projection)


def normalise(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
    return (x - mean) / (variance + 1e-5).sqrt() * norm.weight + norm.bias


def two_way_layer(
    layer: TwoWayLayer, tokens: Tensor, image: Tensor, token_position: Tensor, image_position: Tensor, first: bool
) -> tuple[Tensor, Tensor]:
    if first:
        tokens = attend(layer.self_attention, tokens, tokens, tokens)
    else:
        placed = tokens + token_position
        tokens = tokens + attend(layer.self_attention, placed, placed, tokens)
    tokens = normalise(tokens, layer.norm1)
    looked = attend(layer.token_to_image, tokens + token_position, image + image_position, image)
    tokens = normalise(tokens + looked, layer.norm2)
    hidden, out = layer.mlp.layers
    tokens = normalise(tokens + linear(linear(tokens, hidden).clamp(min=0), out), layer.norm3)
    looked = attend(layer.image_to_token, image + image_position, tokens + token_position, tokens)
    return tokens, normalise(image + looked, layer.norm4)


def randomise(module: nn.Module) -> None:
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4)


@pytest.fixture
def inputs() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(3, 5, DIM), torch.randn(3, 7, DIM), torch.randn(1, 7, DIM)


@pytest.mark.parametrize("downsampling", [1, 2])
def test_attention(downsampling):
    torch.manual_seed(0)
    attention = Attention(DIM, HEADS, downsampling)
    assert attention.q_projection.out_features == DIM // downsampling
    q, k, v = torch.randn(2, 3, DIM), torch.randn(2, 6, DIM), torch.randn(2, 6, DIM)
    torch.testing.assert_close(attention(q, k, v), attend(attention, q, k, v), atol=1e-5, rtol=1e-5)


WIDE, WIDE_HEADS = 32, 2
"""With 16 inner channels: less than 8 tokens are few."""


def cross_attention() -> CrossAttention:
    torch.manual_seed(0)
    attention = CrossAttention(WIDE, WIDE_HEADS, 2)
    randomise(attention)
    return attention


def made_plain(attention: CrossAttention) -> Attention:
    plain = Attention(WIDE, WIDE_HEADS, 2)
    plain.load_state_dict(attention.state_dict())
    return plain


@pytest.fixture
def projected(monkeypatch) -> list[int]:
    """How many tokens were put through a projection, each time."""
    lengths: list[int] = []
    forward = nn.Linear.forward
    monkeypatch.setattr(nn.Linear, "forward", lambda layer, x: lengths.append(x.shape[1]) or forward(layer, x))
    return lengths


@pytest.mark.parametrize(
    ("num_q", "num_k", "batch_q", "batch_k", "rearranged"),
    [
        (3, 40, 2, 2, True),
        (3, 40, 1, 1, True),
        (3, 40, 2, 1, True),  # six tokens ask one image: still few
        (3, 40, 4, 1, False),  # twelve do, for whom the image's keys are projected but once
        (9, 40, 2, 2, False),
        (40, 3, 2, 2, True),
        (40, 3, 1, 4, True),
        (40, 9, 2, 2, False),
    ],
)
@torch.no_grad()
def test_attention_between_few_and_many_is_attention(num_q, num_k, batch_q, batch_k, rearranged, projected):
    attention = cross_attention()
    q, k, v = torch.randn(batch_q, num_q, WIDE), torch.randn(batch_k, num_k, WIDE), torch.randn(batch_k, num_k, WIDE)
    found = attention(q, k, v)
    assert (max(projected) < 40) == rearranged, "whether the many tokens are spared"
    expected = made_plain(attention)(q, k, v)
    assert found.shape == (max(batch_q, batch_k), num_q, WIDE)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("batch_q", "batch_k"), [(3, 1), (1, 3)])
def test_kernels_get_no_tensors_that_are_only_seen_as_repeated(batch_q, batch_k, monkeypatch):
    """cuDNN's attention, which some GPUs take for half precision, failed with them for years."""
    strides = []
    attend = torch.nn.functional.scaled_dot_product_attention

    def watching(*tensors):
        strides.extend(tensor.stride() for tensor in tensors)
        return attend(*tensors)

    monkeypatch.setattr("masklet.model.two_way.F.scaled_dot_product_attention", watching)
    k = torch.randn(batch_k, 40, WIDE)
    cross_attention()(torch.randn(batch_q, 9, WIDE), k, k)
    assert len(strides) == 3
    assert all(stride > 0 for each in strides for stride in each)


def test_gradients_other_dtypes_and_autocast_take_plain_attention(projected):
    attention = cross_attention()
    q, k = torch.randn(2, 3, WIDE), torch.randn(2, 40, WIDE)
    attention(q, k, k)
    assert max(projected) == 40
    with torch.no_grad():
        projected.clear()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            attention(q, k, k)
        assert max(projected) == 40
        projected.clear()
        attention.bfloat16()(q.bfloat16(), k.bfloat16(), k.bfloat16())
        assert max(projected) == 40


@pytest.mark.parametrize("name", ["q_projection", "k_projection", "v_projection", "out_projection"])
@torch.no_grad()
def test_adapters_count(name):
    """They are beside the matrices, which are therefore not enough."""
    attention = cross_attention()
    adapted = LoraLinear(attention.get_submodule(name), LoraConfig(rank=2), torch.Generator().manual_seed(0))
    nn.init.normal_(adapted.lora_up)
    merged = cross_attention()
    merged.get_submodule(name).weight.copy_(adapted.merged_weight())
    setattr(attention, name, adapted)
    few, many = torch.randn(2, 3, WIDE), torch.randn(2, 40, WIDE)
    for q, k in ((few, many), (many, few)):
        torch.testing.assert_close(attention(q, k, k), merged(q, k, k), atol=1e-4, rtol=1e-4)
        assert not torch.allclose(attention(q, k, k), cross_attention()(q, k, k), atol=1e-2)


def doubled(layer: nn.Linear) -> None:
    forward = layer.forward
    layer.forward = lambda x: 2 * forward(x)


class Packed(Tensor):
    """Weights of another kind, as quantisation makes them."""


@pytest.mark.parametrize(
    "change",
    [
        doubled,
        lambda layer: layer.register_forward_hook(lambda _, inputs, output: 2 * output),
        lambda layer: layer.register_forward_pre_hook(lambda _, inputs: (2 * inputs[0],)),
        lambda layer: setattr(layer, "weight", nn.Parameter(layer.weight.data.as_subclass(Packed))),
    ],
    ids=["forward", "hook", "pre-hook", "weights"],
)
@pytest.mark.parametrize("name", ["q_projection", "k_projection", "v_projection", "out_projection"])
@torch.no_grad()
def test_layers_that_are_more_than_a_matrix_are_called(name, change, projected):
    attention = cross_attention()
    change(attention.get_submodule(name))
    plain = made_plain(attention)
    change(plain.get_submodule(name))
    few, many = torch.randn(2, 3, WIDE), torch.randn(2, 40, WIDE)
    for q, k in ((few, many), (many, few)):
        torch.testing.assert_close(attention(q, k, k), plain(q, k, k), atol=1e-5, rtol=1e-5)
        projected.clear()
        attention(q, k, k)
        assert max(projected) == 40, "the many tokens go through the layers"


def test_any_number_of_tokens_exports():
    few, many = torch.randn(1, 3, WIDE), torch.randn(1, 40, WIDE)
    attention, num = cross_attention(), torch.export.Dim("num", max=64)
    with torch.no_grad():
        program = torch.export.export(attention, (few, many, many), dynamic_shapes=({1: num}, None, None), strict=False)
        more = torch.randn(1, 30, WIDE)
        torch.testing.assert_close(program.module()(more, many, many), attention(more, many, many))


def test_attention_across_is_half_as_wide():
    layer = TwoWayLayer(DIM, CONFIG, first=False)
    assert layer.self_attention.q_projection.out_features == DIM
    assert layer.token_to_image.q_projection.out_features == DIM // 2
    assert layer.image_to_token.q_projection.out_features == DIM // 2


@pytest.mark.parametrize("first", [True, False])
def test_layer(first, inputs):
    tokens, image, image_position = inputs
    layer = TwoWayLayer(DIM, CONFIG, first)
    randomise(layer)
    token_position = torch.randn_like(tokens)
    found = layer(tokens, image, token_position, image_position)
    expected = two_way_layer(layer, tokens, image, token_position, image_position, first)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_the_first_self_attention_replaces_the_tokens(inputs):
    """It has no residual: with an output of nothing, nothing is left of the tokens."""
    tokens, image, image_position = inputs
    for first, kept in ((True, torch.zeros_like(tokens)), (False, tokens)):
        layer = TwoWayLayer(DIM, CONFIG, first)
        nn.init.zeros_(layer.self_attention.out_projection.weight)
        nn.init.zeros_(layer.self_attention.out_projection.bias)
        seen = []
        handle = layer.norm1.register_forward_pre_hook(lambda _, args, seen=seen: seen.append(args[0]))
        layer(tokens, image, tokens, image_position)
        handle.remove()
        assert torch.equal(seen[0], kept)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_whole(depth, inputs):
    """Only layer 0 is a first one; the tokens as they came in are added at every attention; a last look, a norm."""
    tokens, image, image_position = inputs
    transformer = TwoWayTransformer(DIM, DecoderConfig(depth=depth, num_heads=HEADS, mlp_dim=12))
    randomise(transformer)
    found = transformer(tokens, image, image_position)
    position = tokens
    for index, layer in enumerate(transformer.layers):
        tokens, image = two_way_layer(layer, tokens, image, position, image_position, first=index == 0)
    looked = attend(transformer.final_attention, tokens + position, image + image_position, image)
    expected = (normalise(tokens + looked, transformer.final_norm), image)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_norms_have_the_frameworks_epsilon():
    """1e-5, where the trunk has 1e-6."""
    norms = [m for m in TwoWayTransformer(DIM, CONFIG).modules() if isinstance(m, nn.LayerNorm)]
    assert len(norms) == 2 * 4 + 1
    assert {norm.eps for norm in norms} == {1e-5}
