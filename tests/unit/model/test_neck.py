"""The neck: plain projections, and one sum at stride 16."""

import pytest
import torch

from masklet.model.neck import Neck

DIMS = (2, 4, 8, 16)


@pytest.fixture
def neck() -> Neck:
    torch.manual_seed(0)
    return Neck(DIMS, 6)


@pytest.fixture
def maps() -> list[torch.Tensor]:
    """The trunk's maps of an image of 96 x 64 pixels, BHWC, fine to coarse."""
    torch.manual_seed(1)
    return [torch.randn(2, 96 // stride, 64 // stride, dim) for stride, dim in zip((4, 8, 16, 32), DIMS, strict=True)]


def project(neck: Neck, maps: list[torch.Tensor], level: int) -> torch.Tensor:
    """A 1 x 1 convolution, written as a matrix product."""
    lateral = neck.laterals[level]
    return torch.einsum("bhwc,dc->bdhw", maps[level], lateral.weight[:, :, 0, 0]) + lateral.bias.view(1, -1, 1, 1)


def test_only_stride_16_takes_from_a_coarser_map(neck, maps):
    stride4, stride8, stride16 = neck(maps)
    torch.testing.assert_close(stride4, project(neck, maps, 0))
    torch.testing.assert_close(stride8, project(neck, maps, 1))
    nearest = project(neck, maps, 3).repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    torch.testing.assert_close(stride16, project(neck, maps, 2) + nearest)


def test_shapes(neck, maps):
    assert [tuple(m.shape) for m in neck(maps)] == [(2, 6, 96 // stride, 64 // stride) for stride in (4, 8, 16)]


def test_the_sum_is_float32_under_autocast(neck, maps):
    with torch.autocast("cpu", torch.bfloat16):
        found = neck(maps)
    assert [m.dtype for m in found] == [torch.bfloat16, torch.bfloat16, torch.float32]
    for low, full in zip(found, neck(maps), strict=True):
        torch.testing.assert_close(low.float(), full, atol=0.05, rtol=0.05)


def test_half_precision_weights_give_half_precision_maps(neck, maps):
    found = neck.to(torch.bfloat16)([m.to(torch.bfloat16) for m in maps])
    assert {m.dtype for m in found} == {torch.bfloat16}
