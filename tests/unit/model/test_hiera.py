"""The trunk: windows, the lag of a stage's first window, attended padding, shapes at any size."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from masklet.config import PRESETS, TrunkConfig, preset
from masklet.model.hiera import GlobalBlock, Hiera, PoolBlock, WindowBlock, from_windows, max_pool, to_windows

WINDOWS = {
    "tiny": "8 8p 4 4p 14 G 14 G 14 G 14p 7",
    "small": "8 8p 4 4p 14 14 14 G 14 14 G 14 14 G 14p 7",
    "base_plus": "8 8 8p 4 4 4p" + " 14" * 6 + " G" + " 14" * 3 + " G" + " 14" * 3 + " G 14p 7 7",
    "large": "8 8 8p" + " 4" * 5 + " 4p" + " 16" * 14 + " G" + " 16" * 9 + " G" + " 16" * 9 + " G 16p 8 8 8",
}


def describe(block: torch.nn.Module) -> str:
    if isinstance(block, PoolBlock):
        return f"{block.window}p"
    return str(block.window) if isinstance(block, WindowBlock) else "G"


@pytest.mark.parametrize("size", WINDOWS)
def test_windows_of_the_released_models(size):
    with torch.device("meta"):
        trunk = Hiera(preset(f"sam2.1_hiera_{size}").trunk)
    assert " ".join(describe(block) for block in trunk.blocks) == WINDOWS[size]


@given(batch=st.integers(1, 3), height=st.integers(1, 20), width=st.integers(1, 20), window=st.integers(1, 9))
def test_windows_there_and_back(batch, height, width, window):
    x = torch.randn(batch, height, width, 2)
    windows = to_windows(x, window)
    assert windows.shape[0] == batch * -(-height // window) * -(-width // window)
    assert torch.equal(from_windows(windows, height, width), x)


def test_windows_go_row_by_row():
    x = torch.arange(16.0).view(1, 4, 4, 1)
    assert to_windows(x, 2)[1].flatten().tolist() == [2, 3, 6, 7]


def test_padding_takes_part_in_attention():
    """A padded window's zeros get keys and values from the bias; masking them would give other numbers."""
    torch.manual_seed(0)
    block = WindowBlock(8, 2, window=4)
    x = torch.randn(1, 3, 3, 8)
    padded = torch.zeros(1, 4, 4, 8)
    padded[:, :3, :3] = block.norm1(x)
    y = x + block.attention(padded)[:, :3, :3]
    torch.testing.assert_close(block(x), y + block.mlp(block.norm2(y)))


def test_pool_block_shortcut_is_of_the_normalised_input():
    torch.manual_seed(0)
    block = PoolBlock(4, 8, 2, window=4)
    x = torch.randn(2, 8, 8, 4)
    for parameter in (*block.attention.parameters(), *block.mlp.parameters()):
        torch.nn.init.zeros_(parameter)
    torch.testing.assert_close(block(x), max_pool(block.shortcut(block.norm1(x))))


@pytest.mark.parametrize("side", [32, 96, 160, 256])
def test_any_size_that_the_strides_divide(side):
    torch.manual_seed(0)
    config = TrunkConfig(embed_dim=8, stage_depths=(1, 1, 2, 1), global_blocks=(3,), window_sizes=(8, 4, 14, 7))
    trunk = Hiera(config)
    maps = trunk(torch.randn(2, 3, side, side))
    assert [tuple(m.shape) for m in maps] == [(2, side // s, side // s, 8 * s // 4) for s in (4, 8, 16, 32)]


def test_a_batch_is_its_images():
    torch.manual_seed(0)
    trunk = Hiera(replace(PRESETS["nano"].trunk, embed_dim=16)).eval()
    x = torch.randn(2, 3, 64, 64)
    for whole, first in zip(trunk(x), trunk(x[:1]), strict=True):
        torch.testing.assert_close(whole[:1], first, atol=1e-5, rtol=1e-5)


def test_global_block_is_its_formula():
    torch.manual_seed(0)
    block = GlobalBlock(8, 2)
    x = torch.randn(1, 2, 3, 8)
    qkv = block.attention.qkv(block.norm1(x)).view(6, 3, 2, 4)
    q, k, v = qkv.permute(1, 2, 0, 3)
    heads = (q @ k.transpose(1, 2) / 4**0.5).softmax(-1) @ v
    y = x + block.attention.projection(heads.transpose(0, 1).reshape(1, 2, 3, 8))
    torch.testing.assert_close(block(x), y + block.mlp(block.norm2(y)))
