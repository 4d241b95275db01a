"""The bundled model's recipe from prepared pictures to loadable weights, at a small size."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from masklet.checkpoint.convert import inspect
from masklet.config import preset
from masklet.model.two_way import Attention
from masklet.runtime.load import load_model
from masklet.training import nano

SIDE = 64
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


@pytest.fixture
def train(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`train("--steps", "2")`: the recipe with these arguments; the run's folder."""

    def call(*arguments: str) -> Path:
        folder = tmp_path / "run"
        fixed = ("--sources", str(pictures), "--output", str(folder), "--image-size", str(SIDE))
        monkeypatch.setattr(sys, "argv", ["nano", *fixed, "--batch-size", "1", "--objects", "2", *arguments])
        with torch.random.fork_rng():
            nano.main()
        return folder

    return call


def test_two_steps_and_one_more(train):
    """Half-precision weights that load; and a second round that goes on from the first."""
    folder = train("--steps", "2")
    assert sorted(path.name for path in folder.iterdir()) == ["average.safetensors", "model.safetensors", "state.pt"]
    weights = folder / "model.safetensors"
    info = inspect(weights)
    assert info.dtype == torch.float16
    assert info.config == preset("nano").with_image_size(SIDE)
    assert not info.problems
    first = load_model(weights, device="cpu").state_dict()
    state = torch.load(folder / "state.pt", weights_only=True)
    averaged = load_model(folder / "average.safetensors", device="cpu").state_dict()
    for name in first:
        torch.testing.assert_close(first[name], state["model"][name].half().float())
        torch.testing.assert_close(averaged[name], state["average"][name].half().float())

    train("--steps", "3", "--decay-steps", "1", "--seed", "1")
    assert torch.load(folder / "state.pt", weights_only=True)["step"] == 3
    second = load_model(weights, device="cpu").state_dict()
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_a_new_run_starts_where_a_click_looks_at_its_own_place(train):
    folder = train("--steps", "1", "--learning-rate", "0")
    model = load_model(folder / "average.safetensors", device="cpu")
    attentions = [module for module in model.mask_decoder.modules() if isinstance(module, Attention)]
    assert attentions
    for attention in attentions:
        assert torch.equal(attention.q_projection.weight, attention.k_projection.weight)


def test_the_log_tells_how_it_goes(train, monkeypatch, capsys):
    class Chatty(nano.FitConfig):
        def __init__(self, **values: object) -> None:
            super().__init__(**values, log_every=1)

    monkeypatch.setattr(nano, "FitConfig", Chatty)
    folder = train("--steps", "1")
    lines = (folder / "log.jsonl").read_text().splitlines()
    assert capsys.readouterr().out.splitlines() == lines
    assert json.loads(lines[0])["step"] == 1


def test_folders_are_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["nano", "--steps", "2"])
    with pytest.raises(SystemExit):
        nano.main()
    assert "required: --sources, --" in capsys.readouterr().err
