"""The engine, watched and guided from outside."""

import threading
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from masklet.compat.transformers.hooks import biased_attention, guide, token_weights, watch_decoder, watch_trunk
from masklet.config import DecoderConfig, ModelConfig
from masklet.model import Sam2
from masklet.model.two_way import CrossAttention, TwoWayTransformer


@pytest.fixture(scope="module")
def model(tiny: ModelConfig) -> Sam2:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Sam2(replace(tiny, decoder=DecoderConfig(depth=2, num_heads=4, mlp_dim=32))).eval()


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def run(transformer: TwoWayTransformer) -> torch.Tensor:
    """The tokens of six prompts."""
    with torch.no_grad():
        return transformer(noise(6, 5, 32), noise(1, 16, 32, seed=1), noise(1, 16, 32, seed=2))[0]


def test_hidden_states_are_the_first_map_and_each_blocks(model):
    pixels = noise(2, 3, 64, 64)
    with watch_trunk(model.trunk, hidden_states=True) as seen:
        maps = model.trunk(pixels)
    assert [tuple(x.shape) for x in seen.hidden_states] == [
        (2, 16, 16, 8),
        (2, 16, 16, 8),
        (2, 8, 8, 16),
        (2, 4, 4, 32),
        (2, 2, 2, 64),
    ]
    assert all(x is y for x, y in zip(seen.hidden_states[1:], maps, strict=True))
    torch.testing.assert_close(model.trunk.blocks[0](seen.hidden_states[0]), maps[0])
    assert not seen.attentions


def test_attentions_of_the_trunk_are_weights(model):
    pixels = noise(2, 3, 64, 64)
    with watch_trunk(model.trunk, attentions=True) as seen:
        model.trunk(pixels)
    # Windows of side 8, 4 and 4 are attended to from half as many rows and columns.
    assert [tuple(x.shape) for x in seen.attentions] == [
        (2, 1, 256, 256),
        (8, 2, 16, 64),
        (8, 4, 4, 16),
        (2, 8, 4, 16),
    ]
    for weights in seen.attentions:
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))


def test_weights_are_those_that_make_the_output(model):
    attention = model.trunk.blocks[1].attention
    x = noise(3, 8, 8, 8)
    with watch_trunk(model.trunk, attentions=True) as seen:
        output = attention(x)
    values = attention.qkv(x).chunk(3, dim=-1)[2].flatten(1, 2).unflatten(-1, (2, -1)).transpose(1, 2)
    mixed = (seen.attentions[0] @ values).transpose(1, 2).reshape(3, 4, 4, -1)
    torch.testing.assert_close(attention.projection(mixed), output)


def test_attentions_of_the_decoder_are_how_its_image_attends_to_the_tokens(model):
    transformer = model.mask_decoder.transformer
    with watch_decoder(transformer, attentions=True) as seen:
        run(transformer)
    # In the first layer prompts share the image's tokens as queries, but their keys are their own.
    assert [tuple(x.shape) for x in seen.attentions] == [(6, 4, 16, 5), (6, 4, 16, 5)]
    for weights in seen.attentions:
        torch.testing.assert_close(weights.sum(-1), torch.ones(6, 4, 16))


def test_nothing_is_watched_unasked_and_no_hook_stays(model):
    with watch_trunk(model.trunk) as trunk, watch_decoder(model.mask_decoder.transformer) as decoder:
        model.trunk(noise(1, 3, 64, 64))
        run(model.mask_decoder.transformer)
    assert not [*trunk.hidden_states, *trunk.attentions, *decoder.attentions]
    with (
        pytest.raises(RuntimeError),
        watch_trunk(model.trunk, hidden_states=True, attentions=True),
        guide(model.mask_decoder.transformer, (2, 3), torch.zeros(1), torch.zeros(1)),
    ):
        raise RuntimeError
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_other_threads_are_neither_watched_nor_guided(model):
    transformer = model.mask_decoder.transformer
    expected, found = run(transformer), []
    with guide(transformer, (2, 3), None, torch.ones(1)), watch_decoder(transformer, attentions=True) as seen:
        thread = threading.Thread(target=lambda: found.append(run(transformer)))
        thread.start()
        thread.join()
        assert not torch.equal(run(transformer), expected)
    assert torch.equal(found[0], expected)
    assert len(seen.attentions) == 2


