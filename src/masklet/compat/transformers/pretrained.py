"""What all models have in common: masklet's engine under the names of `transformers`, from files and into files.

Different from `transformers`: weights are loaded strictly, so a tensor that is missing or of another shape is an error,
not a warning and a random tensor; a part of a model (its image encoder, its trunk) is taken out of a whole one's files.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import nn

from masklet.checkpoint.files import SAFETENSORS, SAFETENSORS_INDEX, read
from masklet.checkpoint.layouts import (
    State,
    foreign_name,
    from_native,
    holds_memory,
    is_memory_part,
    native_name,
    to_native,
)
from masklet.checkpoint.load import new_model
from masklet.checkpoint.names import TABLES, Layout
from masklet.checkpoint.strict import drop_memory, load_into
from masklet.compat.transformers.config import Sam2Config, Sam2HieraDetConfig, Sam2VideoConfig, Sam2VisionConfig
from masklet.compat.transformers.config_base import PreTrainedConfig
from masklet.compat.transformers.hub import HubOptions, find_file, find_shards
from masklet.compat.transformers.native_config import native
from masklet.compat.transformers.placement import Placement
from masklet.compat.transformers.weight_files import write_weights
from masklet.model import Sam2
from masklet.runtime.load import prepare

_VISION, _TRUNK = "vision_encoder.", "vision_encoder.backbone."


@dataclass(frozen=True)
class _Share:
    """How much of the engine a kind of model has.

    prefix: of its tensors' names in a whole model, which it leaves out. parts: of the engine; empty for all.
    """

    layout: Layout
    prefix: str = ""
    parts: tuple[str, ...] = ()


_SHARES: dict[type[PreTrainedConfig], _Share] = {
    Sam2VideoConfig: _Share(Layout.HF_VIDEO),
    Sam2Config: _Share(Layout.HF_IMAGE),
    Sam2VisionConfig: _Share(Layout.HF_IMAGE, _VISION, ("trunk", "neck")),
    Sam2HieraDetConfig: _Share(Layout.HF_IMAGE, _TRUNK, ("trunk",)),
}

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
    def share(cls) -> _Share:
        """How much of the engine this kind of model has."""
        return _SHARES[cls.config_class]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The weights' dtype."""
        return next(self.parameters()).dtype

    @property
    def name_or_path(self) -> str:
        """What the model was loaded from; empty for one with random weights."""
        return self.config.name_or_path

    @classmethod
    def _from_config(cls: type[_Model], config: PreTrainedConfig, **kwargs: Any) -> _Model:
        """A model with random weights; takes dtype, device_map and attn_implementation."""
        placement = Placement.take_from(kwargs)
        _refuse(cls, kwargs)
        model = cls(config)
        placement.apply_to(config)
        prepare(model.engine, device=placement.device, dtype=placement.dtype_of(config, None))
        return model.train()

    @classmethod
    def from_pretrained(
        cls: type[_Model], source: str | Path, *, config: PreTrainedConfig | None = None, **kwargs: Any
    ) -> _Model:
        """A trained model, in eval mode; its parameters ask for gradients.

        source: a folder that `save_pretrained` of masklet or of `transformers` has written, or the id of a repository
        on the hub, downloaded once. Checkpoints for videos hold those for still images. config: instead of that in
        the files. Keywords are where the model goes (`Placement`: device_map, dtype, attn_implementation), how to look
        on the hub (`HubOptions`: revision, cache_dir, local_files_only, token, force_download, subfolder), and fields
        of the configuration to change.

        OSError: no such folder, repository or file. ValueError: files that are damaged or do not fit.
        """
        placement, options = Placement.take_from(kwargs), HubOptions.take_from(kwargs)
        changes = {name: kwargs.pop(name) for name in cls.config_class.field_names() if name in kwargs}
        _refuse(cls, kwargs)
        if config is None:
            config = cls.config_class.from_pretrained(source, **vars(options), **changes)
        config.name_or_path = str(source)
        placement.apply_to(config)
        path = find_file(source, (SAFETENSORS, SAFETENSORS_INDEX), options)
        find_shards(source, path, options)
        state = cls._own(read(path).state, path)
        model = cls(config, new_model(native(config)))
        load_into(model.engine, state, model.share().layout, path)
        dtype = placement.dtype_of(config, state)
        prepare(model.engine, device=placement.device, dtype=dtype)
        return model.eval()

    @classmethod
    def _own(cls, state: State, path: Path) -> State:
        """Of a checkpoint's tensors those that this kind of model has, under the names that a whole model has."""
        share = cls.share()
        if share.prefix and not any(name.startswith(_VISION) for name in state):
            bare = _VISION if any(name.startswith("backbone.") for name in state) else _TRUNK
            state = {f"{bare}{name}": tensor for name, tensor in state.items()}
        if share.layout is Layout.HF_VIDEO and not holds_memory(state, Layout.HF_VIDEO):
            raise ValueError(
                f"{path} holds the still-image parts of a model alone, which {cls.__name__} cannot follow objects "
                "with: load a checkpoint with the memory parts, or take Sam2Model for still images"
            )
        if share.layout is Layout.HF_VIDEO:
            return state
        return {
            name: tensor
            for name, tensor in state.items()
            if name.startswith(share.prefix) and not is_memory_part(native_name(name, share.layout) or "")
        }

    def save_pretrained(
        self, save_directory: str | Path, *, max_shard_size: int | str = "50GB", safe_serialization: bool = True
    ) -> None:
        """Write config.json and the weights into a folder, in files that `transformers` loads too.

        The folder is made if it is not there. max_shard_size: a number of bytes, or such as "500MB"; weights that take
        more go into several files. ValueError: safe_serialization=False, which would write pickled code.
        """
        if not safe_serialization:
            raise ValueError("weights are written as safetensors alone: leave safe_serialization out")
        folder = Path(save_directory).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
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


def _their_names(model: PreTrainedModel, native_state: State) -> State:
    share = model.share()
    renamed = from_native(native_state, share.layout)
    return {name.removeprefix(share.prefix): tensor for name, tensor in renamed.items()}


def _to_their_names(module: Any, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    inner = f"{prefix}engine."
    own = {name.removeprefix(inner): state.pop(name) for name in list(state) if name.startswith(inner)}
    state.update({f"{prefix}{name}": tensor for name, tensor in _their_names(module, own).items()})


def _to_native_names(module: Any, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    share = module.share()
    theirs = {
        share.prefix + name.removeprefix(prefix): state.pop(name) for name in list(state) if name.startswith(prefix)
    }
    state.update({f"{prefix}engine.{name}": tensor for name, tensor in to_native(theirs, share.layout).items()})


def _report_their_names(module: Any, problems: Any) -> None:
    for names in problems:
        names[:] = [known for name in names for known in _as_known(name, module.share())]


def _as_known(name: str, share: _Share) -> list[str]:
    """The names that their users know of a tensor that torch found missing or unexpected in the engine."""
    before, inner, own = name.rpartition("engine.")
    if not inner:
        return [name]
    stack = TABLES[share.layout].stacks.get(own, ())
    theirs = [part for part, _ in stack] or [foreign_name(own, share.layout) or own]
    return [before + known.removeprefix(share.prefix) for known in theirs]
