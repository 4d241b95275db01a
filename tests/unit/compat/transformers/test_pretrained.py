"""Models from and into files, beside those of `transformers`, with random weights."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from masklet.compat.transformers.config import Sam2Config, Sam2HieraDetConfig, Sam2VideoConfig, Sam2VisionConfig
from masklet.compat.transformers.config_base import PreTrainedConfig
from masklet.compat.transformers.native_config import from_native
from masklet.compat.transformers.pretrained import PreTrainedModel
from masklet.config import MemoryConfig, ModelConfig
from masklet.runtime.load import load_model

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


class ImageModel(PreTrainedModel):
    config_class: ClassVar = Sam2Config


class VideoModel(PreTrainedModel):
    config_class: ClassVar = Sam2VideoConfig


class VisionModel(PreTrainedModel):
    config_class: ClassVar = Sam2VisionConfig


class TrunkModel(PreTrainedModel):
    config_class: ClassVar = Sam2HieraDetConfig


KINDS = {
    "Sam2Model": ImageModel,
    "Sam2VideoModel": VideoModel,
    "Sam2VisionModel": VisionModel,
    "Sam2HieraDetModel": TrunkModel,
}


@pytest.fixture(scope="module")
def configs(tiny: ModelConfig) -> dict[str, PreTrainedConfig]:
    values = tiny.to_dict() | {"dim": 64, "memory": MemoryConfig(attention_layers=1, attention_mlp_dim=32)}
    config = ModelConfig.from_dict(values)
    image, video = from_native(config, Sam2Config), from_native(config, Sam2VideoConfig)
    vision = image.vision_config
    parts: list[PreTrainedConfig] = [image, video, vision, vision.backbone_config]
    return dict(zip(KINDS, parts, strict=True))


@pytest.fixture
def make(configs: dict[str, PreTrainedConfig]) -> Callable[[str], PreTrainedModel]:
    def made(name: str) -> PreTrainedModel:
        torch.manual_seed(0)
        return KINDS[name](copy.deepcopy(configs[name]))

    return made


@pytest.fixture(scope="module")
def transformers() -> Any:
    return pytest.importorskip("transformers")


def same(ours: PreTrainedModel, theirs: nn.Module) -> None:
    expected, found = theirs.state_dict(), ours.state_dict()
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("max_shard_size", ["1GB", "30KB"])
def test_what_is_saved_loads_in_transformers_and_the_reverse(
    name: str, max_shard_size: str, make: Callable[[str], PreTrainedModel], transformers: Any, tmp_path: Path
):
    model = make(name)
    model.save_pretrained(tmp_path / "ours", max_shard_size=max_shard_size)
    sharded = (tmp_path / "ours" / "model.safetensors.index.json").exists()
    assert sharded == (max_shard_size == "30KB")
    theirs, info = getattr(transformers, name).from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(info.values()), info
    same(model, theirs)
    theirs.save_pretrained(tmp_path / "theirs", max_shard_size=max_shard_size)
    again = KINDS[name].from_pretrained(tmp_path / "theirs")
    same(again, theirs)
    assert again.config.architectures == [name]
    assert not again.training
    assert all(parameter.requires_grad for parameter in again.parameters())


def test_training_mode_is_that_of_a_new_model(make: Callable[[str], PreTrainedModel], configs: dict[str, Any]):
    assert make("Sam2Model").training
    model = ImageModel._from_config(configs["Sam2Model"], dtype="bfloat16", attn_implementation="eager")
    assert (model.training, model.engine.training, model.dtype) == (True, True, torch.bfloat16)


def test_a_video_checkpoint_holds_all_other_models(make: Callable[[str], PreTrainedModel], tmp_path: Path):
    whole = make("Sam2VideoModel")
    whole.save_pretrained(tmp_path)
    state = whole.state_dict()
    image = ImageModel.from_pretrained(tmp_path)
    assert image.config.model_type == "sam2"
    assert not any("memory_attention" in name for name in image.state_dict())
    for model, prefix in ((image, ""), (VisionModel, "vision_encoder."), (TrunkModel, "vision_encoder.backbone.")):
        loaded = model if isinstance(model, PreTrainedModel) else model.from_pretrained(tmp_path)
        assert len(loaded.state_dict()) > 10
        for name, tensor in loaded.state_dict().items():
            assert torch.equal(tensor, state[prefix + name])
    VisionModel.from_pretrained(tmp_path).save_pretrained(tmp_path / "vision")
    trunk = TrunkModel.from_pretrained(tmp_path / "vision")
    assert torch.equal(trunk.state_dict()["pos_embed"], state["vision_encoder.backbone.pos_embed"])


def test_the_rest_of_masklet_reads_the_folder_too(make: Callable[[str], PreTrainedModel], tmp_path: Path):
    model = make("Sam2VideoModel")
    model.save_pretrained(tmp_path)
    loaded = load_model(tmp_path, device="cpu")
    assert loaded.config == model.engine.config
    assert loaded.state_dict().keys() == model.engine.state_dict().keys()


def test_an_image_checkpoint_is_no_video_model(make: Callable[[str], PreTrainedModel], tmp_path: Path):
    make("Sam2Model").save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"model\.safetensors: these are the still-image parts .* take Sam2Model"):
        VideoModel.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="so it cannot follow objects"):
        make("Sam2Model").engine.memory_encoder(None, None)


def test_state_is_loaded_under_the_names_of_transformers(make: Callable[[str], PreTrainedModel]):
    for name in KINDS:
        model, state = make(name), {key: torch.zeros_like(tensor) for key, tensor in make(name).state_dict().items()}
        assert not any(model.load_state_dict(state))
        assert not any(tensor.any() for tensor in model.state_dict().values())
        holder = nn.ModuleDict({"inner": model})
        assert list(holder.state_dict()) == [f"inner.{key}" for key in state]
        holder.load_state_dict(holder.state_dict())


def test_tensors_that_do_not_fit_are_named_as_their_users_know_them(make: Callable[[str], PreTrainedModel]):
    for name, removed in {"Sam2Model": "no_memory_embedding", "Sam2VisionModel": "neck.convs.0.bias"}.items():
        state = make(name).state_dict()
        del state[removed]
        state["other"] = torch.zeros(1)
        problems = make(name).load_state_dict(state, strict=False)
        assert (problems.missing_keys, problems.unexpected_keys) == ([removed], ["other"])
        with pytest.raises(RuntimeError, match=rf'Missing key\(s\) in state_dict: "{removed}"'):
            make(name).load_state_dict(state)
    state = make("Sam2Model").state_dict()
    del state["prompt_encoder.not_a_point_embed.weight"], state["prompt_encoder.point_embed.weight"]
    missing = make("Sam2Model").load_state_dict(state, strict=False).missing_keys
    assert missing == ["prompt_encoder.not_a_point_embed.weight", "prompt_encoder.point_embed.weight"]


def test_files_that_do_not_fit_are_refused(make: Callable[[str], PreTrainedModel], tmp_path: Path):
    model = make("Sam2Model")
    model.save_pretrained(tmp_path)
    config = copy.deepcopy(model.config)
    config.update({"mask_decoder_config": vars(config.mask_decoder_config) | {"mlp_dim": 16}})  # type: ignore[attr-defined]
    with pytest.raises(
        ValueError, match=r"model.safetensors does not fit the model. Tensors 3 of another shape: mask_"
    ):
        ImageModel.from_pretrained(tmp_path, config=config)
    with pytest.raises(NotADirectoryError, match="is a file; give the folder"):
        ImageModel.from_pretrained(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match="is empty") as raised:
        ImageModel.from_pretrained(tmp_path)
    assert str(raised.value).count(str(tmp_path)) == 1
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no model\.safetensors or model\.safetensors\.index\.json"):
        ImageModel.from_pretrained(tmp_path)


@pytest.mark.parametrize("dtype", [torch.float16, "float16", "auto", None])
def test_dtypes(dtype: Any, make: Callable[[str], PreTrainedModel], tmp_path: Path, transformers: Any):
    make("Sam2Model").half().save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "float16"
    model = ImageModel.from_pretrained(tmp_path, dtype=dtype)
    assert model.dtype == transformers.Sam2Model.from_pretrained(tmp_path, dtype=dtype).dtype == torch.float16
    assert ImageModel.from_pretrained(tmp_path, torch_dtype=torch.float32).dtype == torch.float32
    (tmp_path / "config.json").write_text((tmp_path / "config.json").read_text().replace('"float16"', "null"))
    assert ImageModel.from_pretrained(tmp_path, dtype=dtype).dtype == torch.float16


def test_casting_leaves_tables_of_positions(make: Callable[[str], PreTrainedModel]):
    model = make("Sam2VideoModel")
    assert model.to("cpu", torch.bfloat16) is model
    assert model.to(dtype=torch.bfloat16).dtype == torch.bfloat16
    assert model.engine.memory_position.dtype == torch.float32
    assert {parameter.dtype for parameter in model.bfloat16().parameters()} == {torch.bfloat16}
    assert model.float().to(device="cpu").dtype == torch.float32
    assert model.device == torch.device("cpu")
    with pytest.raises(TypeError, match=r"torch\.int64"):
        model.to(torch.int64)


def test_sharding_and_back_leaves_nothing_behind(make: Callable[[str], PreTrainedModel], tmp_path: Path):
    model = make("Sam2Model")
    model.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path, max_shard_size="30KB")
    assert not (tmp_path / "model.safetensors").exists()
    ImageModel.from_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    with pytest.raises(ValueError, match="safetensors alone"):
        model.save_pretrained(tmp_path, safe_serialization=False)


def test_a_configuration_can_be_given_and_changed(make: Callable[[str], PreTrainedModel], tmp_path: Path):
    model = make("Sam2VideoModel")
    model.save_pretrained(tmp_path)
    loaded = VideoModel.from_pretrained(tmp_path, max_cond_frame_num=4, low_cpu_mem_usage=True)
    assert isinstance(loaded.config, Sam2VideoConfig)
    assert loaded.config.max_cond_frame_num == 4
    assert loaded.name_or_path == str(tmp_path)
    (tmp_path / "config.json").rename(tmp_path / "other.json")
    assert VideoModel.from_pretrained(tmp_path, config=tmp_path / "other.json").config == model.config
    given = VideoModel.from_pretrained(tmp_path, config=model.config, max_cond_frame_num=4).config
    assert given == loaded.config
    assert given != model.config
    with pytest.raises(TypeError, match="cannot be loaded with max_point_num"):
        VideoModel.from_pretrained(tmp_path, max_point_num=4)
    with pytest.raises(TypeError, match="load_in_8bit"):
        VideoModel._from_config(model.config, load_in_8bit=True)


def test_models_can_be_copied(make: Callable[[str], PreTrainedModel]):
    model = make("Sam2Model")
    again = copy.deepcopy(model)
    model.load_state_dict({key: torch.zeros_like(tensor) for key, tensor in model.state_dict().items()})
    assert again.state_dict().keys() == model.state_dict().keys()
    assert any(tensor.any() for tensor in again.state_dict().values())


def test_weights_are_chosen_by_the_names_of_transformers(make: Callable[[str], PreTrainedModel], transformers: Any):
    for name in KINDS:
        model = make(name)
        theirs = getattr(transformers, name)(transformers.AutoConfig.for_model(**model.config.to_dict()))
        expected = {key for key, _ in theirs.named_parameters()} - {"prompt_encoder.not_a_point_embed.weight"}
        assert {key for key, _ in model.named_parameters()} == expected
        assert sum(1 for _ in model.parameters()) == len(expected)


def test_a_configuration_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="ImageModel is made of a Sam2Config, not of a Sam2VideoConfig"):
        ImageModel(Sam2VideoConfig())


@pytest.mark.parametrize("max_shard_size", ["1GB", "30KB"])
def test_models_come_from_the_hub_once(
    max_shard_size: str, hub: Any, make: Callable[[str], PreTrainedModel], tmp_path: Path
):
    model = make("Sam2VideoModel")
    model.save_pretrained(tmp_path / "model", max_shard_size=max_shard_size)
    hub.files = {f"me/model/{file.name}": file.read_bytes() for file in (tmp_path / "model").iterdir()}
    for options in ({}, {"local_files_only": True}):
        loaded = ImageModel.from_pretrained("me/model", device_map="auto", **options)
        assert loaded.name_or_path == "me/model"
        for name, tensor in loaded.state_dict().items():
            assert torch.equal(tensor.cpu(), model.state_dict()[name])
    asked = [path for path in hub.asked if "safetensors" in path]
    assert VideoModel.from_pretrained("me/model").config == model.config
    assert [path for path in hub.asked if "safetensors" in path] == asked
    with pytest.raises(OSError, match=r"config\.json of me/other is not in the cache .* local_files_only is set"):
        ImageModel.from_pretrained("me/other", local_files_only=True)


def test_a_file_is_no_folder_to_save_to(make: Callable[[str], PreTrainedModel], tmp_path: Path):
    (tmp_path / "model").write_text("mine")
    with pytest.raises(NotADirectoryError, match="is a file: give a folder"):
        make("Sam2HieraDetModel").save_pretrained(tmp_path / "model")
    assert (tmp_path / "model").read_text() == "mine"
