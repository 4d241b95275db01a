"""Where training starts: a click already looks at its own place."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from masklet.config import ModelConfig, preset
from masklet.model import Sam2
from masklet.model.two_way import Attention
from masklet.training.initialise import initialise
from masklet.types import Points

SIDE = 256
CONFIG: ModelConfig = replace(
    preset("nano").with_image_size(SIDE),
    trunk=replace(preset("nano").trunk, embed_dim=8, stage_depths=(1, 1, 1, 1), global_blocks=(0,)),
)


def make(seed: int, initialised: bool) -> Sam2:
    torch.manual_seed(seed)
    model = Sam2(CONFIG).eval()
    if initialised:
        initialise(model)
    return model


def attention_of_clicks(model: Sam2, coords: Tensor) -> Tensor:
    """How much the token of each click attends to each place of the grid, (clicks, heads, rows, columns)."""
    attention = model.mask_decoder.transformer.layers[0].token_to_image
    seen: list[Tensor] = []
    handle = attention.register_forward_pre_hook(lambda _, args: seen.extend(args))
    points = Points(coords[:, None], torch.ones(len(coords), 1, dtype=torch.long))
    with torch.no_grad():
        features = model.encode_image(torch.randn(1, 3, SIDE, SIDE))
        model.decode_masks(model.attend_memory(features.stride16), features, model.encode_prompts(points))
        q, k = attention.q_projection(seen[0]), attention.k_projection(seen[1])
    handle.remove()
    q, k = (x.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2) for x in (q, k))
    click = 2 + CONFIG.decoder.num_multimasks + 1  # after the object's, the score's and the masks' tokens
    weights = (q[:, :, click : click + 1] @ k.transpose(2, 3) / q.shape[-1] ** 0.5).softmax(-1)
    return weights[:, :, 0].unflatten(-1, (SIDE // 16, SIDE // 16))


def distance_to_click(weights: Tensor, coords: Tensor) -> Tensor:
    """From each click to where it looks most, over all heads, in model pixels."""
    index = weights.mean(1).flatten(1).argmax(1)
    side = weights.shape[-1]
    looked_at = torch.stack((index % side, index // side), dim=-1) * 16 + 7.5
    return (looked_at - coords).norm(dim=-1)


@pytest.mark.parametrize("seed", range(3))
def test_a_click_attends_to_its_own_place(seed):
    coords = torch.rand(64, 2, generator=torch.Generator().manual_seed(seed)) * SIDE
    weights = attention_of_clicks(make(seed, initialised=True), coords)
    assert distance_to_click(weights, coords).median() <= 16
    flat = attention_of_clicks(make(seed, initialised=False), coords)
    places = weights[0, 0].numel()
    assert weights.mean(1).flatten(1).max(1).values.median() > 5 / places
    assert flat.mean(1).flatten(1).max(1).values.median() < 3 / places


def test_queries_and_keys_start_equal_and_values_pass_through():
    model = make(0, initialised=True)
    attentions = [module for module in model.mask_decoder.modules() if isinstance(module, Attention)]
    assert len(attentions) == 3 * CONFIG.decoder.depth + 1
    for attention in attentions:
        assert torch.equal(attention.q_projection.weight, attention.k_projection.weight)
        through = attention.out_projection.weight @ attention.v_projection.weight
        # A projection on the values' space: applied twice it is itself.
        torch.testing.assert_close(through @ through, through, atol=1e-4, rtol=1e-4)
        assert through.trace().item() == pytest.approx(attention.v_projection.out_features, rel=1e-3)
        for part in ("q", "k", "v", "out"):
            assert not getattr(attention, f"{part}_projection").bias.any()


def test_the_trunk_starts_small():
    model = make(0, initialised=True)
    linears = [module for module in model.trunk.modules() if isinstance(module, nn.Linear)]
    weights = torch.cat([linear.weight.flatten() for linear in linears])
    assert weights.std().item() == pytest.approx(0.02, rel=0.1)
    assert not any(linear.bias.any() for linear in linears)


def test_everything_stays_finite_and_learnable():
    model = make(0, initialised=True)
    assert all(parameter.isfinite().all() and parameter.requires_grad for parameter in model.parameters())


def test_it_is_drawn_from_the_global_generator():
    first, second, other = (make(seed, initialised=True).state_dict() for seed in (4, 4, 5))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["mask_decoder.mask_tokens"], other["mask_decoder.mask_tokens"])
