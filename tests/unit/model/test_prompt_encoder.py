"""Prompts to embeddings, each number from the definition."""

import math

import pytest
import torch
from torch import Tensor, nn

from masklet.config import MemoryConfig, ModelConfig
from masklet.model.prompt_encoder import PromptEncoder
from masklet.types import PointLabel, Points

SIDE, DIM = 96, 8
GRID = SIDE // 16


@pytest.fixture
def encoder() -> PromptEncoder:
    torch.manual_seed(0)
    encoder = PromptEncoder(ModelConfig(image_size=SIDE, dim=DIM, memory=MemoryConfig(dim=4)))
    for parameter in encoder.parameters():
        nn.init.normal_(parameter)
    return encoder


def fourier_features(encoder: PromptEncoder, x: float, y: float) -> Tensor:
    """Of a place in [0, 1] x [0, 1]: sines of random projections, then their cosines."""
    angles = [2 * math.pi * ((2 * x - 1) * g[0] + (2 * y - 1) * g[1]) for g in encoder.frequencies.T.tolist()]
    return torch.tensor([*map(math.sin, angles), *map(math.cos, angles)])


def label_embedding(encoder: PromptEncoder, label: int) -> Tensor:
    return encoder.labels[list(PointLabel).index(PointLabel(label))]


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32])
def test_points(encoder, dtype):
    """Half a pixel on, Fourier features, the label's embedding; and one padding token after them."""
    coords = torch.tensor([[[0.0, 0.0], [95.0, 10.25]], [[40.5, 60.0], [-7.0, 200.0]]])
    labels = torch.tensor([[0, 1], [2, 3]], dtype=dtype)
    sparse = encoder.encode_points(Points(coords, labels))
    assert sparse.shape == (2, 3, DIM)
    for prompt in range(2):
        for point in range(2):
            x, y = (coords[prompt, point] + 0.5).tolist()
            expected = fourier_features(encoder, x / SIDE, y / SIDE)
            expected = expected + label_embedding(encoder, int(labels[prompt, point]))
            torch.testing.assert_close(sparse[prompt, point], expected, atol=1e-4, rtol=1e-4)
        assert torch.equal(sparse[prompt, 2], label_embedding(encoder, -1))


def test_padding_points_have_no_place(encoder):
    coords = torch.tensor([[[3.0, 4.0], [50.0, 60.0]]])
    sparse = encoder.encode_points(Points(coords, torch.tensor([[1, -1]])))[0]
    assert torch.equal(sparse[1], label_embedding(encoder, -1))
    assert torch.equal(sparse[2], label_embedding(encoder, -1))


def test_a_label_below_all_others_makes_a_token_of_zeros(encoder):
    coords = torch.tensor([[[3.0, 4.0], [50.0, 60.0]]])
    sparse = encoder.encode_points(Points(coords, torch.tensor([[1, -10]])))[0]
    assert torch.equal(sparse[0], encoder.encode_points(Points(coords[:, :1], torch.tensor([[1]])))[0, 0])
    assert torch.equal(sparse[1], torch.zeros(DIM))
    assert torch.equal(sparse[2], label_embedding(encoder, -1))


def test_each_label_has_an_embedding_of_its_own(encoder):
    """Points at one place differ by their labels' embeddings alone."""
    labels = torch.tensor([[0, 1, 2, 3]])
    sparse = encoder.encode_points(Points(torch.full((1, 4, 2), 30.0), labels))[0]
    for first in range(4):
        for second in range(4):
            difference = label_embedding(encoder, first) - label_embedding(encoder, second)
            torch.testing.assert_close(sparse[first] - sparse[second], difference, atol=1e-5, rtol=1e-5)


def test_the_grid_is_of_pixel_centres_row_by_row(encoder):
    grid = encoder.grid_position()
    assert grid.shape == (1, GRID * GRID, DIM)
    for row in range(GRID):
        for column in range(GRID):
            expected = fourier_features(encoder, (column + 0.5) / GRID, (row + 0.5) / GRID)
            torch.testing.assert_close(grid[0, row * GRID + column], expected, atol=1e-4, rtol=1e-4)


def test_a_click_on_a_grid_centre_has_the_grids_position(encoder):
    """Pixel 16 * k + 7.5 is the middle of column k, as pixel centres have whole coordinates."""
    point = Points(torch.tensor([[[16 * 2 + 7.5, 16 * 4 + 7.5]]]), torch.tensor([[1]]))
    place = encoder.encode_points(point)[0, 0] - label_embedding(encoder, 1)
    torch.testing.assert_close(place, encoder.grid_position()[0, 4 * GRID + 2], atol=1e-5, rtol=1e-5)


def shrink(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """A convolution of 2 x 2 with stride 2, square by square."""
    batch, channels, height, width = x.shape
    squares = x.reshape(batch, channels, height // 2, 2, width // 2, 2)
    return torch.einsum("bchiwj,dcij->bdhw", squares, conv.weight) + conv.bias.view(1, -1, 1, 1)


def norm_and_gelu(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
    x = (x - mean) / (variance + 1e-6).sqrt() * norm.weight.view(1, -1, 1, 1) + norm.bias.view(1, -1, 1, 1)
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def test_mask_logits_are_shrunk_by_two_small_convolutions(encoder):
    logits = torch.randn(3, 1, SIDE // 4, SIDE // 4) * 10
    x = norm_and_gelu(shrink(logits, encoder.mask_conv1), encoder.mask_norm1)
    assert x.shape[1] == 4
    x = norm_and_gelu(shrink(x, encoder.mask_conv2), encoder.mask_norm2)
    assert x.shape[1] == 16
    last = encoder.mask_conv3
    expected = torch.einsum("bchw,dc->bdhw", x, last.weight[:, :, 0, 0]) + last.bias.view(1, -1, 1, 1)
    torch.testing.assert_close(encoder(None, logits).dense, expected, atol=1e-4, rtol=1e-4)


def test_without_a_mask_the_dense_map_is_one_vector_for_all_prompts(encoder):
    dense = encoder(Points(torch.rand(3, 1, 2), torch.ones(3, 1, dtype=torch.long)), None).dense
    assert dense.shape == (1, DIM, GRID, GRID)
    assert torch.equal(dense, encoder.no_mask.view(1, DIM, 1, 1).expand_as(dense))


def test_how_many_prompts_there_are(encoder):
    """As many as the points, else as the masks, else one."""
    mask = torch.randn(2, 1, SIDE // 4, SIDE // 4)
    points = Points(torch.rand(2, 4, 2), torch.ones(2, 4, dtype=torch.long))
    for prompts, batch, tokens, maps in (
        (encoder(points, None), 2, 5, 1),
        (encoder(points, mask), 2, 5, 2),
        (encoder(None, mask), 2, 0, 2),
        (encoder(None, None), 1, 0, 1),
    ):
        assert prompts.sparse.shape == (batch, tokens, DIM)
        assert prompts.dense.shape == (maps, DIM, GRID, GRID)


def test_places_are_computed_in_float32_whatever_the_weights(encoder):
    points = Points(torch.tensor([[[93.7, 11.2]]]), torch.tensor([[1]]))
    frequencies = encoder.frequencies.clone()
    expected = encoder.encode_points(points)
    encoder.bfloat16()
    encoder.frequencies = frequencies
    found = encoder.encode_points(points)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, atol=0.02, rtol=0.02)
