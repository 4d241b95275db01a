"""From a name or a file to a model with its weights."""

import pytest
import torch

from masklet.checkpoint.load import load_weights, new_model
from masklet.config import ModelConfig
from masklet.model import Sam2
from masklet.runtime.load import load_model


def test_a_new_model_has_the_tables_of_a_model(tiny: ModelConfig) -> None:
    small, made = Sam2(tiny).eval(), dict(new_model(tiny).named_buffers())
    for name, buffer in small.named_buffers():
        assert made[name].shape == buffer.shape
        assert name == "prompt_encoder.frequencies" or torch.equal(made[name], buffer)


def test_weights_are_those_of_load_model() -> None:
    model, known = load_weights("nano", image_size=128), load_model("nano", device="cpu")
    assert model.config.image_size == 128
    for name, parameter in known.named_parameters():
        assert torch.equal(model.get_parameter(name), parameter), name


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(ValueError, match="nanoo"):
        load_weights("nanoo")
