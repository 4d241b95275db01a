"""`masklet models`, on a tiny model and on no network."""

import json
from pathlib import Path

import pytest
import torch

from masklet.checkpoint import registry
from masklet.cli.console import UsageError
from masklet.cli.main import main
from masklet.cli.models import convert_file, count_parameters, download, inspect_file, list_models
from masklet.config import PRESETS, preset
from masklet.runtime.load import load_model


def test_list_names_every_preset(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    cached = registry.PUBLISHED[0]
    monkeypatch.setattr(registry, "locate_cached", lambda entry: Path("/cache/x.pt") if entry is cached else None)
    list_models()
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["name", "parameters", "image size", "weights"]
    assert [row[0] for row in rows[1:]] == list(PRESETS)
    weights = {row[0]: row[3] for row in rows}
    assert weights[cached.name] == "/cache/x.pt"
    assert "facebook/sam2.1-hiera-tiny" in weights["sam2.1_hiera_tiny"]


def test_parameters_are_those_of_the_published_models() -> None:
    assert count_parameters(preset("sam2.1_hiera_tiny")) == "39.0 M"
    assert count_parameters(preset("sam2.1_hiera_large")) == "224.4 M"


def test_download_prints_the_path(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "download", lambda entry: Path("/cache") / entry.pt_file)
    download("facebook/sam2.1-hiera-tiny")
    assert capsys.readouterr().out == f"{Path('/cache/sam2.1_hiera_tiny.pt')}\n"


@pytest.mark.parametrize(("name", "words"), [("nano", "comes with masklet"), ("sam3", "sam2.1_hiera_tiny")])
def test_what_cannot_be_downloaded_is_misuse(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        download(name)


def test_failed_download_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(entry: registry.Published) -> Path:
        raise ConnectionError(f"{entry.name} cannot be downloaded now")

    monkeypatch.setattr(registry, "download", fail)
    assert main(["models", "download", "sam2.1_hiera_tiny"]) == 1
    assert capsys.readouterr().err == "masklet: sam2.1_hiera_tiny cannot be downloaded now\n"


def test_conversion_there_and_back(tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    convert_file(tiny_checkpoint, tmp_path / "a.safetensors", to="masklet")
    convert_file(tmp_path / "a.safetensors", tmp_path / "b.pt", to="official")
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        str(tmp_path / "a.safetensors"),
        str(tmp_path / "b.pt"),
    ]
    before = load_model(tiny_checkpoint, device="cpu").state_dict()
    after = load_model(tmp_path / "b.pt", device="cpu").state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_unknown_layout_is_misuse(tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "convert", str(tiny_checkpoint), str(tmp_path / "x.pt"), "--to", "onnx"]) == 2
    assert "hf-video" in capsys.readouterr().err
    assert not (tmp_path / "x.pt").exists()


def test_a_whole_checkpoint_has_no_problems(tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect_file(tiny_checkpoint) == 0
    rows = dict(line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert rows["layout"] == "masklet"
    assert rows["problems"] == "none"
    assert rows["memory"] == "yes"
    assert rows["image size"] == "64 px"
    assert rows["tensors"].endswith("of float32")


def test_missing_tensors_are_told(tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contents = torch.load(tiny_checkpoint, weights_only=True)
    gone = next(name for name in contents["model"] if name.startswith("mask_decoder."))
    del contents["model"][gone]
    torch.save(contents, tmp_path / "part.pt")
    assert inspect_file(tmp_path / "part.pt") == 1
    assert gone in capsys.readouterr().out


def test_a_nameless_model_without_configuration(tiny_checkpoint: Path, tmp_path: Path) -> None:
    contents = torch.load(tiny_checkpoint, weights_only=True)
    torch.save({"model": contents["model"]}, tmp_path / "bare.pt")
    assert inspect_file(tmp_path / "bare.pt") == 1


def test_a_file_that_is_no_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.pt").write_text(json.dumps({"a": 1}))
    assert main(["models", "inspect", str(tmp_path / "x.pt")]) == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "x.pt" in captured.err
