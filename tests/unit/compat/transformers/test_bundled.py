"""The bundled model in the classes of `transformers`; what it finds is in tests/integration/test_transformers_guide."""

import atexit
from functools import partial
from pathlib import Path

import pytest
import torch

import masklet
from masklet.compat.transformers.auto import AutoModel, AutoProcessor
from masklet.compat.transformers.bundled import bundled_folder
from masklet.compat.transformers.image_processor import Sam2ImageProcessor
from masklet.compat.transformers.model import Sam2Model
from masklet.compat.transformers.video_model import Sam2VideoModel
from masklet.compat.transformers.video_processor import Sam2VideoProcessor


def test_it_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nano").mkdir()  # the name comes first, as in masklet.load_model
    expected = masklet.load_model("nano", device="cpu")
    model = Sam2VideoModel.from_pretrained("nano", local_files_only=True)
    assert model.name_or_path == "nano"
    assert all(torch.equal(tensor, expected.state_dict()[name]) for name, tensor in model.engine.state_dict().items())
    assert Sam2Model.from_pretrained("nano").engine.config.image_size == expected.config.image_size
    assert type(AutoModel.from_pretrained("nano")) is Sam2VideoModel
    assert type(AutoProcessor.from_pretrained("nano")) is Sam2VideoProcessor
    side = expected.config.image_size
    assert Sam2ImageProcessor.from_pretrained("nano").size == {"height": side, "width": side}
    assert AutoProcessor.from_pretrained("nano").video_processor.size == {"height": side, "width": side}


def test_its_folder_is_made_once_and_goes_with_the_process(monkeypatch: pytest.MonkeyPatch):
    assert bundled_folder() is bundled_folder()
    at_exit = []
    monkeypatch.setattr(atexit, "register", lambda *args, **kwargs: at_exit.append(partial(*args, **kwargs)))
    made = bundled_folder.__wrapped__()
    assert sorted(path.name for path in made.iterdir()) == [
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    at_exit[0]()
    assert not made.exists()
