"""Steps to try things out leave no trace."""

import pytest
import torch

from masklet.training.assemble import prepare_run
from masklet.training.trial import Trial


@pytest.fixture
def run(make_run):
    return prepare_run(make_run())


def make_trial(run) -> Trial:
    return Trial(run.model, run.lessons, run.config.optimiser, torch.device("cpu"))


def test_learns_and_forgets(run):
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    with make_trial(run) as trial:
        batch = trial.batch(0)
        losses = [trial.step(batch, 0).total.item() for _ in range(8)]
        assert any(not torch.equal(tensor, before[name]) for name, tensor in run.model.state_dict().items())
    assert losses[-1] < losses[0]
    assert all(torch.equal(tensor, before[name]) for name, tensor in run.model.state_dict().items())
    assert all(parameter.grad is None for parameter in run.model.parameters())


def test_forgets_after_an_error_too(run):
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    trial = make_trial(run)

    def interrupted() -> None:
        with trial:
            trial.step(trial.batch(0), 0)
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert all(torch.equal(tensor, before[name]) for name, tensor in run.model.state_dict().items())


def test_a_run_afterwards_is_as_without(make_run, tmp_path):
    tried, plain = (prepare_run(make_run(output=tmp_path / name)) for name in ("tried", "plain"))
    tried.estimate()
    for run in (tried, plain):
        run.train()
    ones, others = tried.model.state_dict(), plain.model.state_dict()
    assert all(torch.equal(ones[name], others[name]) for name in ones)


def test_batches_are_those_of_the_run(run):
    with make_trial(run) as trial:
        assert torch.equal(trial.batch(3).pixels, trial.batch(3).pixels)
        assert not torch.equal(trial.batch(3).pixels, trial.batch(4).pixels)
