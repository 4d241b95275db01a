"""The average beside a sum written out; exchanging it in and out."""

import copy

import pytest
import torch
from torch import nn

from masklet.training.average import WeightAverage


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    model[0].bias.requires_grad_(False)
    return model


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def walk(model: nn.Module) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))


def test_average_of_steps(model: nn.Module) -> None:
    average = WeightAverage(model, 0.5)
    expected = model[0].weight.detach().clone()
    for step in range(1, 12):
        walk(model)
        average.update(model)
        kept = min(0.5, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * model[0].weight.detach()
    torch.testing.assert_close(average.weights["0.weight"], expected)


def test_early_steps_forget_the_start(model: nn.Module) -> None:
    start = model[0].weight.detach().clone()
    average = WeightAverage(model, 0.999)
    with torch.no_grad():
        model[0].weight.add_(1)
    for _ in range(10):
        average.update(model)
    torch.testing.assert_close(average.weights["0.weight"], start + 1, atol=1e-2, rtol=0)


def test_exchanged_in_and_back_bit_for_bit(model: nn.Module) -> None:
    average = WeightAverage(model, 0.9)
    walk(model)
    average.update(model)
    model[1].running_mean.fill_(5)
    own, averaged = weights(model), copy.deepcopy(average.weights)
    with average.applied_to(model):
        inside = weights(model)
    assert torch.equal(inside["0.weight"], averaged["0.weight"])
    assert not torch.equal(inside["0.weight"], own["0.weight"])
    assert torch.equal(inside["0.bias"], own["0.bias"]), "frozen weights are the model's own"
    assert torch.equal(inside["1.running_mean"], own["1.running_mean"]), "and so are buffers"
    assert all(torch.equal(tensor, own[name]) for name, tensor in model.state_dict().items())
    assert all(torch.equal(tensor, averaged[name]) for name, tensor in average.weights.items())


def test_a_failure_inside_gives_the_weights_back(model: nn.Module) -> None:
    average = WeightAverage(model, 0.9)
    walk(model)
    own = weights(model)
    with pytest.raises(KeyError), average.applied_to(model):
        own["no such name"]
    assert all(torch.equal(tensor, own[name]) for name, tensor in model.state_dict().items())


def test_a_decay_that_cannot_be(model: nn.Module) -> None:
    with pytest.raises(ValueError, match="the decay of the average is 1, "):
        WeightAverage(model, 1)
