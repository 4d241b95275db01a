"""Adapters: what they change, what they leave, that merging loses nothing, and their file."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from masklet.checkpoint.save import save
from masklet.checkpoint.strict import load_into
from masklet.config import ModelConfig
from masklet.model import Sam2
from masklet.training.lora import LoraConfig, LoraLinear, add_lora, load_lora, merge_lora, save_lora

TRUNK_ALONE = LoraConfig(rank=2, also_train=())
EVERYWHERE = LoraConfig(
    rank=4,
    alpha=4,
    targets=(*LoraConfig().targets, "mask_decoder.transformer.*", "memory_attention.*"),
    also_train=("neck.*", "no_memory"),
)


@pytest.fixture
def model(tiny: ModelConfig) -> Sam2:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Sam2(tiny)


@pytest.fixture
def pixels(tiny: ModelConfig) -> Tensor:
    return torch.randn(2, 3, tiny.image_size, tiny.image_size, generator=torch.Generator().manual_seed(1))


def decode(model: Sam2, pixels: Tensor) -> Tensor:
    features = model.encode_image(pixels)
    prompts = model.encode_prompts(mask_logits=pixels[:, :1, ::4, ::4])
    return model.decode_masks(model.attend_memory(features.stride16), features, prompts).logits


def change_adapters(model: Sam2) -> None:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("lora_up", "lora_down")):
                parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))


def assert_same_state(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert list(first) == list(second)
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_starts_as_the_model_was(model: Sam2, pixels: Tensor) -> None:
    plain, state = decode(model, pixels), copy.deepcopy(model.state_dict())
    add_lora(model, EVERYWHERE)
    assert torch.equal(decode(model, pixels), plain)
    assert_same_state(merge_lora(model), state)


def test_first_weights_are_always_the_same_and_take_no_random_numbers(model: Sam2) -> None:
    other = copy.deepcopy(model)
    before = torch.get_rng_state()
    add_lora(model, TRUNK_ALONE)
    add_lora(other, TRUNK_ALONE)
    assert torch.equal(torch.get_rng_state(), before)
    assert_same_state(model.state_dict(), other.state_dict())


def test_gradients_are_the_adapters_alone(model: Sam2, pixels: Tensor) -> None:
    add_lora(model, TRUNK_ALONE)
    decode(model, pixels).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == ("lora_" in name), name
    num_trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    adapted = [layer for layer in model.modules() if isinstance(layer, LoraLinear)]
    assert len(adapted) == 4 * len(model.trunk.blocks)
    assert num_trained == sum(2 * (layer.in_features + layer.out_features) for layer in adapted)


def test_what_is_trained_beside_adapters(model: Sam2) -> None:
    add_lora(model, EVERYWHERE)
    trained = {name for name, p in model.named_parameters() if p.requires_grad and "lora_" not in name}
    assert trained == {name for name, _ in model.named_parameters() if name.startswith("neck.") or name == "no_memory"}


def test_merged_weights_compute_the_same(model: Sam2, pixels: Tensor) -> None:
    plain = copy.deepcopy(model)
    add_lora(model, EVERYWHERE)
    change_adapters(model)
    changed, before = decode(model, pixels), decode(plain, pixels)
    plain.load_state_dict(merge_lora(model))
    merged = decode(plain, pixels)
    assert not torch.allclose(changed, before, rtol=1e-2)
    torch.testing.assert_close(merged, changed, rtol=1e-4, atol=1e-4 * changed.abs().max().item())


def test_merged_weights_save_in_any_layout(model: Sam2, tmp_path: Path) -> None:
    add_lora(model, TRUNK_ALONE)
    change_adapters(model)
    merged = merge_lora(model)
    official = save(tmp_path / "merged.pt", merged, model.config, "official")
    other = Sam2(model.config)
    state = torch.load(official, weights_only=True)["model"]
    load_into(other, state, "official", official)
    assert_same_state(other.state_dict(), merged)


def test_training_adapters_lowers_a_loss(model: Sam2, pixels: Tensor) -> None:
    target = model.encode_image(pixels).stride16.detach().flip(3)
    add_lora(model, TRUNK_ALONE)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-2)
    losses = []
    for _ in range(10):
        loss = (model.encode_image(pixels).stride16 - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_autocast_computes_adapters_in_its_dtype(model: Sam2) -> None:
    add_lora(model, TRUNK_ALONE)
    layer = model.trunk.blocks[0].get_submodule("attention.qkv")
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(torch.randn(3, 8))
    assert out.dtype == torch.bfloat16
    out.float().sum().backward()
    assert layer.get_parameter("lora_up").grad.dtype == torch.float32


def test_a_small_file_beside_the_base(model: Sam2, pixels: Tensor, tmp_path: Path) -> None:
    base = copy.deepcopy(model)
    add_lora(model, EVERYWHERE)
    change_adapters(model)
    with torch.no_grad():
        model.no_memory.add_(1)
    path = tmp_path / "adapters.safetensors"
    save_lora(path, model.state_dict(), EVERYWHERE)
    assert load_lora(base, path) == EVERYWHERE
    assert_same_state(base.state_dict(), model.state_dict())
    assert torch.equal(decode(base, pixels), decode(model, pixels))
    saved = sum(p.nbytes for p in model.parameters() if p.requires_grad)
    assert path.stat().st_size < saved + 12_000 < sum(p.nbytes for p in model.parameters())


def test_adapters_of_another_model_change_nothing(model: Sam2, tmp_path: Path) -> None:
    other = copy.deepcopy(model)
    add_lora(model, TRUNK_ALONE)
    save_lora(tmp_path / "adapters.safetensors", model.state_dict(), TRUNK_ALONE)
    with torch.no_grad():
        other.no_memory[0, 0, 0] += 1
    before = copy.deepcopy(other.state_dict())
    with pytest.raises(ValueError, match="holds adapters of another model"):
        load_lora(other, tmp_path / "adapters.safetensors")
    assert_same_state(other.state_dict(), before)


@pytest.mark.parametrize("contents", [b"", b"nothing of the kind", None])
def test_other_files_are_refused(model: Sam2, tmp_path: Path, contents: bytes | None) -> None:
    path = tmp_path / "model.safetensors"
    if contents is None:
        save(path, model.state_dict(), model.config)
    else:
        path.write_bytes(contents)
    with pytest.raises(ValueError, match=r"model\.safetensors is no file of adapters, or a damaged one"):
        load_lora(model, path)


def test_errors(model: Sam2, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"adapters that training has saved were expected"):
        load_lora(model, tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match=r"targets: .*'trunk.block.\*' matches nothing: did you mean trunk.blocks.\*"):
        add_lora(model, LoraConfig(targets=("trunk.block.*",)))
    assert all(p.requires_grad for p in model.parameters()), "a refused configuration changes nothing"
    add_lora(model, TRUNK_ALONE)
    with pytest.raises(ValueError, match="has adapters already"):
        add_lora(model, TRUNK_ALONE)


@pytest.mark.parametrize("values", [{"rank": 0}, {"alpha": 0.0}, {"targets": ()}])
def test_a_configuration_that_cannot_be(values: dict) -> None:
    (name,) = values
    with pytest.raises(ValueError, match=f"{name} is "):
        LoraConfig(**values)
