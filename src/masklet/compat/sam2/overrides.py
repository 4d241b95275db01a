"""The original's configuration files and Hydra overrides, read as masklet's configurations.

A config file's name stands for a preset. An override such as `++model.image_size=512` sets a field of the original's
configuration; each such field is either one of ours, a policy, or fixed: it exists, but only its released value does.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from masklet.config import PRESETS, ModelConfig, preset
from masklet.ops.multimask import RELEASED_STABILITY, StabilityPolicy

_SIZES = {"t": "tiny", "s": "small", "b+": "base_plus", "l": "large"}
_CONFIG_NAME = re.compile(r"(?:.*/)?(sam2(?:\.1)?)_hiera_(t|s|b\+|l)(?:\.yaml)?")
_OVERRIDE = re.compile(r"\+{0,2}([A-Za-z_][\w.]*)=(.*)", re.DOTALL)

_CONFIG_FIELDS = {
    "image_size": "image_size",
    "num_maskmem": "memory.num_memories",
    "max_obj_ptrs_in_encoder": "memory.max_pointers",
    "memory_attention.num_layers": "memory.attention_layers",
    "no_obj_embed_spatial": "absence_embedding",
    "image_encoder.trunk.embed_dim": "trunk.embed_dim",
    "image_encoder.trunk.num_heads": "trunk.num_heads",
    "image_encoder.trunk.stages": "trunk.stage_depths",
    "image_encoder.trunk.window_spec": "trunk.window_sizes",
    "image_encoder.trunk.global_att_blocks": "trunk.global_blocks",
    "image_encoder.trunk.window_pos_embed_bkg_spatial_size": "trunk.position_grid",
}
"""Fields of the original's `model` that are fields of `ModelConfig`."""

_DERIVED_FIELDS = tuple(f"memory_attention.layer.{kind}_attention.feat_sizes" for kind in ("self", "cross"))
"""What masklet works out from the image size, whatever is given: scripts that change the size set them too."""

_POINTER_TIME_FIELDS = ("add_tpos_enc_to_obj_ptrs", "proj_tpos_enc_in_obj_ptrs", "use_signed_tpos_enc_to_obj_ptrs")
"""Three switches of the original that all released models set alike: our `pointer_time_encoding`."""

_DYNAMIC = "sam_mask_decoder_extra_args.dynamic_multimask_"
_DYNAMIC_FIELDS = ("via_stability", "stability_delta", "stability_thresh")

_FIXED: dict[str, Any] = {
    "backbone_stride": 16,
    "image_encoder.scalp": 1,
    "image_encoder.neck.d_model": 256,
    "image_encoder.neck.fpn_interp_model": "nearest",
    "memory_attention.d_model": 256,
    "non_overlap_masks_for_mem_enc": False,
    "sigmoid_scale_for_mem_enc": 20.0,
    "sigmoid_bias_for_mem_enc": -10.0,
    "use_mask_input_as_output_without_sam": True,
    "directly_add_no_mem_embed": True,
    "use_high_res_features_in_sam": True,
    "multimask_output_in_sam": True,
    "multimask_min_pt_num": 0,
    "multimask_max_pt_num": 1,
    "multimask_output_for_tracking": True,
    "use_multimask_token_for_obj_ptr": True,
    "iou_prediction_use_sigmoid": True,
    "use_obj_ptrs_in_encoder": True,
    "only_obj_ptrs_in_the_past_for_eval": True,
    "pred_obj_scores": True,
    "pred_obj_scores_mlp": True,
    "fixed_no_obj_ptr": True,
    "soft_no_obj_ptr": False,
    "use_mlp_for_obj_ptr_proj": True,
}
"""Fields with one value in all released models (SAM 2 configuration files), which is the only one there is here."""

_VIDEO_FIELDS: dict[str, bool | int] = {
    "fill_hole_area": 0,
    "non_overlap_masks": False,
    "clear_non_cond_mem_around_input": False,
    "add_all_frames_to_correct_as_cond": False,
    "binarize_mask_from_pts_for_mem_enc": False,
    "memory_temporal_stride_for_eval": 1,
    "max_cond_frames_in_attn": -1,
}
"""Fields that matter to the video predictor alone, with the original's defaults."""

_VIDEO_POSTPROCESSING: dict[str, bool | int] = {"binarize_mask_from_pts_for_mem_enc": True, "fill_hole_area": 8}


@dataclass(frozen=True)
class Build:
    """What a config file and overrides come to. video: keywords of `SAM2VideoPredictor`."""

    config: ModelConfig
    stability: StabilityPolicy | None
    compile: bool
    video: dict[str, Any]


