import json
from pathlib import Path

import pytest
import torch

from masklet.compat.transformers.config import (
    Sam2Config,
    Sam2HieraDetConfig,
    Sam2MaskDecoderConfig,
    Sam2VideoConfig,
    Sam2VideoMaskDecoderConfig,
    Sam2VisionConfig,
)


def test_values_can_be_read_set_and_changed():
    config = Sam2Config(initializer_range=0.5)
    config.mask_decoder_config.mlp_dim = 7
    config.update({"initializer_range": 0.25, "vision_config": {"fpn_hidden_size": 8}})
    assert config.initializer_range == 0.25
    assert isinstance(config.vision_config, Sam2VisionConfig)
    again = Sam2Config.from_dict(config.to_dict(), initializer_range=1.0)
    assert again.mask_decoder_config.mlp_dim == 7
    assert again.vision_config.fpn_hidden_size == 8
    assert again.initializer_range == 1.0


def test_names_without_a_field_are_kept():
    values = Sam2Config(some_later_field={"a": 1}).to_dict()
    assert values["some_later_field"] == {"a": 1}
    assert Sam2Config.from_dict(values).some_later_field == {"a": 1}  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        Sam2Config().some_later_field  # type: ignore[attr-defined]  # noqa: B018


def test_dtypes_are_read_under_both_their_names():
    for config in (Sam2Config(dtype="float16"), Sam2Config(torch_dtype="float16"), Sam2Config(dtype=torch.float16)):
        assert config.dtype is torch.float16
        assert json.loads(config.to_json_string())["dtype"] == "float16"


def test_the_image_model_of_a_video_configuration_leaves_the_memory_out():
    values = Sam2VideoConfig(mask_decoder_config={"mlp_dim": 7}).to_dict()
    config = Sam2Config.from_dict(values)
    assert config.mask_decoder_config.mlp_dim == 7
    assert config.mask_decoder_config.model_type == "sam2_mask_decoder"
    assert "num_maskmem" not in config.to_dict()


def test_files_are_written_and_read(tmp_path: Path):
    config = Sam2VideoConfig(num_maskmem=3, vision_config={"backbone_config": {"hidden_size": 8}})
    config.save_pretrained(tmp_path / "new" / "folder")
    for source in (tmp_path / "new" / "folder", str(tmp_path / "new" / "folder" / "config.json")):
        assert Sam2VideoConfig.from_pretrained(source) == config
    assert Sam2VideoConfig.from_pretrained(source, num_maskmem=4, local_files_only=True).num_maskmem == 4
    assert Sam2HieraDetConfig.from_pretrained(source).hidden_size == 8
    assert Sam2VisionConfig.from_pretrained(source).backbone_config.hidden_size == 8


def test_what_is_no_configuration_is_refused(tmp_path: Path):
    with pytest.raises(TypeError, match="vision_config is 5, but it must be a Sam2VisionConfig"):
        Sam2Config(vision_config=5)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match=r"has no config\.json"):
        Sam2Config.from_pretrained(tmp_path)
    for text in ("{", "[1]"):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(OSError, match=r"config\.json is not"):
            Sam2Config.from_pretrained(tmp_path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_files_of_either_are_read_by_the_other(tmp_path: Path):
    transformers = pytest.importorskip("transformers")
    ours = Sam2VideoConfig(num_maskmem=3, dtype="bfloat16", vision_config={"fpn_hidden_size": 8})
    ours.save_pretrained(tmp_path / "ours")
    theirs = transformers.AutoConfig.from_pretrained(tmp_path / "ours")
    assert isinstance(theirs, transformers.Sam2VideoConfig)
    assert (theirs.num_maskmem, theirs.dtype, theirs.vision_config.fpn_hidden_size) == (3, torch.bfloat16, 8)
    theirs.save_pretrained(tmp_path / "theirs")
    again = Sam2VideoConfig.from_pretrained(tmp_path / "theirs")
    assert (again.num_maskmem, again.dtype, again.vision_config.fpn_hidden_size) == (3, torch.bfloat16, 8)
    again.save_pretrained(tmp_path / "again")
    read = transformers.AutoConfig.from_pretrained(tmp_path / "again")
    read.name_or_path = theirs.name_or_path
    assert read.to_dict() == theirs.to_dict()


@pytest.mark.parametrize("kind", [Sam2MaskDecoderConfig, Sam2VideoMaskDecoderConfig])
@pytest.mark.parametrize("whole", [Sam2Config, Sam2VideoConfig])
def test_parts_are_taken_out_of_models_of_either_kind(whole, kind, tmp_path: Path):
    whole(mask_decoder_config={"mlp_dim": 7}).save_pretrained(tmp_path)
    part = kind.from_pretrained(tmp_path)
    assert part.mlp_dim == 7
    part.save_pretrained(tmp_path)
    assert kind.from_pretrained(tmp_path) == part
