from dataclasses import replace

import pytest
import torch

from masklet.checkpoint.layouts import from_native
from masklet.checkpoint.names import Layout
from masklet.checkpoint.recognise import UnknownArchitecture, find_layout, recognise
from masklet.config import PRESETS, DecoderConfig, MemoryConfig


@pytest.mark.parametrize("layout", [Layout.MASKLET, Layout.OFFICIAL, Layout.HF_VIDEO])
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_told_by_its_shapes_in_every_layout(name, layout, meta_state):
    found = recognise(from_native(meta_state(PRESETS[name]), layout))
    assert found.layout is layout
    assert found.variant == name
    assert found.config == PRESETS[name]
    assert found.has_memory


@pytest.mark.parametrize("size", ["tiny", "small", "base_plus", "large"])
def test_an_image_only_checkpoint_is_told_and_counts_as_2_1(size, meta_state):
    for generation in ("sam2", "sam2.1"):
        found = recognise(from_native(meta_state(PRESETS[f"{generation}_hiera_{size}"]), Layout.HF_IMAGE))
        assert found.layout is Layout.HF_IMAGE
        assert found.variant == f"sam2.1_hiera_{size}"
        assert not found.has_memory


def test_other_sizes_around_a_known_trunk_are_read_from_shapes(meta_state):
    config = replace(
        PRESETS["sam2.1_hiera_tiny"],
        decoder=DecoderConfig(depth=3, mlp_dim=1024, num_multimasks=4),
        memory=MemoryConfig(dim=32, attention_layers=2, attention_mlp_dim=512, fuser_layers=3, num_memories=5),
        pointer_time_encoding=False,
    )
    found = recognise(from_native(meta_state(config), Layout.OFFICIAL))
    assert found.config == config
    assert found.variant is None


def test_an_unknown_trunk_asks_for_the_configuration(config, meta_state):
    state = from_native(meta_state(config), Layout.OFFICIAL)
    with pytest.raises(UnknownArchitecture, match=r"width 16, stages of \(1, 2, 3, 1\) blocks.*as config="):
        recognise(state)
    assert recognise(state, config).config == config
    assert recognise(state, hint=config).config == config


def test_a_hint_gives_what_shapes_do_not_tell(meta_state):
    hint = PRESETS["sam2.1_hiera_tiny"].with_image_size(512)
    found = recognise(from_native(meta_state(PRESETS["sam2_hiera_tiny"]), Layout.HF_VIDEO), hint=hint)
    assert found.config == PRESETS["sam2_hiera_tiny"].with_image_size(512)
    assert found.variant == "sam2_hiera_tiny"


def test_a_few_unknown_tensors_do_not_hide_the_layout(meta_state):
    state = from_native(meta_state(PRESETS["nano"]), Layout.OFFICIAL)
    state["head.weight"] = torch.zeros(1)
    assert find_layout(state) is Layout.OFFICIAL


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["image_encoder.patch_embed.proj.weight", "prompt_encoder.no_mask_embed.weight"], "the first SAM"),
        (["bert.embeddings.weight", "bert.pooler.bias"], "the first of 2 is 'bert.embeddings.weight'"),
        ([], "there are none"),
    ],
)
def test_other_models_are_refused(names, message):
    with pytest.raises(ValueError, match=message):
        recognise({name: torch.zeros(1) for name in names})


def test_a_missing_key_tensor_is_named(meta_state):
    state = meta_state(PRESETS["nano"])
    del state["trunk.window_position"]
    with pytest.raises(ValueError, match=r"trunk\.window_position"):
        recognise(state)


def test_another_number_of_stages_is_refused(meta_state):
    state = {k: v for k, v in meta_state(PRESETS["nano"]).items() if "blocks.1.shortcut" not in k}
    with pytest.raises(ValueError, match="3 stages"):
        recognise(state)