def config_of(config_file: str) -> ModelConfig:
    """The preset that a config file's name stands for; masklet's own names are taken too."""
    if config_file in PRESETS:
        return preset(config_file)
    if match := _CONFIG_NAME.fullmatch(config_file):
        family, size = match.groups()
        return preset(f"{family}_hiera_{_SIZES[size]}")
    raise ValueError(
        f"no configuration is named {config_file!r}: it is configs/sam2.1/sam2.1_hiera_{{t,s,b+,l}}.yaml, "
        f"configs/sam2/sam2_hiera_{{t,s,b+,l}}.yaml, or one of {', '.join(PRESETS)}"
    )


def resolve(config_file: str, overrides: Iterable[str], apply_postprocessing: bool) -> Build:
    """A configuration with overrides applied, then, as in the original, the post-processing ones.

    Only where an override names what the video predictor's post-processing sets does it have the last word: the
    original skips hole filling without CUDA, whatever is asked for, so a 0 must be possible.
    """
    fields = config_of(config_file).to_dict()
    dynamic: dict[str, Any] = {}
    pointer_time: dict[str, Any] = {}
    compiled = False
    video: dict[str, Any] = _VIDEO_FIELDS | (_VIDEO_POSTPROCESSING if apply_postprocessing else {})
    for override in overrides:
        name, value = _parse(override)
        if name in _CONFIG_FIELDS:
            *owner, field = _CONFIG_FIELDS[name].split(".")
            (fields[owner[0]] if owner else fields)[field] = value
        elif name in _POINTER_TIME_FIELDS:
            pointer_time[name] = _boolean(value, override)
        elif name.startswith(_DYNAMIC):
            dynamic[name.removeprefix(_DYNAMIC)] = _policy_value(name.removeprefix(_DYNAMIC), value, override)
        elif name == "compile_image_encoder":
            compiled = _boolean(value, override)
        elif name in _VIDEO_FIELDS:
            video[name] = _video_value(name, value, override)
        elif name in _DERIVED_FIELDS:
            continue
        elif name not in _FIXED:
            raise ValueError(f"the override {override!r} names no field of the model; {_known()}")
        elif value != _FIXED[name]:
            raise ValueError(f"the override {override!r} asks for what no released model has: it is {_FIXED[name]}")
    fields["pointer_time_encoding"] = _pointer_time(pointer_time, fields["pointer_time_encoding"])
    stability = _stability(dynamic)
    return Build(
        ModelConfig.from_dict(fields), RELEASED_STABILITY if apply_postprocessing else stability, compiled, video
    )


def _parse(override: str) -> tuple[str, Any]:
    match = _OVERRIDE.fullmatch(override.strip())
    if not match:
        raise ValueError(f"the override {override!r} is not of the form ++model.field=value")
    name, text = match.groups()
    if not name.startswith("model."):
        raise ValueError(f"the override {override!r} names no field of the model; {_known()}")
    try:
        value = json.loads(text.strip().lower())
    except json.JSONDecodeError:
        value = text.strip()
    return name.removeprefix("model."), value


def _pointer_time(given: dict[str, bool], default: bool) -> bool:
    values = {name: given.get(name, default) for name in _POINTER_TIME_FIELDS}
    if len(set(values.values())) > 1:
        raise ValueError(f"released models set these three alike, but the overrides come to {values}")
    return values[_POINTER_TIME_FIELDS[0]]


def _policy_value(field: str, value: Any, override: str) -> Any:
    if field not in _DYNAMIC_FIELDS:
        raise ValueError(f"the override {override!r} names no field of the model; {_known()}")
    if field == _DYNAMIC_FIELDS[0]:
        return _boolean(value, override)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"the override {override!r} must be a number")
    return value


def _video_value(field: str, value: Any, override: str) -> bool | int:
    if isinstance(_VIDEO_FIELDS[field], bool):
        return _boolean(value, override)
    if type(value) is not int:
        raise ValueError(f"the override {override!r} must be a whole number")
    return value


def _stability(given: dict[str, Any]) -> StabilityPolicy | None:
    if not given.get("via_stability", False):
        return None
    return StabilityPolicy(
        delta=given.get("stability_delta", RELEASED_STABILITY.delta),
        threshold=given.get("stability_thresh", RELEASED_STABILITY.threshold),
    )


def _boolean(value: Any, override: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"the override {override!r} must be true or false")
    return value


def _known() -> str:
    dynamic = (f"{_DYNAMIC}{name}" for name in _DYNAMIC_FIELDS)
    own = (*_CONFIG_FIELDS, *_POINTER_TIME_FIELDS, *dynamic, "compile_image_encoder")
    names = (*own, *_VIDEO_FIELDS, *_FIXED, *_DERIVED_FIELDS)
    return f"the fields are {', '.join(f'model.{name}' for name in names)}"
