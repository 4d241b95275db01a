"""Position encodings against their formulas, written out one number at a time."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from masklet.model.position import fourier, rope_table, rotate, sine_map, sine_time


@given(row=st.integers(0, 4), column=st.integers(0, 6), k=st.integers(0, 3))
def test_sine_map_interleaves_and_puts_rows_first(row, column, k):
    table = sine_map(5, 7, 16)
    wavelength = 10_000 ** (2 * k / 8)
    y = (row + 1) / (5 + 1e-6) * 2 * math.pi / wavelength
    x = (column + 1) / (7 + 1e-6) * 2 * math.pi / wavelength
    expected = torch.tensor([math.sin(y), math.cos(y), math.sin(x), math.cos(x)])
    found = table[[2 * k, 2 * k + 1, 8 + 2 * k, 8 + 2 * k + 1], row, column]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_sine_time_does_not_interleave():
    distance = torch.tensor([0.0, 0.2, -1.0])
    table = sine_time(distance, 8)
    assert table.shape == (3, 8)
    for j in range(4):
        wavelength = 10_000 ** (2 * (j // 2) / 4)
        torch.testing.assert_close(table[:, j], (distance / wavelength).sin())
        torch.testing.assert_close(table[:, 4 + j], (distance / wavelength).cos())


def test_fourier_is_sines_then_cosines_of_centred_coordinates():
    frequencies = torch.tensor([[1.0, 0.5], [0.0, 2.0]])
    found = fourier(torch.tensor([[0.75, 0.25]]), frequencies)
    angle = 2 * math.pi * torch.tensor([0.5 * 1.0, 0.5 * 0.5 - 0.5 * 2.0])
    torch.testing.assert_close(found, torch.cat((angle.sin(), angle.cos()))[None])


@pytest.mark.parametrize(("side", "dim"), [(4, 8), (16, 128), (64, 256)])
def test_rotation_is_the_complex_product(side, dim):
    torch.manual_seed(0)
    x = torch.randn(2, 1, side * side, dim)
    cos, sin = rope_table(side, dim)
    k = torch.arange(dim // 4, dtype=torch.float64)
    frequency = 10_000 ** (-4 * k / dim)
    t = torch.arange(side * side)
    angle = torch.cat(((t % side)[:, None] * frequency, (t // side)[:, None] * frequency), dim=1)
    complex_x = torch.view_as_complex(x.double().unflatten(-1, (-1, 2)).contiguous())
    expected = torch.view_as_real(complex_x * torch.polar(torch.ones_like(angle), angle)).flatten(-2)
    torch.testing.assert_close(rotate(x, cos, sin).double(), expected, atol=2e-5, rtol=1e-5)
