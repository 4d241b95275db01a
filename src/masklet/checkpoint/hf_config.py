"""The config.json beside a Hugging Face checkpoint: a model's configuration in the words of `transformers`."""

from typing import Any

from masklet.checkpoint.names import Layout
from masklet.config import DecoderConfig, MemoryConfig, ModelConfig, TrunkConfig

_MODEL_TYPES = {Layout.HF_IMAGE: "sam2", Layout.HF_VIDEO: "sam2_video"}
_ARCHITECTURES = {Layout.HF_IMAGE: "Sam2Model", Layout.HF_VIDEO: "Sam2VideoModel"}
_FUSER_EXPANSION = 4
_MEMORY_DIM = 64
"""The one size that is written into the code of `transformers`."""


def to_hf(config: ModelConfig, layout: Layout) -> dict[str, Any]:
    """What config.json says of a model; `transformers` builds the same one from it.

    ValueError where it cannot.
    """
    submodel = _MODEL_TYPES[layout]
    values = {
        "architectures": [_ARCHITECTURES[layout]],
        "model_type": _MODEL_TYPES[layout],
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
        "backbone_feature_sizes": [[config.image_size // stride] * 2 for stride in (4, 8, 16)],
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
        "memory_fuser_intermediate_dim": _FUSER_EXPANSION * config.dim,
    }


def from_hf(values: dict[str, Any]) -> ModelConfig | None:
    """The configuration that a config.json states; None where it is not of a SAM 2 model.

    What it leaves out has the value of `transformers`, which is that of SAM 2.1 tiny. ValueError where the model is
    built in a way that masklet's is not.
    """
    if values.get("model_type") not in _MODEL_TYPES.values():
        return None
    vision = values.get("vision_config") or {}
    backbone = vision.get("backbone_config") or {}
    prompts = values.get("prompt_encoder_config") or {}
    decoder = values.get("mask_decoder_config") or {}
    trunk = TrunkConfig(
        embed_dim=backbone.get("hidden_size", 96),
        num_heads=backbone.get("num_attention_heads", 1),
        stage_depths=tuple(backbone.get("blocks_per_stage", (1, 2, 7, 2))),
        window_sizes=tuple(backbone.get("window_size_per_stage", (8, 4, 14, 7))),
        global_blocks=tuple(backbone.get("global_attention_blocks", (5, 7, 9))),
        position_grid=tuple(backbone.get("window_positional_embedding_background_size", (7, 7))),
    )
    _check(backbone, "embed_dim_per_stage", list(trunk.stage_dims))
    _check(backbone, "num_attention_heads_per_stage", list(trunk.stage_heads))
    _check(backbone, "mlp_ratio", 4.0)
    _check(vision, "fpn_top_down_levels", [2, 3])
    dim = vision.get("fpn_hidden_size", 256)
    # Still-image configurations have no memory; some width must divide the model's.
    memory_dim = _MEMORY_DIM if dim % _MEMORY_DIM == 0 else dim
    return ModelConfig(
        image_size=values.get("image_size", prompts.get("image_size", 1024)),
        dim=dim,
        trunk=trunk,
        decoder=DecoderConfig(
            depth=decoder.get("num_hidden_layers", 2),
            num_heads=decoder.get("num_attention_heads", 8),
            mlp_dim=decoder.get("mlp_dim", 2048),
            num_multimasks=decoder.get("num_multimask_outputs", 3),
        ),
        memory=MemoryConfig(
            dim=values.get("memory_encoder_output_channels", memory_dim),
            attention_layers=values.get("memory_attention_num_layers", 4),
            attention_mlp_dim=values.get("memory_attention_feed_forward_hidden_size", 2048),
            fuser_layers=values.get("memory_fuser_num_layers", 2),
            num_memories=values.get("num_maskmem", 7),
            max_pointers=values.get("max_object_pointers_in_encoder", 16),
        ),
        pointer_time_encoding=values.get("enable_temporal_pos_encoding_for_object_pointers", True),
        absence_embedding=values.get("enable_occlusion_spatial_embedding", True),
    )


def _check(values: dict[str, Any], name: str, expected: Any) -> None:
    if values.get(name, expected) != expected:
        raise ValueError(f"config.json has {name} {values[name]}, where only {expected} is supported")
