"""The mask decoder: the order of its tokens, the way up to stride 4, and the heads."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from masklet.config import DecoderConfig, MemoryConfig, ModelConfig
from masklet.model.layers import Mlp
from masklet.model.mask_decoder import MaskDecoder
from masklet.types import PromptEmbeddings

DIM, SIDE = 16, 3
CONFIG = ModelConfig(dim=DIM, decoder=DecoderConfig(depth=1, num_heads=2, mlp_dim=8), memory=MemoryConfig(dim=16))


def make(num_multimasks: int = 3) -> MaskDecoder:
    torch.manual_seed(0)
    decoder = MaskDecoder(replace(CONFIG, decoder=replace(CONFIG.decoder, num_multimasks=num_multimasks)))
    for parameter in decoder.parameters():
        nn.init.normal_(parameter, std=0.3)
    return decoder


def make_inputs(batch: int, images: int) -> tuple[Tensor, Tensor, Tensor, PromptEmbeddings, Tensor]:
    torch.manual_seed(1)
    prompts = PromptEmbeddings(torch.randn(batch, 2, DIM), torch.randn(batch, DIM, SIDE, SIDE))
    stride8 = torch.randn(images, DIM // 4, 2 * SIDE, 2 * SIDE)
    stride4 = torch.randn(images, DIM // 8, 4 * SIDE, 4 * SIDE)
    return torch.randn(images, DIM, SIDE, SIDE), stride8, stride4, prompts, torch.randn(1, SIDE * SIDE, DIM)


def mlp(x: Tensor, module: Mlp) -> Tensor:
    *inner, last = module.layers
    for layer in inner:
        x = (x @ layer.weight.T + layer.bias).clamp(min=0)
    return x @ last.weight.T + last.bias


def enlarge(x: Tensor, conv: nn.ConvTranspose2d) -> Tensor:
    """A transposed convolution of 2 x 2 with stride 2: every pixel becomes a square."""
    squares = torch.einsum("bchw,cdij->bdhiwj", x, conv.weight)
    batch, channels, height, _, width, _ = squares.shape
    return squares.reshape(batch, channels, 2 * height, 2 * width) + conv.bias.view(1, -1, 1, 1)


def gelu(x: Tensor) -> Tensor:
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


@pytest.mark.parametrize(("batch", "images"), [(1, 1), (3, 3), (3, 1)])
@pytest.mark.parametrize("num_multimasks", [3, 2])
def test_it_is_its_formula(batch, images, num_multimasks):
    decoder = make(num_multimasks)
    embedding, stride8, stride4, prompts, position = make_inputs(batch, images)
    decoded = decoder(embedding, stride8, stride4, prompts, position)

    num_masks = 1 + num_multimasks
    own = torch.cat((decoder.object_token, decoder.iou_token, decoder.mask_tokens)).expand(batch, -1, -1)
    image = (embedding + prompts.dense).permute(0, 2, 3, 1).reshape(batch, SIDE * SIDE, DIM)
    tokens, image = decoder.transformer(torch.cat((own, prompts.sparse), dim=1), image, position)

    x = enlarge(image.reshape(batch, SIDE, SIDE, DIM).permute(0, 3, 1, 2), decoder.upscale1) + stride8
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
    norm = decoder.upscale_norm
    x = (x - mean) / (variance + 1e-6).sqrt() * norm.weight.view(1, -1, 1, 1) + norm.bias.view(1, -1, 1, 1)
    x = gelu(enlarge(gelu(x), decoder.upscale2) + stride4)

    assert decoded.logits.shape == (batch, num_masks, 4 * SIDE, 4 * SIDE)
    for mask in range(num_masks):
        weights = mlp(tokens[:, 2 + mask], decoder.hypernetworks[mask])
        expected = torch.einsum("bc,bchw->bhw", weights, x)
        torch.testing.assert_close(decoded.logits[:, mask], expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(decoded.tokens, tokens[:, 2 : 2 + num_masks])
    scores = 1 / (1 + (-mlp(tokens[:, 1], decoder.iou_head)).exp())
    torch.testing.assert_close(decoded.iou_scores, scores, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(decoded.object_score, mlp(tokens[:, 0], decoder.object_head), atol=1e-5, rtol=1e-5)


def test_scores_have_their_ranges():
    decoder = make()
    nn.init.constant_(decoder.iou_head.layers[-1].bias, 30.0)
    nn.init.constant_(decoder.object_head.layers[-1].bias, 30.0)
    decoded = decoder(*make_inputs(2, 2))
    assert decoded.iou_scores.shape == (2, 4)
    assert ((decoded.iou_scores >= 0) & (decoded.iou_scores <= 1)).all()
    assert decoded.object_score.shape == (2, 1)
    assert decoded.object_score.min() > 1, "a logit, not a probability"


def test_maps_that_are_added_up_can_have_backward_hooks():
    decoder, seen = make(), []
    for part in (decoder.upscale1, decoder.upscale2):
        part.register_full_backward_hook(lambda _, of_inputs, of_outputs: seen.append(of_outputs[0].shape))
    decoder(*make_inputs(3, 1)).logits.sum().backward()
    assert seen == [(3, DIM // 8, 4 * SIDE, 4 * SIDE), (3, DIM // 4, 2 * SIDE, 2 * SIDE)]


def test_the_features_of_an_image_stay_as_they_are():
    inputs = make_inputs(1, 1)
    before = [x.clone() for x in inputs[:3]]
    with torch.no_grad():
        found = make()(*inputs)
    assert all(torch.equal(x, y) for x, y in zip(inputs[:3], before, strict=True))
    torch.testing.assert_close(found.logits, make()(*inputs).logits, atol=1e-4, rtol=1e-4)


def test_the_order_of_prompt_tokens_does_not_matter():
    decoder = make()
    embedding, stride8, stride4, prompts, position = make_inputs(2, 2)
    turned = PromptEmbeddings(prompts.sparse.flip(1), prompts.dense)
    first = decoder(embedding, stride8, stride4, prompts, position)
    second = decoder(embedding, stride8, stride4, turned, position)
    torch.testing.assert_close(first.logits, second.logits, atol=1e-4, rtol=1e-4)


def test_the_finer_maps_are_projected_to_the_widths_at_which_they_are_added():
    decoder = make()
    stride4, stride8 = torch.randn(2, DIM, 8, 8), torch.randn(2, DIM, 4, 4)
    found4, found8 = decoder.project_high_res(stride4, stride8)
    for found, layer, x in (
        (found4, decoder.stride4_projection, stride4),
        (found8, decoder.stride8_projection, stride8),
    ):
        expected = torch.einsum("bchw,dc->bdhw", x, layer.weight[:, :, 0, 0]) + layer.bias.view(1, -1, 1, 1)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert found4.shape == (2, DIM // 8, 8, 8)
    assert found8.shape == (2, DIM // 4, 4, 4)
