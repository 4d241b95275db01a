"""What we write for transformers, read by transformers."""

from dataclasses import replace

import pytest
import torch

from masklet.checkpoint import files
from masklet.checkpoint.hf_config import from_hf, to_hf
from masklet.checkpoint.layouts import from_native
from masklet.checkpoint.names import Layout
from masklet.checkpoint.recognise import recognise
from masklet.checkpoint.save import save
from masklet.config import PRESETS, MemoryConfig, ModelConfig

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

CLASSES = {
    Layout.HF_IMAGE: (transformers.Sam2Config, transformers.Sam2Model),
    Layout.HF_VIDEO: (transformers.Sam2VideoConfig, transformers.Sam2VideoModel),
}


@pytest.mark.parametrize("name", PRESETS)
def test_configurations_go_there_and_back(name):
    config = PRESETS[name].with_image_size(512)
    assert from_hf(to_hf(config, Layout.HF_VIDEO)) == config


def test_the_defaults_of_transformers_are_tiny():
    tiny = PRESETS["sam2.1_hiera_tiny"]
    assert from_hf({"model_type": "sam2_video"}) == tiny
    for config, _ in CLASSES.values():
        assert from_hf(config().to_dict()) == tiny


@pytest.mark.parametrize("name", ["sam2.1_hiera_base_plus", "sam2_hiera_large"])
def test_heads_are_those_of_the_stages_as_in_the_published_files(name):
    values = to_hf(PRESETS[name], Layout.HF_VIDEO)
    values["vision_config"]["backbone_config"]["num_attention_heads"] = 1
    assert from_hf(values) == PRESETS[name]


@pytest.mark.parametrize("layout", CLASSES)
@pytest.mark.parametrize("name", PRESETS)
def test_transformers_builds_the_same_tensors_from_our_config(name, layout, meta_state):
    config_class, model_class = CLASSES[layout]
    with torch.device("meta"):
        theirs = model_class(config_class.from_dict(to_hf(PRESETS[name], layout))).state_dict()
    ours = from_native(meta_state(PRESETS[name]), layout)
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


@pytest.mark.parametrize("layout", CLASSES)
def test_transformers_loads_our_folder_whole_and_we_load_what_it_saves(layout, config, make_state, tmp_path):
    state = make_state(config)
    save(tmp_path / "ours", state, config, layout)
    model, info = CLASSES[layout][1].from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(info.values()), info
    expected = from_native(state, layout)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())

    model.save_pretrained(tmp_path / "theirs")
    contents = files.read(tmp_path / "theirs")
    assert contents.config is None
    found = recognise(contents.state, contents.config, contents.hint)
    memory = MemoryConfig() if layout is Layout.HF_IMAGE else config.memory
    assert (found.layout, found.config) == (layout, replace(config, memory=memory))
    assert sorted(contents.state) == sorted(expected), "we write the names that transformers writes"


def test_the_image_model_of_transformers_loads_our_video_folder(config, make_state, tmp_path):
    save(tmp_path, make_state(config), config, Layout.HF_VIDEO)
    _, info = transformers.Sam2Model.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["mismatched_keys"]


def test_other_constructions_are_refused():
    for part in ({"mlp_ratio": 3.0}, {"embed_dim_per_stage": [96, 96, 96, 96]}):
        with pytest.raises(ValueError, match="is supported"):
            from_hf({"model_type": "sam2", "vision_config": {"backbone_config": part}})
    assert from_hf({"model_type": "sam3"}) is None
    assert isinstance(from_hf({"model_type": "sam2"}), ModelConfig)


@pytest.mark.parametrize("value", [None, 0, "32", 32.0])
def test_a_value_that_no_model_has_is_refused(value):
    with pytest.raises(ValueError, match=r"DecoderConfig\.mlp_dim is .*, but it must be"):
        from_hf({"model_type": "sam2", "mask_decoder_config": {"mlp_dim": value}})


def test_memory_of_a_width_that_transformers_cannot_have_is_refused():
    config = replace(PRESETS["nano"], memory=MemoryConfig(dim=32))
    with pytest.raises(ValueError, match="have 64 channels, this model's have 32"):
        to_hf(config, Layout.HF_VIDEO)
    assert to_hf(config, Layout.HF_IMAGE)
