"""The config.json beside a Hugging Face checkpoint: a model's configuration in the words of `transformers`."""

from typing import Any

from masklet.checkpoint.names import Layout
from masklet.config import TRUNK_STRIDES, ModelConfig, preset
from masklet.model.hiera import MLP_RATIO
from masklet.model.memory_encoder import EXPANSION

_MODEL_TYPES = {Layout.HF_IMAGE: "sam2", Layout.HF_VIDEO: "sam2_video"}
_ARCHITECTURES = {Layout.HF_IMAGE: "Sam2Model", Layout.HF_VIDEO: "Sam2VideoModel"}
_MEMORY_DIM = 64
"""The one size that is written into the code of `transformers`."""

_FIELDS = {
    "prompt_encoder_config.image_size": "image_size",
    "image_size": "image_size",
    "vision_config.fpn_hidden_size": "dim",
    "vision_config.backbone_config.hidden_size": "trunk.embed_dim",
    "vision_config.backbone_config.blocks_per_stage": "trunk.stage_depths",
    "vision_config.backbone_config.window_size_per_stage": "trunk.window_sizes",
    "vision_config.backbone_config.global_attention_blocks": "trunk.global_blocks",
    "vision_config.backbone_config.window_positional_embedding_background_size": "trunk.position_grid",
    "mask_decoder_config.num_hidden_layers": "decoder.depth",
    "mask_decoder_config.num_attention_heads": "decoder.num_heads",
    "mask_decoder_config.mlp_dim": "decoder.mlp_dim",
    "mask_decoder_config.num_multimask_outputs": "decoder.num_multimasks",
    "memory_encoder_output_channels": "memory.dim",
    "memory_attention_num_layers": "memory.attention_layers",
    "memory_attention_feed_forward_hidden_size": "memory.attention_mlp_dim",
    "memory_fuser_num_layers": "memory.fuser_layers",
    "num_maskmem": "memory.num_memories",
    "max_object_pointers_in_encoder": "memory.max_pointers",
    "enable_temporal_pos_encoding_for_object_pointers": "pointer_time_encoding",
    "enable_occlusion_spatial_embedding": "absence_embedding",
}
"""Where config.json says what a field of `ModelConfig` is; of two places the later counts."""


def to_hf(config: ModelConfig, layout: Layout) -> dict[str, Any]:
    """What config.json says of a model; `transformers` builds the same one from it.

    ValueError where it cannot.
    """
    submodel = _MODEL_TYPES[layout]
    values = {
        "architectures": [_ARCHITECTURES[layout]],
        "model_type": submodel,
        "vision_config": _vision(config),
        "prompt_encoder_config": {
            "model_type": f"{submodel}_prompt_encoder",
            "hidden_size": config.dim,
            "image_size": config.image_size,
        },
        "mask_decoder_config": {
            "model_type": f"{submodel}_mask_decoder",
            "hidden_size": config.dim,
            "mlp_dim": config.decoder.mlp_dim,
            "num_hidden_layers": config.decoder.depth,
            "num_attention_heads": config.decoder.num_heads,
            "num_multimask_outputs": config.decoder.num_multimasks,
            "iou_head_hidden_dim": config.dim,
        },
    }
    return values | (_video(config) if layout is Layout.HF_VIDEO else {})


def _vision(config: ModelConfig) -> dict[str, Any]:
    trunk = config.trunk
    return {
        "model_type": "sam2_vision_model",
        "fpn_hidden_size": config.dim,
        "backbone_channel_list": list(reversed(trunk.stage_dims)),
        "backbone_feature_sizes": [[config.image_size // stride] * 2 for stride in TRUNK_STRIDES[:3]],
        "backbone_config": {
            "model_type": "sam2_hiera_det_model",
            "hidden_size": trunk.embed_dim,
            "num_attention_heads": trunk.num_heads,
            "image_size": [config.image_size] * 2,
            "window_positional_embedding_background_size": list(trunk.position_grid),
            "blocks_per_stage": list(trunk.stage_depths),
            "embed_dim_per_stage": list(trunk.stage_dims),
            "num_attention_heads_per_stage": list(trunk.stage_heads),
            "window_size_per_stage": list(trunk.window_sizes),
            "global_attention_blocks": list(trunk.global_blocks),
        },
    }


def _video(config: ModelConfig) -> dict[str, Any]:
    memory = config.memory
    if memory.dim != _MEMORY_DIM:
        raise ValueError(f"transformers' memory maps have {_MEMORY_DIM} channels, this model's have {memory.dim}")
    return {
        "image_size": config.image_size,
        "num_maskmem": memory.num_memories,
        "max_object_pointers_in_encoder": memory.max_pointers,
        "enable_temporal_pos_encoding_for_object_pointers": config.pointer_time_encoding,
        "enable_occlusion_spatial_embedding": config.absence_embedding,
        "memory_attention_hidden_size": config.dim,
        "memory_attention_num_layers": memory.attention_layers,
        "memory_attention_feed_forward_hidden_size": memory.attention_mlp_dim,
        "memory_attention_rope_feat_sizes": [config.embedding_side] * 2,
        "memory_encoder_hidden_size": config.dim,
        "memory_encoder_output_channels": memory.dim,
        "mask_downsampler_embed_dim": config.dim,
        "memory_fuser_num_layers": memory.fuser_layers,
        "memory_fuser_embed_dim": config.dim,
        "memory_fuser_intermediate_dim": EXPANSION * config.dim,
    }


def from_hf(values: dict[str, Any]) -> ModelConfig | None:
    """The configuration that a config.json states; None where it is not of a SAM 2 model.

    What it leaves out has the value of `transformers`, which is that of SAM 2.1 tiny. ValueError where the model is
    built in a way that masklet's is not.
    """
    if values.get("model_type") not in _MODEL_TYPES.values():
        return None
    fields = preset("sam2.1_hiera_tiny").to_dict()
    for theirs, ours in _FIELDS.items():
        part, _, field = ours.rpartition(".")
        place = fields[part] if part else fields
        place[field] = _get(values, theirs, place[field])
    # The heads that count: published files of the two larger models say 1 in `num_attention_heads`, and have 2.
    heads = _get(values, "vision_config.backbone_config.num_attention_heads_per_stage", None)
    fields["trunk"]["num_heads"] = heads[0] if heads else fields["trunk"]["num_heads"]
    # Still-image configurations have no memory; some width must divide the model's.
    if "memory_encoder_output_channels" not in values and fields["dim"] % _MEMORY_DIM:
        fields["memory"]["dim"] = fields["dim"]
    config = ModelConfig.from_dict(fields)
    _check(values, "vision_config.backbone_config.embed_dim_per_stage", list(config.trunk.stage_dims))
    _check(values, "vision_config.backbone_config.num_attention_heads_per_stage", list(config.trunk.stage_heads))
    _check(values, "vision_config.backbone_config.mlp_ratio", MLP_RATIO)
    _check(values, "vision_config.fpn_top_down_levels", [2, 3])
    return config


def _get(values: dict[str, Any], name: str, default: Any) -> Any:
    """What a dotted name leads to, through tables that may be left out."""
    *tables, last = name.split(".")
    for table in tables:
        values = values.get(table) or {}
    return values.get(last, default)


def _check(values: dict[str, Any], name: str, expected: Any) -> None:
    if (found := _get(values, name, expected)) != expected:
        raise ValueError(f"config.json has {name} {found}, where only {expected} is supported")
