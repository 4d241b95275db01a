from dataclasses import replace
from typing import Any

import pytest

from masklet.compat.transformers.config import (
    Sam2Config,
    Sam2HieraDetConfig,
    Sam2PromptEncoderConfig,
    Sam2VideoConfig,
    Sam2VisionConfig,
)
from masklet.compat.transformers.native_config import from_native, native
from masklet.config import PRESETS, MemoryConfig, ModelConfig, preset


def test_defaults_are_those_of_tiny():
    for kind in (Sam2Config, Sam2VideoConfig):
        assert native(kind()) == preset("sam2.1_hiera_tiny")


@pytest.mark.parametrize("name", PRESETS)
def test_every_published_model_has_a_video_configuration(name: str):
    assert native(from_native(PRESETS[name], Sam2VideoConfig)) == PRESETS[name]


PUBLISHED = {
    "tiny": {},
    "small": {"blocks_per_stage": [1, 2, 11, 2], "global_attention_blocks": [7, 10, 13]},
    "base_plus": {
        "hidden_size": 112,
        "embed_dim_per_stage": [112, 224, 448, 896],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "blocks_per_stage": [2, 3, 16, 3],
        "global_attention_blocks": [12, 16, 20],
        "window_positional_embedding_background_size": [14, 14],
    },
    "large": {
        "hidden_size": 144,
        "embed_dim_per_stage": [144, 288, 576, 1152],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "blocks_per_stage": [2, 6, 36, 4],
        "global_attention_blocks": [23, 33, 43],
        "window_size_per_stage": [8, 4, 16, 8],
    },
}
"""What the published config.json say of the trunk; all else but `num_attention_heads: 1`, which is wrong in two."""


@pytest.mark.parametrize("size", PUBLISHED)
def test_published_files_are_understood(size: str):
    trunk: dict[str, Any] = {"num_attention_heads": 1} | PUBLISHED[size]
    vision = {"backbone_config": trunk}
    if "embed_dim_per_stage" in trunk:
        vision["backbone_channel_list"] = trunk["embed_dim_per_stage"][::-1]
    for rotations in (
        {"memory_attention_rope_theta": 10000},
        {"rope_parameters": {"rope_theta": 1e4, "rope_type": "x"}},
    ):
        config = Sam2VideoConfig.from_dict({"model_type": "sam2_video", "vision_config": vision, **rotations})
        assert native(config) == preset(f"sam2.1_hiera_{size}")
    assert native(Sam2Config(vision_config=vision)) == preset(f"sam2.1_hiera_{size}")  # type: ignore[arg-type]


def test_an_image_configuration_leaves_the_memory_to_the_default(tiny: ModelConfig):
    found = native(from_native(tiny, Sam2Config))
    assert replace(found, memory=tiny.memory) == tiny
    with pytest.raises(ValueError, match="64 channels"):
        from_native(tiny, Sam2VideoConfig)


def test_parts_give_a_model_around_them(tiny: ModelConfig):
    config = from_native(replace(tiny, dim=64, memory=MemoryConfig()), Sam2VideoConfig)
    for part in (config.vision_config, config.vision_config.backbone_config):
        found = native(part)
        assert (found.trunk, found.image_size) == (tiny.trunk, tiny.image_size)
    assert native(config.vision_config).dim == 64
    assert native(Sam2VisionConfig()).trunk == preset("sam2.1_hiera_tiny").trunk
    assert native(Sam2HieraDetConfig()).trunk == preset("sam2.1_hiera_tiny").trunk


@pytest.mark.parametrize("size", [1024, [1024, 1024], (1024, 1024)])
def test_a_size_is_one_side_or_two(size: object):
    assert native(Sam2Config(prompt_encoder_config={"image_size": size})).image_size == 1024


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (Sam2Config(prompt_encoder_config={"image_size": [512, 1024]}), r"\[512, 1024\], but .* squares"),
        (Sam2Config(prompt_encoder_config=Sam2PromptEncoderConfig(hidden_act="relu")), "prompt_encoder_config.hidden_"),
        (Sam2Config(vision_config={"fpn_kernel_size": 3}), r"vision_config\.fpn_kernel_size is 3, .* must be 1"),
        (Sam2Config(vision_config={"backbone_config": {"patch_stride": 2}}), r"backbone_config\.patch_stride is 2"),
        (Sam2Config(mask_decoder_config={"hidden_size": 128}), r"mask_decoder_config\.hidden_size is 128, .* be 256"),
        (Sam2VideoConfig(memory_attention_num_attention_heads=2), "memory_attention_num_attention_heads is 2"),
        (Sam2VideoConfig(memory_attention_rope_theta=5), "rope_parameters"),
        (Sam2VideoConfig(sigmoid_scale_for_mem_enc=1.0), "sigmoid_scale_for_mem_enc"),
        (Sam2VideoConfig(image_size=512), r"feature_sizes is \[\[256, 256\].* must be \[\[128"),
    ],
)
def test_what_the_model_is_not_built_with_is_refused(config: Sam2Config | Sam2VideoConfig, named: str):
    with pytest.raises(ValueError, match=named):
        native(config)


def test_what_no_weight_depends_on_is_free():
    config = Sam2VideoConfig(
        max_cond_frame_num=3, memory_attention_dropout=0, initializer_range=1.0, output_attentions=True
    )
    config.vision_config.backbone_config.image_size = 512
    config.mask_decoder_config.dynamic_multimask_via_stability = False
    assert native(config) == preset("sam2.1_hiera_tiny")
    with pytest.raises(TypeError, match="config is a Sam2PromptEncoderConfig"):
        native(Sam2PromptEncoderConfig())
