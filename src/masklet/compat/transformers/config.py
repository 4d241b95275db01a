"""The configurations of `transformers`' SAM 2, field by field. All defaults are those of SAM 2.1 tiny.

They say many things twice, and much that is the same in all SAM 2 models; `native_config` makes masklet's own of one.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from masklet.compat.transformers.config_base import PreTrainedConfig, takes_more

Size = int | list[int] | tuple[int, int]


@takes_more
@dataclass(repr=False)
class Sam2HieraDetConfig(PreTrainedConfig):
    """The trunk, Hiera. Lists with four entries hold one value a stage."""

    model_type = "sam2_hiera_det_model"
    base_config_key = "backbone_config"

    hidden_size: int = 96
    num_attention_heads: int = 1
    num_channels: int = 3
    image_size: Size = field(default_factory=lambda: [1024, 1024])
    patch_kernel_size: Size = field(default_factory=lambda: [7, 7])
    patch_stride: Size = field(default_factory=lambda: [4, 4])
    patch_padding: Size = field(default_factory=lambda: [3, 3])
    query_stride: Size = field(default_factory=lambda: [2, 2])
    window_positional_embedding_background_size: list[int] = field(default_factory=lambda: [7, 7])
    num_query_pool_stages: int = 3
    blocks_per_stage: list[int] = field(default_factory=lambda: [1, 2, 7, 2])
    embed_dim_per_stage: list[int] = field(default_factory=lambda: [96, 192, 384, 768])
    num_attention_heads_per_stage: list[int] = field(default_factory=lambda: [1, 2, 4, 8])
    window_size_per_stage: list[int] = field(default_factory=lambda: [8, 4, 14, 7])
    global_attention_blocks: list[int] = field(default_factory=lambda: [5, 7, 9])
    mlp_ratio: float = 4.0
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-6
    initializer_range: float = 0.02


@takes_more
@dataclass(repr=False)
class Sam2VisionConfig(PreTrainedConfig):
    """The image encoder: the trunk and the neck, which is a feature pyramid (`fpn`)."""

    model_type = "sam2_vision_model"
    base_config_key = "vision_config"
    parts: ClassVar = {"backbone_config": Sam2HieraDetConfig}

    backbone_config: Sam2HieraDetConfig = field(default_factory=Sam2HieraDetConfig)
    backbone_channel_list: list[int] = field(default_factory=lambda: [768, 384, 192, 96])
    backbone_feature_sizes: list[list[int]] = field(default_factory=lambda: [[256, 256], [128, 128], [64, 64]])
    fpn_hidden_size: int = 256
    fpn_kernel_size: int = 1
    fpn_stride: int = 1
    fpn_padding: int = 0
    fpn_top_down_levels: list[int] = field(default_factory=lambda: [2, 3])
    num_feature_levels: int = 3
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-6
    initializer_range: float = 0.02


@takes_more
@dataclass(repr=False)
class Sam2PromptEncoderConfig(PreTrainedConfig):
    """The prompt encoder."""

    model_type = "sam2_prompt_encoder"
    base_config_key = "prompt_encoder_config"

    hidden_size: int = 256
    image_size: Size = 1024
    patch_size: Size = 16
    mask_input_channels: int = 16
    num_point_embeddings: int = 4
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-6
    scale: int = 1


@takes_more
@dataclass(repr=False)
class Sam2MaskDecoderConfig(PreTrainedConfig):
    """The mask decoder. `dynamic_multimask_...`: single masks that waver are replaced by the best of several."""

    model_type = "sam2_mask_decoder"
    base_config_key = "mask_decoder_config"

    hidden_size: int = 256
    hidden_act: str = "gelu"
    mlp_dim: int = 2048
    num_hidden_layers: int = 2
    num_attention_heads: int = 8
    attention_downsample_rate: int = 2
    num_multimask_outputs: int = 3
    iou_head_depth: int = 3
    iou_head_hidden_dim: int = 256
    dynamic_multimask_via_stability: bool = True
    dynamic_multimask_stability_delta: float = 0.05
    dynamic_multimask_stability_thresh: float = 0.98


@takes_more
@dataclass(repr=False)
class Sam2Config(PreTrainedConfig):
    """A model for still images."""

    model_type = "sam2"
    parts: ClassVar = {
        "vision_config": Sam2VisionConfig,
        "prompt_encoder_config": Sam2PromptEncoderConfig,
        "mask_decoder_config": Sam2MaskDecoderConfig,
    }

    vision_config: Sam2VisionConfig = field(default_factory=Sam2VisionConfig)
    prompt_encoder_config: Sam2PromptEncoderConfig = field(default_factory=Sam2PromptEncoderConfig)
    mask_decoder_config: Sam2MaskDecoderConfig = field(default_factory=Sam2MaskDecoderConfig)
    initializer_range: float = 0.02


@takes_more
@dataclass(repr=False)
class Sam2VideoPromptEncoderConfig(Sam2PromptEncoderConfig):
    """The prompt encoder of a model for videos."""

    model_type = "sam2_video_prompt_encoder"


@takes_more
@dataclass(repr=False)
class Sam2VideoMaskDecoderConfig(Sam2MaskDecoderConfig):
    """The mask decoder of a model for videos."""

    model_type = "sam2_video_mask_decoder"


@takes_more
@dataclass(repr=False)
class Sam2VideoConfig(PreTrainedConfig):
    """A model for videos."""

    model_type = "sam2_video"
    parts: ClassVar = {
        "vision_config": Sam2VisionConfig,
        "prompt_encoder_config": Sam2VideoPromptEncoderConfig,
        "mask_decoder_config": Sam2VideoMaskDecoderConfig,
    }

    vision_config: Sam2VisionConfig = field(default_factory=Sam2VisionConfig)
    prompt_encoder_config: Sam2VideoPromptEncoderConfig = field(default_factory=Sam2VideoPromptEncoderConfig)
    mask_decoder_config: Sam2VideoMaskDecoderConfig = field(default_factory=Sam2VideoMaskDecoderConfig)
    initializer_range: float = 0.02
    num_maskmem: int = 7
    image_size: Size = 1024
    sigmoid_scale_for_mem_enc: float = 20.0
    sigmoid_bias_for_mem_enc: float = -10.0
    enable_occlusion_spatial_embedding: bool = True
    multimask_output_in_sam: bool = True
    multimask_min_pt_num: int = 0
    multimask_max_pt_num: int = 1
    multimask_output_for_tracking: bool = True
    max_object_pointers_in_encoder: int = 16
    max_cond_frame_num: int = -1
    enable_temporal_pos_encoding_for_object_pointers: bool = True
    memory_attention_hidden_size: int = 256
    memory_attention_num_layers: int = 4
    memory_attention_num_attention_heads: int = 1
    memory_attention_downsample_rate: int = 1
    memory_attention_feed_forward_hidden_size: int = 2048
    memory_attention_feed_forward_hidden_act: str = "relu"
    memory_attention_dropout: float = 0.1
    memory_attention_rope_feat_sizes: list[int] = field(default_factory=lambda: [64, 64])
    memory_attention_rope_dropout: float = 0.1
    memory_encoder_hidden_size: int = 256
    memory_encoder_output_channels: int = 64
    rope_parameters: dict[str, Any] = field(default_factory=lambda: {"rope_theta": 10000.0, "rope_type": "axial"})
    mask_downsampler_embed_dim: int = 256
    mask_downsampler_kernel_size: int = 3
    mask_downsampler_stride: int = 2
    mask_downsampler_padding: int = 1
    mask_downsampler_total_stride: int = 16
    mask_downsampler_hidden_act: str = "gelu"
    memory_fuser_num_layers: int = 2
    memory_fuser_embed_dim: int = 256
    memory_fuser_intermediate_dim: int = 1024
    memory_fuser_kernel_size: int = 7
    memory_fuser_padding: int = 3
    memory_fuser_layer_scale_init_value: float = 1e-6
    memory_fuser_hidden_act: str = "gelu"

    @property
    def memory_attention_rope_theta(self) -> float:
        """The name that earlier versions had for `rope_parameters["rope_theta"]`."""
        return self.rope_parameters["rope_theta"]

    @memory_attention_rope_theta.setter
    def memory_attention_rope_theta(self, theta: float) -> None:
        self.rope_parameters = self.rope_parameters | {"rope_theta": theta}
