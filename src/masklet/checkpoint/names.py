"""How the tensors of a checkpoint are named: one table a foreign layout, read in both directions.

A rule pairs a native name with a foreign one. `{a,b}` stands for several rules, whose alternatives correspond in
order; `#` for an index that both names share; a final `*` for `weight` and `bias`. The rules cover every tensor of
every SAM 2 model, whatever its size. Two things are more than names: the rows of the native label table are tensors
of their own elsewhere, and Hugging Face's Fourier matrix is stored under two names.

Sources: the released checkpoints of the `sam2` package, and `Sam2Model` and `Sam2VideoModel` of `transformers`.
"""

from dataclasses import dataclass, field
from enum import Enum


class Layout(str, Enum):
    """Whose tensor names a checkpoint has. Members are strings: `"official"` works wherever a layout is taken."""

    MASKLET = "masklet"
    OFFICIAL = "official"
    HF_IMAGE = "hf-image"
    HF_VIDEO = "hf-video"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, kw_only=True)
class Table:
    """One layout's names.

    stacks: native tensors whose rows are spread over foreign ones, with the number of rows of each. copies: second
    names, in the foreign layout, of a tensor that is stored twice.
    """

    rules: tuple[tuple[str, str], ...]
    stacks: dict[str, tuple[tuple[str, int], ...]]
    copies: dict[str, str] = field(default_factory=dict)


MEMORY_PARTS = (
    "memory_attention.",
    "memory_encoder.",
    "pointer_projection.",
    "pointer_time_projection.",
    "mask_downsample.",
    "memory_time",
    "no_memory_position",
    "no_object_pointer",
    "absence",
)
"""How the native names begin that only video needs. (`no_memory` is added to still images too.)"""

OFFICIAL = Table(
    rules=(
        ("trunk.{position,window_position}", "image_encoder.trunk.{pos_embed,pos_embed_window}"),
        ("trunk.patch_embedding.projection.*", "image_encoder.trunk.patch_embed.proj.*"),
        ("trunk.blocks.#.{norm1,norm2}.*", "image_encoder.trunk.blocks.#.{norm1,norm2}.*"),
        ("trunk.blocks.#.attention.{qkv,projection}.*", "image_encoder.trunk.blocks.#.attn.{qkv,proj}.*"),
        ("trunk.blocks.#.mlp.layers.#.*", "image_encoder.trunk.blocks.#.mlp.layers.#.*"),
        ("trunk.blocks.#.shortcut.*", "image_encoder.trunk.blocks.#.proj.*"),
        ("neck.laterals.{3,2,1,0}.*", "image_encoder.neck.convs.{0,1,2,3}.conv.*"),
        ("prompt_encoder.frequencies", "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"),
        ("prompt_encoder.no_mask", "sam_prompt_encoder.no_mask_embed.weight"),
        (
            "prompt_encoder.{mask_conv1,mask_norm1,mask_conv2,mask_norm2,mask_conv3}.*",
            "sam_prompt_encoder.mask_downscaling.{0,1,3,4,6}.*",
        ),
        (
            "mask_decoder.{object_token,iou_token,mask_tokens}",
            "sam_mask_decoder.{obj_score_token,iou_token,mask_tokens}.weight",
        ),
        (
            "mask_decoder.transformer.layers.#.{self_attention,token_to_image,image_to_token}"
            ".{q_projection,k_projection,v_projection,out_projection}.*",
            "sam_mask_decoder.transformer.layers.#.{self_attn,cross_attn_token_to_image,cross_attn_image_to_token}"
            ".{q_proj,k_proj,v_proj,out_proj}.*",
        ),
        (
            "mask_decoder.transformer.layers.#.{norm1,norm2,norm3,norm4}.*",
            "sam_mask_decoder.transformer.layers.#.{norm1,norm2,norm3,norm4}.*",
        ),
        ("mask_decoder.transformer.layers.#.mlp.layers.#.*", "sam_mask_decoder.transformer.layers.#.mlp.layers.#.*"),
        (
            "mask_decoder.transformer.final_attention.{q_projection,k_projection,v_projection,out_projection}.*",
            "sam_mask_decoder.transformer.final_attn_token_to_image.{q_proj,k_proj,v_proj,out_proj}.*",
        ),
        ("mask_decoder.transformer.final_norm.*", "sam_mask_decoder.transformer.norm_final_attn.*"),
        ("mask_decoder.{upscale1,upscale_norm,upscale2}.*", "sam_mask_decoder.output_upscaling.{0,1,3}.*"),
        ("mask_decoder.{stride4_projection,stride8_projection}.*", "sam_mask_decoder.{conv_s0,conv_s1}.*"),
        ("mask_decoder.hypernetworks.#.layers.#.*", "sam_mask_decoder.output_hypernetworks_mlps.#.layers.#.*"),
        (
            "mask_decoder.{iou_head,object_head}.layers.#.*",
            "sam_mask_decoder.{iou_prediction_head,pred_obj_score_head}.layers.#.*",
        ),
        (
            "memory_attention.layers.#.{self_attention,cross_attention}"
            ".{q_projection,k_projection,v_projection,out_projection}.*",
            "memory_attention.layers.#.{self_attn,cross_attn_image}.{q_proj,k_proj,v_proj,out_proj}.*",
        ),
        (
            "memory_attention.layers.#.{norm1,norm2,norm3,linear1,linear2}.*",
            "memory_attention.layers.#.{norm1,norm2,norm3,linear1,linear2}.*",
        ),
        ("memory_attention.norm.*", "memory_attention.norm.*"),
        (
            "memory_encoder.mask_downsampler.{convs,norms}.{0,1,2,3}.*",
            "memory_encoder.mask_downsampler.encoder.{0,3,6,9,1,4,7,10}.*",
        ),
        ("memory_encoder.mask_downsampler.projection.*", "memory_encoder.mask_downsampler.encoder.12.*"),
        ("memory_encoder.{feature_projection,projection}.*", "memory_encoder.{pix_feat_proj,out_proj}.*"),
        ("memory_encoder.fuser.#.scale", "memory_encoder.fuser.layers.#.gamma"),
        (
            "memory_encoder.fuser.#.{depthwise,norm,expand,contract}.*",
            "memory_encoder.fuser.layers.#.{dwconv,norm,pwconv1,pwconv2}.*",
        ),
        ("pointer_projection.layers.#.*", "obj_ptr_proj.layers.#.*"),
        ("{pointer_time_projection,mask_downsample}.*", "{obj_ptr_tpos_proj,mask_downsample}.*"),
        (
            "{memory_time,no_memory,no_memory_position,no_object_pointer,absence}",
            "{maskmem_tpos_enc,no_mem_embed,no_mem_pos_enc,no_obj_ptr,no_obj_embed_spatial}",
        ),
    ),
    stacks={
        "prompt_encoder.labels": (
            ("sam_prompt_encoder.not_a_point_embed.weight", 1),
            *((f"sam_prompt_encoder.point_embeddings.{label}.weight", 1) for label in range(4)),
        )
    },
)

