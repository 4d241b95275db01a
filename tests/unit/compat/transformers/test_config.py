"""Every configuration beside that of `transformers`."""

from typing import Any

import pytest

from masklet.compat.transformers import config as ours_module
from masklet.compat.transformers.config import Sam2Config, Sam2MaskDecoderConfig, Sam2VideoConfig, Sam2VisionConfig
from masklet.compat.transformers.config_base import PreTrainedConfig

NAMES = [name for name, kind in vars(ours_module).items() if name.startswith("Sam2") and isinstance(kind, type)]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def transformers() -> Any:
    return pytest.importorskip("transformers")


def own_fields(kind: type, base: type) -> list[str]:
    return [name for name in kind.__dataclass_fields__ if name not in base.__dataclass_fields__]  # type: ignore[attr-defined]


def test_there_are_eight():
    assert len(NAMES) == 8


@pytest.mark.parametrize("name", NAMES)
def test_fields_defaults_and_order_are_those_of_transformers(name: str, transformers: Any):
    ours, theirs = getattr(ours_module, name), getattr(transformers, name)
    fields = own_fields(theirs, transformers.PreTrainedConfig)
    assert own_fields(ours, PreTrainedConfig) == fields
    assert ours.model_type == theirs.model_type
    made, expected = ours(), theirs().to_dict()
    for field in fields:
        if field not in ours.parts:
            assert getattr(made, field) == expected[field], field
            assert type(getattr(made, field)) is type(expected[field]), field


@pytest.mark.parametrize("name", NAMES)
def test_values_say_the_same_as_dictionaries(name: str, transformers: Any):
    ours, theirs = getattr(ours_module, name)(), getattr(transformers, name)()
    assert type(theirs).from_dict(ours.to_dict()).to_dict() == theirs.to_dict()
    read = type(ours).from_dict(theirs.to_dict())
    for field in own_fields(type(theirs), transformers.PreTrainedConfig):
        if field not in ours.parts:  # (parts hold what ours has no fields for)
            assert getattr(read, field) == getattr(ours, field)
    assert type(theirs).from_dict(read.to_dict()).to_dict() == theirs.to_dict()


def test_parts_are_given_by_position_as_objects_or_as_dictionaries():
    decoder = Sam2MaskDecoderConfig(mlp_dim=64)
    config = Sam2Config(Sam2VisionConfig(fpn_hidden_size=8), {"hidden_size": 8}, decoder)
    assert config.vision_config.fpn_hidden_size == 8
    assert config.prompt_encoder_config.hidden_size == 8
    assert config.mask_decoder_config is decoder
    assert Sam2Config(None, None, None) == Sam2Config()


def test_lists_are_not_shared():
    one, other = Sam2VisionConfig(), Sam2VisionConfig()
    one.backbone_config.blocks_per_stage[0] = 9
    one.backbone_feature_sizes[0][0] = 9
    assert other == Sam2VisionConfig()


def test_the_base_of_rotations_has_an_earlier_name_too():
    config = Sam2VideoConfig(memory_attention_rope_theta=100.0)
    assert config.rope_parameters == {"rope_theta": 100.0, "rope_type": "axial"}
    assert config.memory_attention_rope_theta == 100.0
    assert Sam2VideoConfig().memory_attention_rope_theta == 10000.0
