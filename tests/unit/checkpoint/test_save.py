"""Containers, and files that are whole or not there; `test_convert` reads back what is written."""

from pathlib import Path

import pytest
import torch

from masklet.checkpoint import save as saving
from masklet.checkpoint.files import CONFIG_KEY
from masklet.checkpoint.names import Layout
from masklet.checkpoint.save import container, save, save_model
from masklet.config import PRESETS
from masklet.model import Sam2


@pytest.mark.parametrize(
    ("path", "layout", "expected"),
    [
        ("a.pt", Layout.OFFICIAL, "a.pt"),
        ("a.safetensors", Layout.HF_IMAGE, "a.safetensors"),
        ("folder", Layout.HF_VIDEO, "folder/model.safetensors"),
    ],
)
def test_container(path, layout, expected):
    assert container(Path(path), layout) == Path(expected)


@pytest.mark.parametrize("layout", [Layout.OFFICIAL, Layout.MASKLET])
def test_a_folder_is_for_hugging_face_alone(layout):
    with pytest.raises(ValueError, match=r"must end in \.safetensors or \.pt"):
        container(Path("folder"), layout)


def test_an_official_file_states_a_configuration_only_where_it_must(tmp_path, config, make_state):
    save(tmp_path / "small.pt", make_state(config), config, Layout.OFFICIAL)
    assert CONFIG_KEY in torch.load(tmp_path / "small.pt", weights_only=True)
    nano = PRESETS["nano"]
    save(tmp_path / "nano.pt", make_state(nano), nano, Layout.OFFICIAL)
    assert set(torch.load(tmp_path / "nano.pt", weights_only=True)) == {"model"}


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, config, monkeypatch):
    path = tmp_path / "m.safetensors"
    path.write_text("old")

    def fail(*arguments: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(saving, "save_file", fail)
    with pytest.raises(OSError, match="no room"):
        save_model(Sam2(config), path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["m.safetensors"]


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt"])
def test_files_are_as_readable_as_any_new_file(tmp_path, name, config):
    save_model(Sam2(config), tmp_path / name)
    (tmp_path / "ordinary").touch()
    assert (tmp_path / name).stat().st_mode == (tmp_path / "ordinary").stat().st_mode
