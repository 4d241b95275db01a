"""From a configuration of `transformers` to masklet's, and back."""

from typing import Any, TypeVar

from masklet.checkpoint.hf_config import from_hf, to_hf
from masklet.checkpoint.names import Layout
from masklet.compat.transformers.config import (
    Sam2Config,
    Sam2HieraDetConfig,
    Sam2VideoConfig,
    Sam2VisionConfig,
    Size,
)
from masklet.compat.transformers.config_base import PreTrainedConfig
from masklet.config import TRUNK_STRIDES, MemoryConfig, ModelConfig

_Config = TypeVar("_Config", bound=Sam2Config | Sam2VideoConfig)

_NOT_THE_NETWORK = frozenset(
    {
        *PreTrainedConfig.field_names(),
        "initializer_range",
        "memory_attention_dropout",
        "memory_attention_rope_dropout",
        "memory_fuser_layer_scale_init_value",
        "dynamic_multimask_via_stability",
        "dynamic_multimask_stability_delta",
        "dynamic_multimask_stability_thresh",
        "multimask_output_in_sam",
        "multimask_min_pt_num",
        "multimask_max_pt_num",
        "multimask_output_for_tracking",
        "max_cond_frame_num",
        "scale",
    }
)
"""Fields of any value: they are of random weights, of training, or of what is done with a network's outputs."""

_TRUNK, _NOT_THE_TRUNK = "backbone_config.", ("image_size", "num_attention_heads")
"""Fields of the trunk that nothing reads: it takes any size, and heads are stated for each stage."""


def native(config: PreTrainedConfig) -> ModelConfig:
    """masklet's configuration of the model that one of `transformers` describes.

    A vision model's gives a whole model, of which the vision part counts. ValueError names a value that masklet's model
    is not built with, or that does not go with the others.
    """
    if isinstance(config, Sam2HieraDetConfig):
        config = _around_trunk(config)
    if isinstance(config, Sam2VisionConfig):
        return native(_around_vision(config))
    if not isinstance(config, Sam2Config | Sam2VideoConfig):
        raise TypeError(f"config is a {type(config).__name__}, not the configuration of a SAM 2 model")
    values = config.to_dict()
    for place in (values, values["prompt_encoder_config"], values["vision_config"]["backbone_config"]):
        if "image_size" in place:
            place["image_size"] = _side(place["image_size"])
    model_config = from_hf(values)
    assert model_config is not None, "the model type is one of those that are known"
    _check(config, from_native(model_config, type(config)))
    return model_config


def from_native(config: ModelConfig, kind: type[_Config]) -> _Config:
    """The configuration, for still images or for videos, of the model that one of masklet's describes.

    ValueError where `transformers` has no such model.
    """
    return kind.from_dict(to_hf(config, Layout.HF_IMAGE if kind is Sam2Config else Layout.HF_VIDEO))


def _around_vision(config: Sam2VisionConfig) -> Sam2Config:
    """A model with this image encoder."""
    dim = config.fpn_hidden_size
    size = _side(config.backbone_config.image_size)
    whole = from_native(ModelConfig(image_size=size, dim=dim, memory=MemoryConfig(dim=dim)), Sam2Config)
    whole.vision_config = config
    return whole


def _around_trunk(config: Sam2HieraDetConfig) -> Sam2VisionConfig:
    """An image encoder with this trunk."""
    size = _side(config.image_size)
    return Sam2VisionConfig(
        config,
        backbone_channel_list=config.embed_dim_per_stage[::-1],
        backbone_feature_sizes=[[size // stride] * 2 for stride in TRUNK_STRIDES[:3]],
    )


def _side(size: Size) -> int:
    """The side of a square that is given by one or by two numbers."""
    sides = set(size) if isinstance(size, list | tuple) else {size}
    if len(sides) > 1:
        raise ValueError(f"image_size is {size}, but images are resized to squares: give one side, or the same twice")
    return sides.pop()


def _check(config: PreTrainedConfig, built: PreTrainedConfig, place: str = "") -> None:
    """Compare a configuration with that of the model which was made of it."""
    for name in config.field_names():
        if name in _NOT_THE_NETWORK or (place.endswith(_TRUNK) and name in _NOT_THE_TRUNK):
            continue
        stated, expected = getattr(config, name), getattr(built, name)
        if name in config.parts:
            _check(stated, expected, f"{place}{name}.")
        elif _comparable(stated) != _comparable(expected):
            raise ValueError(
                f"{place}{name} is {stated}, but with the other values, or in any SAM 2 model, it must be {expected}"
            )


def _comparable(value: Any) -> Any:
    """A size given once and the same given twice are equal, as are lists and tuples, and rotations of one base."""
    if isinstance(value, dict):  # of rotations, whose other entries have changed with the version
        return value.get("rope_theta")
    if not isinstance(value, list | tuple):
        return value
    entries = [_comparable(entry) for entry in value]
    return entries[0] if len(entries) == 2 and entries[0] == entries[1] else entries
