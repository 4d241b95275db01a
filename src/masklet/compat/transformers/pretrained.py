"""What all models have in common: masklet's engine under the names of `transformers`, from files and into files.

Different from `transformers`: weights are loaded strictly, so a tensor that is missing or of another shape is an error,
not a warning and a random tensor; a part of a model (its image encoder, its trunk) is taken out of a whole one's files.
"""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import nn

from masklet.checkpoint.files import SAFETENSORS, SAFETENSORS_INDEX, read
from masklet.checkpoint.load import new_model
from masklet.checkpoint.names import Layout
from masklet.checkpoint.strict import drop_memory, load_into
from masklet.compat.transformers.config_base import PreTrainedConfig, make_folder
from masklet.compat.transformers.hub import HubOptions, find_file, find_shards
from masklet.compat.transformers.native_config import native
from masklet.compat.transformers.placement import Placement
from masklet.compat.transformers.share import SHARES, Share
from masklet.compat.transformers.weight_files import write_weights
from masklet.model import Sam2
from masklet.runtime.load import prepare

_ENGINE = "engine."
"""Where the tensors are for torch."""

_WITHOUT_EFFECT = ("low_cpu_mem_usage", "use_safetensors", "trust_remote_code", "weights_only", "disable_mmap")
"""Keywords of `from_pretrained` about ways of loading that masklet has only one of."""

_Model = TypeVar("_Model", bound="PreTrainedModel")


