"""Recomputing parts: the same gradients from less memory, also in mixed precision and beside adapters."""

import copy

import pytest
import torch
from torch import Tensor

from masklet.checkpoint.layouts import is_memory_part
from masklet.checkpoint.names import Layout
from masklet.checkpoint.strict import load_into
from masklet.config import ModelConfig
from masklet.model import Sam2
from masklet.training.checkpointing import checkpoint_blocks
from masklet.training.lora import LoraConfig, add_lora
from masklet.training.precision import Precision, precision
from masklet.types import MemoryTokens


@pytest.fixture
def models(tiny: ModelConfig) -> tuple[Sam2, Sam2]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain = Sam2(tiny)
    return plain, copy.deepcopy(plain)


def loss(model: Sam2) -> Tensor:
    """Of a pass through everything that can be recomputed."""
    size, dim = model.config.image_size, model.config.memory.dim
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(2, 3, size, size, generator=generator)
    features = model.encode_image(pixels)
    tokens = torch.randn(2, model.config.embedding_side**2, dim, generator=generator)
    memory = MemoryTokens(tokens, torch.zeros_like(tokens), 0)
    prompts = model.encode_prompts(mask_logits=pixels[:, :1, ::4, ::4])
    decoded = model.decode_masks(model.attend_memory(features.stride16, memory), features, prompts)
    return decoded.logits.float().square().mean() + decoded.iou_scores.float().sum()


def gradients(model: Sam2) -> dict[str, Tensor]:
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


def saved_bytes(model: Sam2) -> tuple[int, Tensor]:
    """What is kept for gradients, weights and tensors kept twice apart, with the loss that it is kept for."""
    sizes = {parameter.untyped_storage().data_ptr(): 0 for parameter in model.parameters()}

    def pack(tensor: Tensor) -> Tensor:
        sizes.setdefault(tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = loss(model)
    return sum(sizes.values()), result


@pytest.mark.parametrize("numbers", ["float32", "bf16-mixed"])
def test_gradients_are_the_same(models: tuple[Sam2, Sam2], numbers: Precision) -> None:
    plain, checkpointed = models
    checkpoint_blocks(checkpointed)
    for model in models:
        with precision(numbers, "cpu"):
            result = loss(model)
        result.backward()
    expected, found = gradients(plain), gradients(checkpointed)
    assert expected.keys() == found.keys()
    assert len(expected) > 100
    assert all(torch.equal(gradient, found[name]) for name, gradient in expected.items())


def test_gradients_beside_adapters_are_the_same(models: tuple[Sam2, Sam2]) -> None:
    for model in models:
        add_lora(model, LoraConfig(rank=2))
        for name, parameter in model.named_parameters():
            if name.endswith("lora_up"):
                parameter.data.fill_(0.1)
    checkpoint_blocks(models[1])
    for model in models:
        loss(model).backward()
    expected, found = (gradients(model) for model in models)
    assert any("lora_down" in name for name in expected)
    assert expected.keys() == found.keys()
    assert all(torch.equal(gradient, found[name]) for name, gradient in expected.items())


def test_less_is_kept_for_gradients(models: tuple[Sam2, Sam2]) -> None:
    plain, checkpointed = models
    checkpoint_blocks(checkpointed)
    everything, loss_of_everything = saved_bytes(plain)
    less, loss_of_less = saved_bytes(checkpointed)
    assert torch.equal(loss_of_everything, loss_of_less)
    assert less < everything / 2


def test_names_and_outputs_without_gradients_stay(models: tuple[Sam2, Sam2]) -> None:
    plain, checkpointed = models
    checkpoint_blocks(checkpointed)
    assert list(plain.state_dict()) == list(checkpointed.state_dict())
    with torch.no_grad():
        assert torch.equal(loss(plain), loss(checkpointed))


def test_a_model_for_still_images_has_no_memory_layers(models: tuple[Sam2, Sam2]) -> None:
    plain, still = models
    state = {name: tensor for name, tensor in plain.state_dict().items() if not is_memory_part(name)}
    load_into(still, state, Layout.MASKLET)
    checkpoint_blocks(still)
    still.trunk(torch.zeros(1, 3, 64, 64))[-1].sum().backward()
    assert still.trunk.position.grad is not None
