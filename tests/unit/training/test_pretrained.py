"""Weights that are there already."""

import pytest
import torch

from masklet.runtime.load import load_model
from masklet.training.pretrained import load_pretrained


def test_weights_are_those_of_load_model() -> None:
    model, known = load_pretrained("nano", image_size=128), load_model("nano", device="cpu")
    assert model.config.image_size == 128
    for name, parameter in known.named_parameters():
        assert torch.equal(model.get_parameter(name), parameter), name


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(ValueError, match="nanoo"):
        load_pretrained("nanoo")
