import json
from pathlib import Path

import pytest

from masklet.compat.transformers.auto import AutoModel, AutoProcessor
from masklet.compat.transformers.config import Sam2PromptEncoderConfig, Sam2VideoConfig
from masklet.compat.transformers.image_processor import Sam2ImageProcessor
from masklet.compat.transformers.model import Sam2Model
from masklet.compat.transformers.native_config import from_native
from masklet.compat.transformers.processor import Sam2Processor
from masklet.compat.transformers.video_model import Sam2VideoModel
from masklet.compat.transformers.video_processor import Sam2VideoProcessor
from masklet.compat.transformers.video_video_processor import Sam2VideoVideoProcessor
from masklet.compat.transformers.vision import Sam2HieraDetModel, Sam2VisionModel
from masklet.config import MemoryConfig, ModelConfig


@pytest.fixture(scope="module")
def config(tiny: ModelConfig) -> Sam2VideoConfig:
    memory = MemoryConfig(attention_layers=1, attention_mlp_dim=32)
    return from_native(ModelConfig.from_dict(tiny.to_dict() | {"dim": 64, "memory": memory}), Sam2VideoConfig)


def test_a_model_is_of_its_files_type(config: Sam2VideoConfig, tmp_path: Path):
    whole = Sam2VideoModel(config)
    whole.save_pretrained(tmp_path / "video")
    for kind in (Sam2VideoModel, Sam2Model, Sam2VisionModel, Sam2HieraDetModel):
        model = kind.from_pretrained(tmp_path / "video")
        model.save_pretrained(tmp_path / kind.__name__)
        loaded = AutoModel.from_pretrained(tmp_path / kind.__name__, dtype="float32", local_files_only=True)
        assert type(loaded) is kind
        assert not loaded.training
        assert type(AutoModel.from_config(model.config, attn_implementation="sdpa")) is kind
        assert type(AutoModel.from_pretrained(tmp_path / "video", config=model.config)) is kind
        assert type(AutoModel.from_pretrained(tmp_path / kind.__name__, config=str(tmp_path / "video"))) is kind


def test_a_processor_is_the_one_that_files_name(tmp_path: Path):
    Sam2Processor(Sam2ImageProcessor()).save_pretrained(tmp_path / "image")
    Sam2VideoProcessor(Sam2ImageProcessor(), Sam2VideoVideoProcessor()).save_pretrained(tmp_path / "video")
    assert type(AutoProcessor.from_pretrained(tmp_path / "image")) is Sam2Processor
    loaded = AutoProcessor.from_pretrained(tmp_path / "video", point_pad_value=-5)
    assert type(loaded) is Sam2VideoProcessor
    assert loaded.point_pad_value == -5


@pytest.mark.parametrize(("model_type", "kind"), [("sam2", Sam2Processor), ("sam2_video", Sam2VideoProcessor)])
def test_without_a_name_the_model_says_it(model_type: str, kind: type, tmp_path: Path):
    Sam2ImageProcessor().save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    assert type(AutoProcessor.from_pretrained(tmp_path)) is kind


def test_other_models_are_refused(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    for auto in (AutoModel, AutoProcessor):
        with pytest.raises(ValueError, match="the model is 'bert', but masklet has SAM 2 alone: sam2, sam2_video"):
            auto.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="'sam2_prompt_encoder'"):
        AutoModel.from_config(Sam2PromptEncoderConfig())
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        AutoModel.from_pretrained(tmp_path.parent)
