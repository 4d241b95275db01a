"""The memory encoder against its formulas, and the values in which it is given masks."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from masklet.config import DecoderConfig, MemoryConfig, ModelConfig, TrunkConfig
from masklet.model import Sam2
from masklet.model.memory_encoder import FuserBlock, MaskDownsampler, MemoryEncoder

DIM, SIDE = 8, 4
CONFIG = ModelConfig(
    image_size=16 * SIDE,
    dim=DIM,
    trunk=TrunkConfig(embed_dim=4, stage_depths=(1, 1, 1, 1), global_blocks=(0,), window_sizes=(4, 4, 4, 2)),
    decoder=DecoderConfig(depth=1, num_heads=2, mlp_dim=8),
    memory=MemoryConfig(dim=4, attention_layers=1, attention_mlp_dim=8, fuser_layers=2),
)


def randomise(module: nn.Module) -> None:
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)


def gelu(x: Tensor) -> Tensor:
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def normalise(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    """Over the channels of a BCHW map."""
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
    return (x - mean) / (variance + 1e-6).sqrt() * norm.weight.view(1, -1, 1, 1) + norm.bias.view(1, -1, 1, 1)


def pointwise(x: Tensor, conv: nn.Conv2d) -> Tensor:
    return torch.einsum("bchw,dc->bdhw", x, conv.weight[:, :, 0, 0]) + conv.bias.view(1, -1, 1, 1)


def patches(x: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """(B, C, kernel, kernel, H, W): what a convolution sees at each place."""
    padded = nn.functional.pad(x, (padding,) * 4)
    return padded.unfold(2, kernel, stride).unfold(3, kernel, stride).permute(0, 1, 4, 5, 2, 3)


def downsample(mask: Tensor, downsampler: MaskDownsampler) -> Tensor:
    for conv, norm in zip(downsampler.convs, downsampler.norms, strict=True):
        seen = patches(mask, 3, 2, 1)
        mask = torch.einsum("bcijhw,dcij->bdhw", seen, conv.weight) + conv.bias.view(1, -1, 1, 1)
        mask = gelu(normalise(mask, norm))
    return pointwise(mask, downsampler.projection)


def convnext(x: Tensor, block: FuserBlock) -> Tensor:
    y = torch.einsum("bcijhw,cij->bchw", patches(x, 7, 1, 3), block.depthwise.weight[:, 0])
    y = normalise(y + block.depthwise.bias.view(1, -1, 1, 1), block.norm).permute(0, 2, 3, 1)
    y = gelu(y @ block.expand.weight.T + block.expand.bias) @ block.contract.weight.T + block.contract.bias
    return x + (block.scale * y).permute(0, 3, 1, 2)


def test_mask_downsampler():
    downsampler = MaskDownsampler(DIM)
    randomise(downsampler)
    assert [(conv.in_channels, conv.out_channels) for conv in downsampler.convs] == [
        (1, 4),
        (4, 16),
        (16, 64),
        (64, 256),
    ]
    mask = torch.randn(2, 1, 96, 96)
    found = downsampler(mask)
    assert found.shape == (2, DIM, 6, 6)
    torch.testing.assert_close(found, downsample(mask, downsampler), atol=1e-4, rtol=1e-4)


def test_fuser_block_is_a_convnext_block():
    block = FuserBlock(DIM)
    randomise(block)
    assert block.expand.out_features == 4 * DIM
    x = torch.randn(2, DIM, 5, 6)
    torch.testing.assert_close(block(x), convnext(x, block), atol=1e-5, rtol=1e-5)


def test_fuser_block_starts_as_almost_nothing():
    x = torch.randn(1, DIM, 4, 4)
    torch.testing.assert_close(FuserBlock(DIM)(x), x, atol=1e-4, rtol=0)


def test_the_whole():
    encoder = MemoryEncoder(CONFIG)
    randomise(encoder)
    embedding, mask = torch.randn(2, DIM, SIDE, SIDE), torch.randn(2, 1, 16 * SIDE, 16 * SIDE)
    x = pointwise(embedding, encoder.feature_projection) + downsample(mask, encoder.mask_downsampler)
    for block in encoder.fuser:
        x = convnext(x, block)
    torch.testing.assert_close(encoder(embedding, mask), pointwise(x, encoder.projection), atol=1e-3, rtol=1e-3)


@pytest.fixture
def model() -> Sam2:
    model = Sam2(CONFIG).eval()
    randomise(model)
    return model


def test_masks_are_scaled_to_between_minus_and_plus_ten(model):
    embedding, probability = torch.randn(2, DIM, SIDE, SIDE), torch.rand(2, 1, 16 * SIDE, 16 * SIDE)
    pointer, present = torch.randn(2, DIM), torch.ones(2, 1, dtype=torch.bool)
    memory = model.encode_memory(embedding, probability, pointer, present)
    expected = model.memory_encoder(embedding, 20 * probability - 10)
    for row in range(SIDE):
        for column in range(SIDE):
            torch.testing.assert_close(memory.features[:, row * SIDE + column], expected[:, :, row, column])
    assert torch.equal(memory.pointer, pointer)


@pytest.mark.parametrize("absence", [True, False])
def test_only_absent_objects_are_marked_and_only_by_models_that_know_how(absence):
    model = Sam2(replace(CONFIG, absence_embedding=absence)).eval()
    randomise(model)
    embedding, mask = torch.randn(3, DIM, SIDE, SIDE), torch.rand(3, 1, 16 * SIDE, 16 * SIDE)
    present = torch.tensor([[True], [False], [True]])
    memory = model.encode_memory(embedding, mask, torch.randn(3, DIM), present)
    plain = model.memory_encoder(embedding, 20 * mask - 10).flatten(2).transpose(1, 2)
    if absence:
        plain[1] += model.absence[0]
    torch.testing.assert_close(memory.features, plain)


def test_memories_know_their_places(model):
    """A sine encoding of the memory's own width, the same for every object."""
    memory = model.encode_memory(
        torch.randn(2, DIM, SIDE, SIDE),
        torch.rand(2, 1, 16 * SIDE, 16 * SIDE),
        torch.randn(2, DIM),
        torch.ones(2, 1, dtype=torch.bool),
    )
    dim = CONFIG.memory.dim
    assert memory.position.shape == (1, SIDE * SIDE, dim)
    for token in range(SIDE * SIDE):
        for axis, along in enumerate((token // SIDE, token % SIDE)):
            angle = (along + 1) / (SIDE + 1e-6) * 2 * math.pi
            found = memory.position[0, token, axis * dim // 2 :][:2].tolist()
            assert found == pytest.approx([math.sin(angle), math.cos(angle)], abs=1e-5)
