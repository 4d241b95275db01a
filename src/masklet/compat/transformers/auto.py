"""`AutoModel` and `AutoProcessor`: the class that a model's files ask for."""

from pathlib import Path
from typing import Any

from masklet.compat.transformers.config_base import CONFIG_FILE, PreTrainedConfig
from masklet.compat.transformers.hub import HubOptions, find_file, find_optional
from masklet.compat.transformers.image_processor import Sam2ImageProcessor
from masklet.compat.transformers.json_file import read_json
from masklet.compat.transformers.model import Sam2Model
from masklet.compat.transformers.pretrained import PreTrainedModel
from masklet.compat.transformers.processing_base import PROCESSOR_FILE
from masklet.compat.transformers.processor import Sam2Processor
from masklet.compat.transformers.video_model import Sam2VideoModel
from masklet.compat.transformers.video_processor import Sam2VideoProcessor
from masklet.compat.transformers.vision import Sam2HieraDetModel, Sam2VisionModel

_MODELS: dict[str, type[PreTrainedModel]] = {
    kind.config_class.model_type: kind for kind in (Sam2Model, Sam2VideoModel, Sam2VisionModel, Sam2HieraDetModel)
}
_PROCESSORS: dict[str, type[Sam2Processor]] = {"sam2": Sam2Processor, "sam2_video": Sam2VideoProcessor}


class AutoModel:
    """Makes the model that a configuration is of: Sam2Model, Sam2VideoModel, Sam2VisionModel or Sam2HieraDetModel.

    The published checkpoints are of videos. Take Sam2Model itself for their still-image part.
    """

    @staticmethod
    def from_pretrained(pretrained_model_name_or_path: str | Path, **kwargs: Any) -> PreTrainedModel:
        """A trained model; arguments and errors are those of `PreTrainedModel.from_pretrained`.

        ValueError: a model that is not SAM 2.
        """
        source, config = pretrained_model_name_or_path, kwargs.get("config")
        model_type = config.model_type if isinstance(config, PreTrainedConfig) else _model_type(source, kwargs)
        return _known(_MODELS, model_type).from_pretrained(source, **kwargs)

    @staticmethod
    def from_config(config: PreTrainedConfig, **kwargs: Any) -> PreTrainedModel:
        """A model with random weights; takes dtype, device_map and attn_implementation."""
        return _known(_MODELS, config.model_type)._from_config(config, **kwargs)


class AutoProcessor:
    """Makes the processor that goes with a model: Sam2Processor or Sam2VideoProcessor."""

    @staticmethod
    def from_pretrained(pretrained_model_name_or_path: str | Path, **kwargs: Any) -> Sam2Processor:
        """The processor that the files name, else the one of the model's type.

        Arguments and errors are those of the processors' own `from_pretrained`. ValueError: a model that is not SAM 2.
        """
        source, options = pretrained_model_name_or_path, HubOptions.take_from(dict(kwargs))
        by_name = {kind.__name__: kind for kind in _PROCESSORS.values()}
        path = find_optional(source, (PROCESSOR_FILE, *Sam2ImageProcessor.file_names), options)
        if path and (kind := by_name.get(read_json(path).get("processor_class", ""))):
            return kind.from_pretrained(source, **kwargs)
        return _known(_PROCESSORS, _model_type(source, kwargs)).from_pretrained(source, **kwargs)


def _model_type(source: str | Path, keywords: dict[str, Any]) -> str:
    values = read_json(find_file(source, (CONFIG_FILE,), HubOptions.take_from(dict(keywords))))
    return values.get("model_type", "of no type")


def _known(kinds: dict[str, Any], model_type: str) -> Any:
    if model_type not in kinds:
        raise ValueError(f"the model is {model_type!r}, but masklet has SAM 2 alone: {', '.join(kinds)}")
    return kinds[model_type]
