"""Configurations: the presets' numbers, what follows from them, dictionaries there and back, errors that name."""

import json
from dataclasses import FrozenInstanceError, replace

import pytest

from masklet.config import PRESETS, MemoryConfig, ModelConfig, TrunkConfig, is_nano, preset, suited_speck_area

TRUNKS = {  # width, heads, depths, windows, blocks that see all, side of the position grid
    "tiny": (96, 1, (1, 2, 7, 2), (8, 4, 14, 7), (5, 7, 9), 7),
    "small": (96, 1, (1, 2, 11, 2), (8, 4, 14, 7), (7, 10, 13), 7),
    "base_plus": (112, 2, (2, 3, 16, 3), (8, 4, 14, 7), (12, 16, 20), 14),
    "large": (144, 2, (2, 6, 36, 4), (8, 4, 16, 8), (23, 33, 43), 7),
}


def test_the_names():
    assert set(PRESETS) == {"nano"} | {f"sam2{version}_hiera_{size}" for version in ("", ".1") for size in TRUNKS}


@pytest.mark.parametrize("version", ["", ".1"])
@pytest.mark.parametrize("size", TRUNKS)
def test_the_released_models(version, size):
    config = preset(f"sam2{version}_hiera_{size}")
    width, heads, depths, windows, blocks, grid = TRUNKS[size]
    trunk = config.trunk
    assert (trunk.embed_dim, trunk.num_heads, trunk.position_grid) == (width, heads, (grid, grid))
    assert (trunk.stage_depths, trunk.window_sizes, trunk.global_blocks) == (depths, windows, blocks)
    assert (config.image_size, config.dim) == (1024, 256)
    assert config.pointer_time_encoding is config.absence_embedding is (version == ".1")
    decoder, memory = config.decoder, config.memory
    assert (decoder.depth, decoder.num_heads, decoder.mlp_dim, decoder.num_multimasks) == (2, 8, 2048, 3)
    assert (memory.dim, memory.attention_layers, memory.attention_mlp_dim, memory.fuser_layers) == (64, 4, 2048, 2)
    assert (memory.num_memories, memory.max_pointers) == (7, 16)


def test_2_1_differs_from_2_0_in_two_switches():
    for size in TRUNKS:
        older = replace(preset(f"sam2.1_hiera_{size}"), pointer_time_encoding=False, absence_embedding=False)
        assert preset(f"sam2_hiera_{size}") == older


def test_what_follows_from_the_trunk():
    trunk = preset("sam2.1_hiera_large").trunk
    assert trunk.stage_dims == (144, 288, 576, 1152)
    assert trunk.stage_heads == (2, 4, 8, 16)
    assert trunk.depth == 48
    assert max(trunk.global_blocks) < trunk.depth


@pytest.mark.parametrize(("size", "embedding", "mask"), [(1024, 64, 256), (256, 16, 64), (96, 6, 24)])
def test_what_follows_from_the_image_size(size, embedding, mask):
    config = preset("sam2.1_hiera_tiny").with_image_size(size)
    assert (config.image_size, config.embedding_side, config.mask_side) == (size, embedding, mask)


def test_another_image_size_is_another_configuration():
    config = preset("nano")
    assert config.with_image_size(None) is config
    assert config.with_image_size(512) == replace(config, image_size=512)
    assert config.image_size == 288


def test_configurations_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        preset("nano").dim = 8  # type: ignore[misc]


@pytest.mark.parametrize("name", PRESETS)
def test_dictionaries_there_and_back(name):
    config = PRESETS[name]
    assert ModelConfig.from_dict(config.to_dict()) == config
    through_json = ModelConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert through_json == config
    assert hash(through_json) == hash(config), "lists of JSON have become tuples"


def test_what_a_dictionary_leaves_out_has_its_default():
    assert ModelConfig.from_dict({}) == ModelConfig()
    config = ModelConfig.from_dict({"image_size": 64, "trunk": {"embed_dim": 8}})
    assert config == ModelConfig(image_size=64, trunk=TrunkConfig(embed_dim=8))


def test_a_dictionary_may_hold_configurations():
    trunk = TrunkConfig(embed_dim=8)
    assert ModelConfig.from_dict({"trunk": trunk}).trunk is trunk


@pytest.mark.parametrize(
    ("values", "owner", "field"),
    [
        ({"image_sise": 64}, "ModelConfig", "image_sise"),
        ({"trunk": {"embed_dims": 8}}, "TrunkConfig", "embed_dims"),
        ({"decoder": {"layers": 2}}, "DecoderConfig", "layers"),
        ({"memory": {"size": 2}}, "MemoryConfig", "size"),
    ],
)
def test_an_unknown_field_is_named(values, owner, field):
    with pytest.raises(ValueError, match=f"{owner} has no field {field}; its fields are "):
        ModelConfig.from_dict(values)


@pytest.mark.parametrize(("size", "instead"), [(0, 32), (-64, 32), (33, 32), (1000, 992), (255, 256)])
def test_a_wrong_image_size_is_named_with_one_that_would_do(size, instead):
    with pytest.raises(ValueError, match=rf"image_size is {size}, .* multiple of 32.*: {instead} would do"):
        ModelConfig(image_size=size)


def test_the_memorys_width_must_divide_the_models():
    with pytest.raises(ValueError, match=r"dim 96 is not a multiple of memory\.dim 64"):
        ModelConfig(dim=96)
    assert ModelConfig(dim=96, memory=MemoryConfig(dim=32)).dim == 96


def test_an_unknown_name_lists_the_names_there_are():
    with pytest.raises(ValueError, match=r"'sam3'.*nano"):
        preset("sam3")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trunk": 5}, "TrunkConfig is made of a dictionary.*5"),
        ({"dim": "256"}, "ModelConfig.dim is '256'"),
        ({"dim": True}, "ModelConfig.dim is True"),
        ({"memory": {"dim": 0}}, "MemoryConfig.dim is 0.*at least 1"),
        ({"image_size": "64"}, "ModelConfig.image_size is '64'"),
        ({"absence_embedding": 1}, "absence_embedding is 1.*true or false"),
        ({"trunk": {"stage_depths": [1, 2]}}, r"stage_depths is \[1, 2\].*4 whole numbers"),
        ({"trunk": {"window_sizes": [7, 4, 4, 2]}}, "must be even"),
        ({"trunk": {"global_blocks": [5.5]}}, r"global_blocks is \[5.5\]"),
        ({"trunk": {"stage_depths": [1, 1, 2, 1], "global_blocks": [2]}}, r"global_blocks \[2\] cannot be"),
        ({"trunk": {"stage_depths": [1, 1, 2, 1], "global_blocks": [9]}}, r"global_blocks \[9\] cannot be"),
    ],
)
def test_wrong_values_are_named(values, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig.from_dict(values)


def test_nano_is_known_at_any_size():
    assert is_nano(preset("nano").with_image_size(96))
    assert not is_nano(preset("sam2.1_hiera_tiny"))


def test_masks_of_nano_are_cleaned_of_more_at_larger_sizes():
    areas = [suited_speck_area(preset("nano").with_image_size(side)) for side in (96, 288)]
    assert areas == pytest.approx([1.728, 15.552])
    assert suited_speck_area(preset("sam2.1_hiera_tiny")) == 0
