"""The video half of the bundled model's recipe, at a small size."""

import sys
from pathlib import Path

import pytest
import torch

from masklet.checkpoint.save import save_model
from masklet.model import Sam2
from masklet.runtime.load import load_model
from masklet.training import nano_video

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


def test_rounds_train_memory_and_leave_features_as_they_are(model_config, pictures, tmp_path, monkeypatch):
    torch.manual_seed(0)
    start = save_model(Sam2(model_config), tmp_path / "start.safetensors")
    folder = tmp_path / "run"

    def train(*arguments: str) -> dict[str, torch.Tensor]:
        fixed = ("--sources", str(pictures), "--output", str(folder), "--weights", str(start), "--frames", "3")
        monkeypatch.setattr(sys, "argv", ["nano_video", *fixed, "--batch-size", "1", "--objects", "2", *arguments])
        with torch.random.fork_rng():
            nano_video.main()
        return load_model(folder / "model.safetensors", device="cpu").state_dict()

    before = load_model(start, device="cpu").state_dict()
    first = train("--steps", "2", "--begin")
    scale = first["memory_encoder.fuser.0.scale"]
    torch.testing.assert_close(scale, torch.full_like(scale, nano_video.FUSER_SCALE), atol=0.02, rtol=0)
    second = train("--steps", "3", "--decay-steps", "1", "--seed", "1")
    for name, weights in before.items():
        frozen = nano_video.FitConfig(steps=1, rates=nano_video.RATES).factor(name) == 0
        if frozen:
            torch.testing.assert_close(second[name], weights, atol=1e-3, rtol=1e-3)  # half precision in between
    assert any(not torch.equal(first[name], second[name]) for name in first if name.startswith("memory_attention"))
    assert torch.load(folder / "state.pt", weights_only=True)["step"] == 3


def test_a_blended_decoder_lies_halfway_and_is_not_trained(model_config, pictures, tmp_path, monkeypatch):
    models = [Sam2(model_config) for _ in range(2)]
    one, other = (save_model(model, tmp_path / f"{n}.safetensors") for n, model in enumerate(models))
    fixed = ("--sources", str(pictures), "--output", str(tmp_path / "run"), "--weights", str(one), "--frames", "3")
    monkeypatch.setattr(
        sys,
        "argv",
        ["nano_video", *fixed, "--blend", str(other), "--batch-size", "1", "--objects", "1", "--steps", "1"],
    )
    with torch.random.fork_rng():
        nano_video.main()
    found = load_model(tmp_path / "run" / "model.safetensors", device="cpu").state_dict()
    for name, weights in found.items():
        if name.startswith("mask_decoder"):
            halfway = (models[0].state_dict()[name] + models[1].state_dict()[name]) / 2
            torch.testing.assert_close(weights, halfway, atol=2e-3, rtol=2e-3)


def test_weights_are_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["nano_video", "--steps", "2", "--sources", "a", "--output", "b"])
    with pytest.raises(SystemExit):
        nano_video.main()
    assert "--weights" in capsys.readouterr().err
    assert not Path("b").exists()
