"""Mixed precision: what is computed in which format, and that results stay near those of float32."""

import pytest
import torch
import torch.nn.functional as F

from masklet.model import Sam2
from masklet.training.precision import no_gradients, precision


@pytest.fixture
def model(model_config) -> Sam2:
    torch.manual_seed(0)
    return Sam2(model_config)


def test_on_a_cpu_attention_stays_in_float32():
    half = torch.randn(2, 2, 8, 8).bfloat16()
    with precision("bf16-mixed", "cpu"):
        assert (half @ half).dtype == torch.bfloat16
        assert F.linear(torch.randn(3, 4), torch.randn(5, 4)).dtype == torch.bfloat16
        mixed = F.scaled_dot_product_attention(half, half.float(), value=half)
        masked = F.scaled_dot_product_attention(half, half, half, attn_mask=torch.ones(8, 8, dtype=torch.bool).tril())
    assert mixed.dtype == masked.dtype == torch.float32
    torch.testing.assert_close(mixed, F.scaled_dot_product_attention(*[half.float()] * 3))
    assert F.scaled_dot_product_attention(half, half, half).dtype == torch.bfloat16, "the context is left"


def test_a_forward_pass_is_near_that_in_float32(model):
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        exact = model.encode_image(pixels).stride16
        with precision("float32", "cpu"):
            assert torch.equal(model.encode_image(pixels).stride16, exact)
        with precision("bf16-mixed", "cpu"):
            mixed = model.encode_image(pixels).stride16
    assert not torch.equal(mixed.float(), exact)
    assert (mixed.float() - exact).abs().max() < 0.03 * exact.abs().max()


def test_gradients_are_in_float32_and_near(model):
    pixels = torch.randn(2, 3, 64, 64)

    def gradient(name):
        model.zero_grad()
        with precision(name, "cpu"):
            total = model.encode_image(pixels).stride16.float().square().mean()
        total.backward()
        return torch.cat([p.grad.flatten() for p in model.trunk.parameters() if p.grad is not None])

    exact, mixed = gradient("float32"), gradient("bf16-mixed")
    assert mixed.dtype == torch.float32
    assert F.cosine_similarity(exact, mixed, dim=0) > 0.99


def test_on_other_devices_it_is_the_device_s_own_autocast(monkeypatch):
    asked = []
    plain = torch.autocast
    monkeypatch.setattr(torch, "autocast", lambda kind, **how: asked.append((kind, how)) or plain("cpu", enabled=False))
    with precision("bf16-mixed", torch.device("cuda", 1)):
        half = torch.randn(1, 1, 4, 4).bfloat16()
        assert F.scaled_dot_product_attention(half, half, half).dtype == torch.bfloat16
    assert asked == [("cuda", {"dtype": torch.bfloat16})]


def test_other_names_are_refused():
    with pytest.raises(ValueError, match=r"'fp16' is not one of float32, bf16-mixed"), precision("fp16", "cpu"):
        pass


@pytest.mark.parametrize("when", [True, False])
def test_without_gradients_nothing_that_autocast_cast_is_kept(monkeypatch, when):
    """PyTorch before its issue 158232 was mended used it again where gradients are wanted."""
    cleared = []
    monkeypatch.setattr(torch, "clear_autocast_cache", lambda: cleared.append(torch.is_grad_enabled()))
    with no_gradients(when):
        assert torch.is_grad_enabled() != when
        assert not cleared
    assert torch.is_grad_enabled()
    assert cleared == [True] * when