class PreTrainedModel(nn.Module):
    """A model of a configuration, with random weights and in training mode; `from_pretrained` gives a trained one.

    `engine` is masklet's model, `config` what it was made of. `state_dict` and `load_state_dict` speak the names of
    `transformers`. ValueError: a configuration that masklet's model is not built with.
    """

    config_class: ClassVar[type[PreTrainedConfig]]
    main_input_name = "pixel_values"

    def __init__(self, config: PreTrainedConfig, engine: Sam2 | None = None) -> None:
        super().__init__()
        if not isinstance(config, self.config_class):
            raise TypeError(
                f"{type(self).__name__} is made of a {self.config_class.__name__}, not of a {type(config).__name__}; "
                "from_pretrained takes one out of the other where files hold both"
            )
        self.config = config
        self.engine = Sam2(native(config)) if engine is None else engine
        share = self.share()
        if share.layout is Layout.HF_IMAGE:
            drop_memory(self.engine, f"a {type(self).__name__}")
        for name in [name for name, _ in (*self.engine.named_children(), *self.engine.named_parameters(recurse=False))]:
            if share.parts and name not in share.parts:
                setattr(self.engine, name, None)
        self.register_state_dict_post_hook(_to_their_names)
        self.register_load_state_dict_pre_hook(_to_native_names)
        self.register_load_state_dict_post_hook(_report_their_names)

    @classmethod
    def share(cls) -> Share:
        """How much of the engine this kind of model has."""
        return SHARES[cls.config_class]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.engine.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The weights' dtype."""
        return next(self.engine.parameters()).dtype

    @property
    def name_or_path(self) -> str:
        """What the model was loaded from; empty for one with random weights."""
        return self.config.name_or_path

    def get_input_embeddings(self) -> nn.Module:
        """The layer that makes tokens of pixels."""
        return self.engine.trunk.patch_embedding

    @classmethod
    def _from_config(cls: type[_Model], config: PreTrainedConfig, **kwargs: Any) -> _Model:
        """A model with random weights; takes dtype, device_map and attn_implementation."""
        placement = Placement.take_from(kwargs)
        _refuse(cls, kwargs)
        model = cls(copy.deepcopy(config))
        placement.apply_to(model.config)
        prepare(model.engine, device=placement.device, dtype=placement.dtype_of(config, None))
        return model.train()

    @classmethod
    def from_pretrained(
        cls: type[_Model],
        pretrained_model_name_or_path: str | Path,
        *,
        config: PreTrainedConfig | str | Path | None = None,
        **kwargs: Any,
    ) -> _Model:
        """A trained model, in eval mode; its parameters ask for gradients.

        pretrained_model_name_or_path: a folder that `save_pretrained` of masklet or of `transformers` has written, the
        id of a repository on the hub, downloaded once, or "nano", the model that comes with masklet. Checkpoints for
        videos hold those for still images.
        config: instead of that in the files; one, or where its from_pretrained finds it. Keywords say where the model
        goes (`Placement`: device_map, dtype, attn_implementation) and how to look on the hub (`HubOptions`: revision,
        cache_dir, local_files_only, token, force_download, subfolder); fields of the configuration are changed.

        OSError: no such folder, repository or file. ValueError: files that are damaged or do not fit.
        """
        source = pretrained_model_name_or_path
        placement, options = Placement.take_from(kwargs), HubOptions.take_from(kwargs)
        changes = {name: kwargs.pop(name) for name in cls.config_class.field_names() if name in kwargs}
        _refuse(cls, kwargs)
        if not isinstance(config, PreTrainedConfig):
            config = cls.config_class.from_pretrained(config or source, **vars(options))
        config = copy.deepcopy(config)
        config.update(changes)
        config.name_or_path = str(source)
        placement.apply_to(config)
        path = find_file(source, (SAFETENSORS, SAFETENSORS_INDEX), options)
        find_shards(source, path, options)
        found = read(path).state
        try:
            state = cls.share().take_from(found)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        model = cls(config, new_model(native(config)))
        load_into(model.engine, state, model.share().layout, path)
        prepare(model.engine, device=placement.device, dtype=placement.dtype_of(config, state))
        return model.eval()

    def save_pretrained(
        self, save_directory: str | Path, *, max_shard_size: int | str = "50GB", safe_serialization: bool = True
    ) -> None:
        """Write config.json and the weights into a folder, in files that `transformers` loads too.

        The folder is made if it is not there. max_shard_size: a number of bytes, or such as "500MB"; weights that take
        more go into several files. ValueError: safe_serialization=False, which would write pickled code.
        """
        if not safe_serialization:
            raise ValueError("weights are written as safetensors alone: leave safe_serialization out")
        folder = make_folder(save_directory)
        write_weights(folder, self.state_dict(), max_shard_size)
        self.config.architectures, self.config.dtype = [type(self).__name__], self.dtype
        self.config.save_pretrained(folder)

    def to(self: _Model, *args: Any, **kwargs: Any) -> _Model:
        """Move the model, cast its weights; takes what `torch.nn.Module.to` takes.

        Tables of positions stay in float32, whatever the weights are in.
        """
        dtype = kwargs.pop("dtype", None)
        for arg in args:
            dtype = arg if isinstance(arg, torch.dtype) else dtype
        super().to(*(arg for arg in args if not isinstance(arg, torch.dtype)), **kwargs)
        if dtype is not None:
            if not dtype.is_floating_point:
                raise TypeError(f"weights are of a floating-point type, not {dtype}")
            for parameter in self.parameters():
                parameter.data = parameter.data.to(dtype)
        return self

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Parameter]]:
        """All weights under the names of `transformers`, by which they are chosen for training.

        The embedding of what is no point is a row of `prompt_encoder.point_embed.weight` here.
        """
        for name, parameter in super().named_parameters(prefix, recurse, remove_duplicate):
            yield _their_names(self, name)[-1], parameter

    def float(self: _Model) -> _Model:
        """Cast the weights to float32."""
        return self.to(torch.float32)

    def half(self: _Model) -> _Model:
        """Cast the weights to float16."""
        return self.to(torch.float16)

    def bfloat16(self: _Model) -> _Model:
        """Cast the weights to bfloat16."""
        return self.to(torch.bfloat16)


def _refuse(model_class: type, keywords: dict[str, Any]) -> None:
    if unknown := [name for name in keywords if name not in _WITHOUT_EFFECT]:
        raise TypeError(f"{model_class.__name__} cannot be loaded with {', '.join(unknown)}: no such option or field")


def _to_their_names(module: Any, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    inner = f"{prefix}{_ENGINE}"
    own = {name.removeprefix(inner): state.pop(name) for name in list(state) if name.startswith(inner)}
    state.update({prefix + name: tensor for name, tensor in module.share().from_native(own).items()})


def _to_native_names(module: Any, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    own = {name.removeprefix(prefix): state.pop(name) for name in list(state) if name.startswith(prefix)}
    state.update({prefix + _ENGINE + name: tensor for name, tensor in module.share().to_native(own).items()})


def _report_their_names(module: Any, problems: Any) -> None:
    for names in problems:
        names[:] = [known for name in names for known in _their_names(module, name)]


def _their_names(module: Any, name: str) -> list[str]:
    """What users call a tensor that torch finds in the engine of a model."""
    before, inner, own = name.rpartition(_ENGINE)
    return [before + known for known in module.share().names_of(own)] if inner else [name]
