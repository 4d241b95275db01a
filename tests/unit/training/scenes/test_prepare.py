"""The command that prepares one's own material, or the packages."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from masklet.training.scenes import SyntheticScenes, prepare
from masklet.training.scenes.still import ScenesConfig


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs the command; returns its exit code, what it printed, and its errors."""

    def run(*arguments: object) -> tuple[int, str, str]:
        command = ["prepare", "--root", tmp_path / "root", "--processes", 1, *arguments]
        monkeypatch.setattr(sys, "argv", [str(argument) for argument in command])
        code = prepare.main()
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    rgb = np.zeros((120, 160, 3), np.uint8)
    rgb[:60], rgb[60:] = (120, 170, 220), (60, 120, 40)
    rgb[30:90, 50:110] = (200, 60, 40)
    Image.fromarray(rgb).save(folder / "one.png")
    return folder


def test_photographs_become_scenes(run, photographs, tmp_path):
    pytest.importorskip("skimage")
    code, out, _ = run("--photographs", photographs)
    assert code == 0
    assert json.loads(out)["views"] == 1
    scene = SyntheticScenes(ScenesConfig(root=tmp_path / "root", image_size=64)).draw(0, np.random.default_rng(0))
    assert scene.masks.any()
    assert json.loads(run("--photographs", photographs)[1])["views"] == 0


def test_own_material_needs_no_packages(run, tmp_path, monkeypatch):
    def refuse(_: object) -> None:
        raise RuntimeError("nothing should be fetched")

    monkeypatch.setattr(prepare, "fetch", refuse)
    rgba = np.zeros((80, 80, 4), np.uint8)
    rgba[10:-10, 10:-10] = 255
    (tmp_path / "cutouts").mkdir()
    Image.fromarray(rgba).save(tmp_path / "cutouts" / "one.png")
    code, out, _ = run("--cutouts", tmp_path / "cutouts")
    assert (code, json.loads(out)["drawing"]) == (0, 1)
    code, _, errors = run("--cutouts", tmp_path / "cutouts", "--packages")
    assert code == 1
    assert "nothing should be fetched" in errors


def test_what_is_wrong_is_said_before_anything_is_prepared(run, photographs, tmp_path):
    code, _, errors = run("--photographs", photographs, tmp_path / "nowhere")
    assert code == 1
    assert str(tmp_path / "nowhere") in errors
    assert not (tmp_path / "root").exists()


def test_a_stop_is_no_error_to_be_puzzled_by(run, photographs, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, "prepare_cutouts", stop)
    code, _, errors = run("--photographs", photographs)
    assert code == 130
    assert "goes on from there" in errors