HUGGING_FACE = Table(
    rules=(
        ("trunk.{position,window_position}", "vision_encoder.backbone.{pos_embed,pos_embed_window}"),
        ("trunk.patch_embedding.projection.*", "vision_encoder.backbone.patch_embed.projection.*"),
        ("trunk.blocks.#.{norm1,norm2}.*", "vision_encoder.backbone.blocks.#.{layer_norm1,layer_norm2}.*"),
        ("trunk.blocks.#.attention.{qkv,projection}.*", "vision_encoder.backbone.blocks.#.attn.{qkv,proj}.*"),
        ("trunk.blocks.#.mlp.layers.{0,1}.*", "vision_encoder.backbone.blocks.#.mlp.{proj_in,proj_out}.*"),
        ("trunk.blocks.#.shortcut.*", "vision_encoder.backbone.blocks.#.proj.*"),
        ("neck.laterals.{3,2,1,0}.*", "vision_encoder.neck.convs.{0,1,2,3}.*"),
        ("prompt_encoder.frequencies", "shared_image_embedding.positional_embedding"),
        ("prompt_encoder.no_mask", "prompt_encoder.no_mask_embed.weight"),
        (
            "prompt_encoder.{mask_conv1,mask_norm1,mask_conv2,mask_norm2,mask_conv3}.*",
            "prompt_encoder.mask_embed.{conv1,layer_norm1,conv2,layer_norm2,conv3}.*",
        ),
        (
            "mask_decoder.{object_token,iou_token,mask_tokens}",
            "mask_decoder.{obj_score_token,iou_token,mask_tokens}.weight",
        ),
        (
            "mask_decoder.transformer.layers.#.{self_attention,token_to_image,image_to_token}"
            ".{q_projection,k_projection,v_projection,out_projection}.*",
            "mask_decoder.transformer.layers.#.{self_attn,cross_attn_token_to_image,cross_attn_image_to_token}"
            ".{q_proj,k_proj,v_proj,o_proj}.*",
        ),
        (
            "mask_decoder.transformer.layers.#.{norm1,norm2,norm3,norm4}.*",
            "mask_decoder.transformer.layers.#.{layer_norm1,layer_norm2,layer_norm3,layer_norm4}.*",
        ),
        (
            "mask_decoder.transformer.layers.#.mlp.layers.{0,1}.*",
            "mask_decoder.transformer.layers.#.mlp.{proj_in,proj_out}.*",
        ),
        (
            "mask_decoder.transformer.final_attention.{q_projection,k_projection,v_projection,out_projection}.*",
            "mask_decoder.transformer.final_attn_token_to_image.{q_proj,k_proj,v_proj,o_proj}.*",
        ),
        ("mask_decoder.transformer.final_norm.*", "mask_decoder.transformer.layer_norm_final_attn.*"),
        (
            "mask_decoder.{upscale1,upscale_norm,upscale2}.*",
            "mask_decoder.{upscale_conv1,upscale_layer_norm,upscale_conv2}.*",
        ),
        ("mask_decoder.{stride4_projection,stride8_projection}.*", "mask_decoder.{conv_s0,conv_s1}.*"),
        (
            "mask_decoder.hypernetworks.#.layers.{0,1,2}.*",
            "mask_decoder.output_hypernetworks_mlps.#.{proj_in,layers.0,proj_out}.*",
        ),
        (
            "mask_decoder.{iou_head,object_head}.layers.{0,1,2}.*",
            "mask_decoder.{iou_prediction_head,pred_obj_score_head}.{proj_in,layers.0,proj_out}.*",
        ),
        (
            "memory_attention.layers.#.{self_attention,cross_attention}"
            ".{q_projection,k_projection,v_projection,out_projection}.*",
            "memory_attention.layers.#.{self_attn,cross_attn_image}.{q_proj,k_proj,v_proj,o_proj}.*",
        ),
        (
            "memory_attention.layers.#.{norm1,norm2,norm3,linear1,linear2}.*",
            "memory_attention.layers.#.{layer_norm1,layer_norm2,layer_norm3,linear1,linear2}.*",
        ),
        ("memory_attention.norm.*", "memory_attention.layer_norm.*"),
        ("memory_encoder.mask_downsampler.convs.#.*", "memory_encoder.mask_downsampler.layers.#.conv.*"),
        ("memory_encoder.mask_downsampler.norms.#.*", "memory_encoder.mask_downsampler.layers.#.layer_norm.*"),
        ("memory_encoder.mask_downsampler.projection.*", "memory_encoder.mask_downsampler.final_conv.*"),
        ("memory_encoder.{feature_projection,projection}.*", "memory_encoder.{feature_projection,projection}.*"),
        ("memory_encoder.fuser.#.scale", "memory_encoder.memory_fuser.layers.#.scale"),
        (
            "memory_encoder.fuser.#.{depthwise,norm,expand,contract}.*",
            "memory_encoder.memory_fuser.layers.#.{depthwise_conv,layer_norm,pointwise_conv1,pointwise_conv2}.*",
        ),
        ("pointer_projection.layers.{0,1,2}.*", "object_pointer_proj.{proj_in,layers.0,proj_out}.*"),
        (
            "{pointer_time_projection,mask_downsample}.*",
            "{temporal_positional_encoding_projection_layer,mask_downsample}.*",
        ),
        ("{memory_time,no_memory}", "{memory_temporal_positional_encoding,no_memory_embedding}"),
        (
            "{no_memory_position,no_object_pointer,absence}",
            "{no_memory_positional_encoding,no_object_pointer,occlusion_spatial_embedding_parameter}",
        ),
    ),
    stacks={
        "prompt_encoder.labels": (
            ("prompt_encoder.not_a_point_embed.weight", 1),
            ("prompt_encoder.point_embed.weight", 4),
        )
    },
    copies={
        "prompt_encoder.shared_embedding.positional_embedding": "shared_image_embedding.positional_embedding",
    },
)

TABLES: dict[Layout, Table] = {
    Layout.OFFICIAL: OFFICIAL,
    Layout.HF_IMAGE: HUGGING_FACE,
    Layout.HF_VIDEO: HUGGING_FACE,
}
"""The foreign layouts' tables. Hugging Face's image layout is its video layout without the memory parts."""
