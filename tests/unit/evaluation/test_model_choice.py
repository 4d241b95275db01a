"""Which model, said so that it can be loaded again and told from others."""

import pickle

import pytest
import torch

from masklet.evaluation import model_choice
from masklet.evaluation.model_choice import ModelChoice, weights_hash
from masklet.model import Sam2


def test_what_is_loaded(tiny_checkpoint) -> None:
    choice = ModelChoice(source=str(tiny_checkpoint), device="cpu", image_size=96, dtype="bfloat16")
    model = pickle.loads(pickle.dumps(choice)).load()
    assert model.config.image_size == 96
    assert model.dtype == torch.bfloat16
    assert model.device.type == "cpu"


def test_description(tiny_checkpoint) -> None:
    choice = ModelChoice(source=str(tiny_checkpoint), device="cpu", dtype="bfloat16")
    described = choice.describe()
    assert described["model"] == str(tiny_checkpoint)
    assert (described["image_size"], described["dtype"]) == (64, "bfloat16")
    assert described["weights"] == ModelChoice(source=str(tiny_checkpoint)).describe()["weights"]


def test_one_number_makes_another_model(tiny) -> None:
    model = Sam2(tiny)
    before = weights_hash(model)
    assert weights_hash(model) == before
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] += 1
    assert weights_hash(model) != before


def test_processes_take_turns_on_gpus(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(model_choice, "find_device", lambda name: torch.device(name or "cuda"))
    assert [str(ModelChoice().device_of(worker)) for worker in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert [str(ModelChoice(device="cuda:1").device_of(worker)) for worker in range(2)] == ["cuda:1", "cuda:1"]
    assert str(ModelChoice(device="cpu").device_of(1)) == "cpu"


def test_a_device_that_is_not_here() -> None:
    with pytest.raises(ValueError, match="cuda:99"):
        ModelChoice(device="cuda:99").load()
