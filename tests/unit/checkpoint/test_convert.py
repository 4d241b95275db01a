from dataclasses import replace
from itertools import product

import pytest
import torch

from masklet.checkpoint import files
from masklet.checkpoint.convert import convert, inspect
from masklet.checkpoint.names import Layout
from masklet.checkpoint.save import save, save_model
from masklet.checkpoint.strict import CheckpointMismatch
from masklet.config import PRESETS
from masklet.model import Sam2

WHOLE = [Layout.MASKLET, Layout.OFFICIAL, Layout.HF_VIDEO]
CONTAINERS = {
    Layout.MASKLET: ("m.safetensors", "m.pt"),
    Layout.OFFICIAL: ("o.pt",),
    Layout.HF_VIDEO: ("folder", "v.safetensors"),
    Layout.HF_IMAGE: ("images", "i.safetensors"),
}


def same(state, other):
    return sorted(state) == sorted(other) and all(
        state[name].dtype == other[name].dtype and torch.equal(state[name], other[name]) for name in state
    )


@pytest.mark.parametrize(("start", "over"), list(product(WHOLE, WHOLE)))
def test_conversions_there_and_back_keep_every_bit(start, over, config, make_state, tmp_path):
    dtype = torch.bfloat16
    for first, second in product(CONTAINERS[start], CONTAINERS[over]):
        source = save(tmp_path / "from" / first, make_state(config, dtype), config, start)
        info = convert(source, tmp_path / "over" / second, over)
        assert (info.layout, info.config, info.dtype) == (over, config, dtype)
        back = convert(info.path, tmp_path / "back" / first, start)
        assert same(files.read(back.path).state, files.read(source).state)


def test_2_0_converts_too(config_2_0, make_state, tmp_path):
    source = save(tmp_path / "o.pt", make_state(config_2_0), config_2_0, "official")
    assert convert(source, tmp_path / "hf", "hf-video").config == config_2_0
    assert files.read(tmp_path / "hf").hint == config_2_0


@pytest.mark.parametrize("layout", [Layout.HF_IMAGE, Layout.MASKLET])
def test_still_image_parts_convert_among_themselves_alone(layout, config, make_state, tmp_path):
    source = save(tmp_path / "images", make_state(config), config, Layout.HF_IMAGE)
    there = convert(source, tmp_path / "m.safetensors", layout)
    assert not there.has_memory
    assert there.layout is layout
    back = convert(there.path, tmp_path / "back", Layout.HF_IMAGE)
    assert same(files.read(back.path).state, files.read(source).state)
    for whole in ("official", "hf-video"):
        with pytest.raises(ValueError, match=f"the {whole} layout has memory"):
            convert(there.path, tmp_path / "whole.pt", whole)


def test_inspect_tells_what_a_file_is(make_state, tmp_path):
    config = PRESETS["nano"]
    state = make_state(config, torch.float16)
    total = sum(tensor.numel() for tensor in state.values())
    for layout, extra in ((Layout.MASKLET, 0), (Layout.OFFICIAL, 4), (Layout.HF_VIDEO, 2)):
        info = inspect(save(tmp_path / f"{layout}.safetensors", state, config, layout))
        assert (info.layout, info.variant, info.config) == (layout, "nano", config)
        assert (info.num_tensors, info.num_parameters) == (len(state) + extra, total)
        assert info.dtype == torch.float16
        assert info.has_memory
        assert not info.problems


def test_inspect_lists_problems_and_does_not_stop_at_them(make_state, tmp_path):
    state = make_state(PRESETS["nano"])
    del state["no_memory"]
    state["absence"] = state["absence"].half()
    torch.save({"model": state}, tmp_path / "m.pt")
    info = inspect(tmp_path / "m.pt")
    assert info.problems.missing == ("no_memory",)
    assert info.dtype is None


def test_a_model_of_another_make_converts_with_its_configuration(config, make_state, tmp_path):
    torch.save({"model": make_state(config)}, tmp_path / "m.pt")
    info = inspect(tmp_path / "m.pt")
    assert (info.layout, info.config, info.variant) == (Layout.MASKLET, None, None)
    with pytest.raises(ValueError, match=r"m\.pt: its trunk .* as config="):
        convert(tmp_path / "m.pt", tmp_path / "o.pt", "official")
    assert convert(tmp_path / "m.pt", tmp_path / "o.pt", "official", config=config).config == config


def test_a_conversion_to_itself_in_half_precision(config, make_state, tmp_path):
    state = make_state(config)
    path = save(tmp_path / "m.pt", state, config, "official")
    info = convert(path, path, "official", dtype=torch.float16)
    assert info.dtype == torch.float16
    assert [p.name for p in tmp_path.iterdir()] == ["m.pt"]


def test_what_is_not_whole_is_not_converted(config, make_state, tmp_path):
    state = make_state(config)
    del state["no_memory"]
    source = save(tmp_path / "m.safetensors", state, config)
    with pytest.raises(CheckpointMismatch, match=r"m\.safetensors does not fit .* 1 missing: no_memory"):
        convert(source, tmp_path / "o.pt", "official")
    assert not (tmp_path / "o.pt").exists()


def test_foreign_files_are_named(tmp_path):
    torch.save({"image_encoder.patch_embed.proj.weight": torch.zeros(1)}, tmp_path / "sam1.pt")
    for action in (inspect, lambda path: convert(path, tmp_path / "o.pt", "official")):
        with pytest.raises(ValueError, match=r"sam1\.pt: its tensors are not those of a SAM 2 model.* the first SAM"):
            action(tmp_path / "sam1.pt")


def test_a_model_saves_itself(config, tmp_path):
    model = Sam2(replace(config, image_size=96))
    info = inspect(save_model(model, tmp_path / "m.safetensors", dtype=torch.float16))
    assert info.config == model.config
    assert info.dtype == torch.float16
