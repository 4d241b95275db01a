import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

from masklet.checkpoint import locate, registry
from masklet.checkpoint.layouts import is_memory_part
from masklet.checkpoint.save import save_model
from masklet.checkpoint.strict import CheckpointMismatch
from masklet.config import PRESETS, ModelConfig
from masklet.model import Sam2
from masklet.runtime.load import default_device, load_model


@pytest.fixture
def small(tiny: ModelConfig) -> Sam2:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Sam2(tiny).eval()


@pytest.fixture
def file(small: Sam2, tmp_path: Path) -> Path:
    return save_model(small, tmp_path / "small.safetensors")


def pixels(config: ModelConfig) -> torch.Tensor:
    return torch.randn(1, 3, config.image_size, config.image_size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "layout"), [("m.pt", "official"), ("m.safetensors", "masklet"), ("m", "hf-image"), ("m.pt", "hf-video")]
)
def test_a_loaded_model_gives_the_saved_models_numbers(name, layout, small, tmp_path, tiny):
    path = save_model(small, tmp_path / name, layout)
    for source in (path, str(path)):
        model = load_model(source, device="cpu")
        assert not model.training
        assert all(parameter.requires_grad for parameter in model.parameters())
        with torch.inference_mode():
            ours, theirs = model.encode_image(pixels(tiny)), small.encode_image(pixels(tiny))
        assert torch.equal(ours.stride16, theirs.stride16)
        assert torch.equal(ours.stride4, theirs.stride4)


def test_loading_leaves_the_random_numbers_alone(file):
    before = torch.get_rng_state()
    load_model(file, device="cpu")
    assert torch.equal(torch.get_rng_state(), before)


def test_half_precision_files_become_float32_unless_asked(small, tmp_path, tiny):
    path = save_model(small, tmp_path / "half.safetensors", dtype=torch.float16)
    assert load_model(path, device="cpu").dtype == torch.float32
    model = load_model(path, device="cpu", dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert {buffer.dtype for buffer in model.buffers()} == {torch.float32}
    features = model.encode_image(pixels(tiny).bfloat16())
    assert features.stride16.dtype == torch.bfloat16


def test_another_image_size_is_the_models_own(file, tiny):
    model = load_model(file, device="cpu", image_size=96)
    assert model.config == replace(tiny, image_size=96)
    assert model.encode_image(pixels(model.config)).stride16.shape[-1] == 6
    with pytest.raises(ValueError, match="image_size is 100, but it must be a positive multiple of 32"):
        load_model(file, image_size=100)


def test_a_model_of_another_make_takes_its_configuration_from_the_caller(small, tmp_path, tiny):
    torch.save({"model": small.state_dict()}, tmp_path / "bare.pt")
    with pytest.raises(ValueError, match=r"bare\.pt: its trunk .*config="):
        load_model(tmp_path / "bare.pt")
    assert load_model(tmp_path / "bare.pt", device="cpu", config=tiny).config == tiny


def test_a_configuration_that_does_not_fit_is_an_error(file, tiny):
    config = replace(tiny, decoder=replace(tiny.decoder, mlp_dim=64))
    with pytest.raises(CheckpointMismatch, match=r"mlp\.layers\.0\.weight is \(32, 32\), not \(64, 32\)"):
        load_model(file, config=config)


def test_a_folder_and_a_home_folder(file, monkeypatch, tiny):
    assert load_model(file.parent, device="cpu").config == tiny
    monkeypatch.setenv("HOME", str(file.parent))
    assert load_model(f"~{os.sep}{file.name}", device="cpu").config == tiny


def test_names_and_files_that_are_not_there_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"no model is named 'sam3'.* the names are nano, sam2_hiera_tiny, .*large"):
        load_model("sam3")
    for source in ("sam2.pt", "folder/weights", Path("sam2"), str(tmp_path / "x")):
        with pytest.raises(FileNotFoundError, match="there is no file"):
            load_model(source)


@pytest.mark.parametrize("source", ["sam2.1_hiera_tiny", "facebook/sam2.1-hiera-tiny"])
def test_published_names_offline_are_one_clear_sentence(source, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConnectionError, match=r"sam2\.1_hiera_tiny is not in the cache .*HF_HUB_OFFLINE.*'nano'"):
        load_model(source)


def test_a_published_name_is_loaded_from_where_it_was_downloaded_to(small, tmp_path, monkeypatch, tiny):
    path = save_model(small, tmp_path / "sam2.1_hiera_tiny.pt", "official")
    asked = []
    monkeypatch.setattr(registry, "download", lambda published: asked.append(published.repo_id) or path)
    (tmp_path / "sam2.1_hiera_tiny").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_model("sam2.1_hiera_tiny", device="cpu").config == tiny, "a folder of that name is nothing to it"
    assert asked == ["facebook/sam2.1-hiera-tiny"]


def test_the_bundled_model_is_found_or_its_absence_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(locate.resources, "files", lambda package: tmp_path)
    with pytest.raises(FileNotFoundError, match="the weights of 'nano', which come with masklet, are not in this"):
        load_model()
    model = Sam2(PRESETS["nano"])
    save_model(model, tmp_path / "weights" / "nano.safetensors", dtype=torch.float16)
    assert load_model(device="cpu").config == PRESETS["nano"]


def test_the_default_device_is_one_that_there_is(file):
    assert load_model(file).device.type == default_device().type


@pytest.mark.parametrize(("name", "layout"), [("m.safetensors", "masklet"), ("m", "hf-image")])
def test_compiling_changes_no_weights_and_no_names(name, layout, small, tmp_path, monkeypatch, tiny):
    """All parts that a model has; memory attention for any length of memory."""
    path = save_model(small, tmp_path / name, layout)
    compiled = {}
    monkeypatch.setattr(torch.nn.Module, "compile", lambda module, **how: compiled.update({type(module).__name__: how}))
    model = load_model(path, device="cpu", compile=True)
    expected = {"Hiera": {}, "Neck": {}, "PromptEncoder": {}, "MaskDecoder": {}}
    if layout == "masklet":
        expected |= {"MemoryEncoder": {}, "MemoryAttention": {"dynamic": True}}
    assert compiled == expected
    names = list(Sam2(tiny).state_dict())
    assert list(model.state_dict()) == [name for name in names if layout == "masklet" or not is_memory_part(name)]


COMPILED = """
import sys, torch
from masklet.runtime.load import load_model
pixels = torch.randn(1, 3, 64, 64)
with torch.inference_mode():
    a, b = (load_model(sys.argv[1], device="cpu", compile=c).encode_image(pixels).stride16 for c in (False, True))
torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)
"""


@pytest.mark.slow
def test_a_compiled_model_gives_the_same_numbers(file):
    # In a process of its own: the compiler cannot trace the checks of shapes that the tests run with.
    done = subprocess.run([sys.executable, "-c", COMPILED, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dtype": "float32"}, "dtype is 'float32'"),
        ({"dtype": torch.int8}, r"dtype is torch\.int8"),
        ({"device": "gpu"}, "no device is called 'gpu'"),
        ({"device": "cuda:99"}, "no device 'cuda:99'"),
        ({"device": "meta"}, "no device 'meta'"),
        ({"image_size": 96.0}, r"96\.0.*whole number"),
        ({"image_size": "256"}, "'256'.*whole number"),
    ],
)
def test_wrong_arguments_are_named(file, wrong, message):
    with pytest.raises(ValueError, match=message):
        load_model(file, **wrong)


def test_an_empty_name():
    with pytest.raises(ValueError, match="name is empty"):
        load_model("")
