"""The shared layers against their formulas."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from masklet.model.layers import LayerNorm2d, Mlp


def test_layer_norm_2d_is_over_the_channels_of_a_pixel():
    torch.manual_seed(0)
    norm = LayerNorm2d(5)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    # Of so little variance that the epsilon (1e-6, added to the population variance) makes a difference.
    x = torch.randn(2, 5, 3, 4) * 1e-3 + torch.randn(2, 1, 3, 4)
    y = norm(x)
    for image in range(2):
        for row in range(3):
            for column in range(4):
                pixel = x[image, :, row, column].double()
                centred = pixel - pixel.sum() / 5
                expected = centred / ((centred**2).sum() / 5 + 1e-6).sqrt() * norm.weight + norm.bias
                torch.testing.assert_close(y[image, :, row, column].double(), expected, atol=2e-4, rtol=2e-4)


def test_mlp_has_an_activation_between_layers_and_none_after_the_last():
    torch.manual_seed(0)
    mlp = Mlp(3, 6, 5, 2)
    x = torch.randn(4, 7, 3)
    first, second, third = mlp.layers
    hidden = (x @ first.weight.T + first.bias).clamp(min=0)
    hidden = (hidden @ second.weight.T + second.bias).clamp(min=0)
    expected = hidden @ third.weight.T + third.bias
    torch.testing.assert_close(mlp(x), expected)
    assert expected.min() < 0


def test_mlp_takes_another_activation():
    torch.manual_seed(0)
    mlp = Mlp(3, 6, 2, activation=F.gelu)
    x = torch.randn(4, 3)
    hidden = x @ mlp.layers[0].weight.T + mlp.layers[0].bias
    hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
    torch.testing.assert_close(mlp(x), hidden @ mlp.layers[1].weight.T + mlp.layers[1].bias)


def test_mlp_of_one_layer_is_linear():
    mlp = Mlp(3, 2)
    x = torch.randn(5, 3)
    torch.testing.assert_close(mlp(x), mlp.layers[0](x))
