import pytest
import torch

from masklet.checkpoint.layouts import foreign_name, from_native, is_memory_part, knows, native_name, to_native
from masklet.checkpoint.names import Layout
from masklet.config import PRESETS

FOREIGN = [Layout.OFFICIAL, Layout.HF_IMAGE, Layout.HF_VIDEO]


@pytest.mark.parametrize("layout", [Layout.OFFICIAL, Layout.HF_VIDEO])
@pytest.mark.parametrize("name", PRESETS)
def test_every_tensor_of_every_preset_has_one_name_in_each_layout(name, layout, meta_state):
    native = meta_state(PRESETS[name])
    foreign = from_native(native, layout)
    stacked_and_copied = {Layout.OFFICIAL: 4, Layout.HF_VIDEO: 2}[layout]
    assert len(foreign) == len(native) + stacked_and_copied
    assert all(knows(name, layout) for name in foreign)
    back = to_native(foreign, layout)
    assert {k: v.shape for k, v in back.items()} == {k: v.shape for k, v in native.items()}


@pytest.mark.parametrize("layout", FOREIGN)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_there_and_back_keeps_every_bit(layout, dtype, config, make_state):
    state = make_state(config, dtype)
    back = to_native(from_native(state, layout), layout)
    kept = [name for name in state if layout is not Layout.HF_IMAGE or not is_memory_part(name)]
    assert sorted(back) == sorted(kept)
    assert all(back[name].dtype == dtype and torch.equal(back[name], state[name]) for name in kept)


def test_names_go_both_ways():
    native = "mask_decoder.hypernetworks.3.layers.1.bias"
    assert foreign_name(native, Layout.OFFICIAL) == "sam_mask_decoder.output_hypernetworks_mlps.3.layers.1.bias"
    assert foreign_name(native, Layout.HF_VIDEO) == "mask_decoder.output_hypernetworks_mlps.3.layers.0.bias"
    assert native_name("mask_decoder.output_hypernetworks_mlps.3.layers.0.bias", Layout.HF_VIDEO) == native


def test_laterals_are_numbered_the_other_way_round():
    assert foreign_name("neck.laterals.0.weight", Layout.OFFICIAL) == "image_encoder.neck.convs.3.conv.weight"
    assert native_name("vision_encoder.neck.convs.0.weight", Layout.HF_VIDEO) == "neck.laterals.3.weight"


def test_label_rows_are_in_the_order_of_their_labels(config, make_state):
    state = make_state(config)
    labels = state["prompt_encoder.labels"]
    official = from_native(state, Layout.OFFICIAL)
    assert torch.equal(official["sam_prompt_encoder.not_a_point_embed.weight"], labels[:1])
    assert torch.equal(official["sam_prompt_encoder.point_embeddings.2.weight"], labels[3:4])
    assert torch.equal(from_native(state, Layout.HF_IMAGE)["prompt_encoder.point_embed.weight"], labels[1:])


@pytest.mark.parametrize("dropped", ["shared_image_embedding", "prompt_encoder.shared_embedding"])
def test_either_name_of_the_fourier_matrix_will_do(dropped, config, make_state):
    state = make_state(config)
    foreign = from_native(state, Layout.HF_VIDEO)
    del foreign[f"{dropped}.positional_embedding"]
    back = to_native(foreign, Layout.HF_VIDEO)
    assert torch.equal(back["prompt_encoder.frequencies"], state["prompt_encoder.frequencies"])


def test_copies_that_differ_are_refused(config, make_state):
    foreign = from_native(make_state(config), Layout.HF_VIDEO)
    name = "prompt_encoder.shared_embedding.positional_embedding"
    foreign[name] = foreign[name] + 1
    with pytest.raises(ValueError, match="are the same tensor in a SAM 2 model, but differ here"):
        to_native(foreign, Layout.HF_VIDEO)


def test_half_a_label_table_is_refused(config, make_state):
    foreign = from_native(make_state(config), Layout.OFFICIAL)
    del foreign["sam_prompt_encoder.point_embeddings.1.weight"]
    with pytest.raises(ValueError, match=r"missing: sam_prompt_encoder\.point_embeddings\.1\.weight"):
        to_native(foreign, Layout.OFFICIAL)


def test_a_tensor_of_no_model_has_no_foreign_name():
    with pytest.raises(ValueError, match=r"named 'trunk\.blocks\.0\.extra'"):
        from_native({"trunk.blocks.0.extra": torch.zeros(1)}, Layout.OFFICIAL)


def test_layouts_are_strings():
    assert Layout("official") is Layout.OFFICIAL
    assert str(Layout.HF_VIDEO) == "hf-video"
