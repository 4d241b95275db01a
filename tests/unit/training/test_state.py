"""A run's state: saved and restored whole, read without executing anything, refused where it does not fit."""

import os
import pickle
import signal
from dataclasses import replace

import pytest
import torch
from torch import nn

from masklet.training.assemble import build_model
from masklet.training.average import WeightAverage
from masklet.training.lora import LoraConfig
from masklet.training.optimise import OptimiserConfig, build_optimizer, freeze
from masklet.training.run_config import AverageConfig
from masklet.training.state import RunState, StopSignal, _read, settings_of


def make_state(config, optimiser=None) -> RunState:
    model = build_model(config.model, 0)
    optimiser = optimiser or config.optimiser
    freeze(model, optimiser)
    optimizer = build_optimizer(model, optimiser)
    return RunState(model, optimizer, WeightAverage(model, 0.9) if config.average else None)


def learn(state: RunState) -> None:
    """A step with gradients of its own for each weight; some have none."""
    for number, parameter in enumerate(state.model.parameters()):
        parameter.grad = (
            torch.full_like(parameter, number % 5 - 2.0) if parameter.requires_grad and number % 7 else None
        )
    state.optimizer.step()
    if state.average:
        state.average.update(state.model)
    state.step += 1


def same(one: RunState, other: RunState) -> bool:
    pairs = [(one.model.state_dict(), other.model.state_dict())]
    if one.average and other.average:
        pairs.append((one.average.weights, other.average.weights))
    return all(torch.equal(a[name], b[name]) for a, b in pairs for name in a)


def test_goes_on_to_the_same_bits(make_run, tmp_path):
    config = make_run()
    settings = settings_of(config, 1)
    state = make_state(config)
    learn(state)
    state.best = 0.5
    state.save(tmp_path / "state.pt", settings)
    other = make_state(config)
    assert other.restore(tmp_path / "state.pt", settings) == []
    assert (other.step, other.best) == (1, 0.5)
    assert same(state, other)
    for each in (state, other):
        learn(each)
    assert same(state, other)
    assert other.average.num_updates == 2


def test_other_rates_are_taken_over_with_a_remark_and_moments_stay_with_their_weights(make_run, tmp_path):
    config = make_run()
    state = make_state(config)
    learn(state)
    state.save(tmp_path / "state.pt", settings_of(config, 1))
    rates = OptimiserConfig(learning_rate=2e-3, rates={"mask_decoder.*": 1e-4, "neck.*": 3e-3}, weight_decay=0.0)
    changed = replace(config, optimiser=rates)
    other = make_state(changed)
    changes = other.restore(tmp_path / "state.pt", settings_of(changed, 2))
    assert "optimiser.learning_rate was 0.001, now 0.002" in changes
    assert "processes was 1, now 2" in changes
    assert {group["weight_decay"] for group in other.optimizer.param_groups} == {0.0}
    theirs = dict(other.model.named_parameters())
    for name, parameter in state.model.named_parameters():
        for key, value in state.optimizer.state.get(parameter, {}).items():
            assert torch.equal(other.optimizer.state[theirs[name]][key], value)


def test_where_it_is_written_is_no_change(make_run, tmp_path):
    one, other = make_run(), make_run(output=tmp_path / "elsewhere", devices=2)
    assert settings_of(one, 2) == settings_of(other, 2)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda config: {"model": replace(config.model, weights="nano")}, "began with another model"),
        (lambda config: {"model": replace(config.model, lora=LoraConfig())}, "began with another model"),
        (lambda config: {"optimiser": replace(config.optimiser, frozen=("trunk.*",))}, "trains other parameters"),
        (lambda config: {"average": None}, "an average"),
    ],
)
def test_another_run_is_refused_and_nothing_changed(make_run, tmp_path, change, why):
    config = make_run()
    state = make_state(config)
    learn(state)
    state.save(tmp_path / "state.pt", settings_of(config, 1))
    changed = replace(config, **change(config))
    other = make_state(changed)
    before = {name: tensor.clone() for name, tensor in other.model.state_dict().items()}
    with pytest.raises(ValueError, match=why):
        other.restore(tmp_path / "state.pt", settings_of(changed, 1))
    assert all(torch.equal(tensor, before[name]) for name, tensor in other.model.state_dict().items())
    assert other.step == 0


def test_the_model_itself_is_compared_too(make_run, tmp_path):
    config = replace(make_run(), average=None)
    small = nn.Linear(2, 2)
    state = RunState(small, torch.optim.AdamW(small.parameters()), None)
    state.save(tmp_path / "state.pt", settings_of(config, 1))
    with pytest.raises(ValueError, match="its model is another"):
        make_state(config).restore(tmp_path / "state.pt", settings_of(config, 1))


class Malicious:
    def __reduce__(self):
        return os._exit, (7,)


def test_nothing_in_a_file_is_executed(make_run, tmp_path):
    path = tmp_path / "state.pt"
    config = make_run()
    for write in (
        lambda: torch.save({"format": 1, "step": Malicious()}, path),
        lambda: path.write_bytes(b"PK\x03\x04"),
    ):
        write()
        with pytest.raises(ValueError, match=r"no saved state"):
            make_state(config).restore(path, settings_of(config, 1))
    path.write_bytes(pickle.dumps({"step": 1}, protocol=2))
    with pytest.raises(ValueError, match=r"state\.pt"):
        make_state(config).restore(path, settings_of(config, 1))
    torch.save({"format": 0}, path)
    with pytest.raises(ValueError, match="this version"):
        make_state(config).restore(path, settings_of(config, 1))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_damaged_file_is_named_wherever_the_damage_is(tmp_path):
    path = tmp_path / "state.pt"
    torch.save({"format": 1, "step": 1, "settings": {"a": "b"}}, path)
    whole, start = path.read_bytes(), path.read_bytes().index(b"format")
    complaints = []
    for place in range(start - 12, start + 60):
        path.write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
        try:
            _read(path)
        except ValueError as error:
            complaints.append(str(error))
    assert len(complaints) > 20
    assert all("state.pt is" in complaint for complaint in complaints)


def test_a_failure_leaves_the_last_state(make_run, tmp_path, monkeypatch):
    config = replace(make_run(), average=AverageConfig())
    state = make_state(config)
    state.save(tmp_path / "state.pt", settings_of(config, 1))
    before = (tmp_path / "state.pt").read_bytes()

    def fail(value, path):
        path.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(torch, "save", fail)
    learn(state)
    with pytest.raises(OSError, match="no space"):
        state.save(tmp_path / "state.pt", settings_of(config, 1))
    assert (tmp_path / "state.pt").read_bytes() == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_is_noted_and_the_second_is_not_held_back(number):
    def before(*_):
        raise RuntimeError("the handler that was there")

    kept = signal.signal(number, before)
    try:
        with StopSignal() as stop:
            os.kill(os.getpid(), number)
            assert stop.received
            with pytest.raises(RuntimeError):
                os.kill(os.getpid(), number)
        assert signal.getsignal(number) is before
    finally:
        signal.signal(number, kept)