def test_a_bias_of_nothing_changes_nothing(model):
    transformer = model.mask_decoder.transformer
    with guide(transformer, (2, 3), torch.zeros(1, 1, 1, 16), torch.zeros(32)):
        torch.testing.assert_close(run(transformer), run(transformer), atol=1e-5, rtol=1e-5)


def test_a_bias_is_added_to_the_scores():
    torch.manual_seed(0)
    attention = CrossAttention(32, 4, 2)
    q, k, v, bias = noise(6, 5, 32), noise(1, 16, 32, seed=1), noise(1, 16, 32, seed=2), noise(6, 1, 5, 16, seed=3)
    scores = token_weights(attention, q, k).log() + bias
    values = attention.v_projection(v).unflatten(-1, (4, -1)).transpose(1, 2)
    expected = attention.out_projection((scores.softmax(-1) @ values).transpose(1, 2).flatten(2))
    torch.testing.assert_close(biased_attention(attention, q, k, v, bias), expected)
    with torch.no_grad():
        torch.testing.assert_close(biased_attention(attention, q, k, v, torch.zeros(1)), attention(q, k, v))


def test_what_a_boolean_bias_leaves_out_is_not_attended_to():
    torch.manual_seed(0)
    attention = CrossAttention(32, 4, 2)
    q, image = noise(6, 5, 32), noise(1, 16, 32, seed=1)
    kept = torch.arange(16) < 7
    found = biased_attention(attention, q, image, image, kept)
    torch.testing.assert_close(found, attention(q, image[:, :7], image[:, :7]))


def test_a_target_is_added_before_each_layer_and_to_the_position_encoding(model):
    transformer = model.mask_decoder.transformer
    target = noise(2, 3, 1, 32, seed=5)
    tokens, image, position = noise(6, 5, 32), noise(1, 16, 32, seed=1), noise(1, 16, 32, seed=2)
    with torch.no_grad():
        with guide(transformer, (2, 3), None, target):
            found, _ = transformer(tokens, image, position)
        added = target.flatten(0, 1)
        placed = tokens + added
        queries, keys = transformer.layers[0](placed, image, placed, position)
        queries, keys = transformer.layers[1](queries + added, keys, placed, position)
        attended = transformer.final_attention(queries + placed, keys + position, keys)
    torch.testing.assert_close(found, transformer.final_norm(queries + attended))


def test_guidance_of_a_wrong_shape_is_named(model):
    transformer = model.mask_decoder.transformer
    with (
        pytest.raises(ValueError, match=r"attention_similarity has the shape \(15,\).*\(6, 4, 5, 16\)"),
        guide(transformer, (2, 3), torch.zeros(15), None),
    ):
        run(transformer)
    with (
        pytest.raises(ValueError, match=r"target_embedding has the shape \(31,\).*\(2, 3, 5, 32\)"),
        guide(transformer, (2, 3), None, torch.zeros(31)),
    ):
        run(transformer)


def test_gradients_reach_guidance(model):
    transformer = model.mask_decoder.transformer
    similarity, target = torch.zeros(1, 1, 1, 16, requires_grad=True), torch.zeros(32, requires_grad=True)
    with guide(transformer, (2, 3), similarity, target):
        tokens, _ = transformer(noise(6, 5, 32), noise(1, 16, 32, seed=1), noise(1, 16, 32, seed=2))
    F.softplus(tokens[..., 0]).sum().backward()
    assert similarity.grad is not None
    assert target.grad is not None
    assert similarity.grad.abs().sum() > 0
    assert target.grad.abs().sum() > 0
