"""What all configurations have in common: fields by name, JSON, and files that `transformers` reads and writes."""

import copy
from collections.abc import Callable
from dataclasses import KW_ONLY, MISSING, dataclass, field, fields
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch

from masklet.compat.transformers.hub import HubOptions, find_file
from masklet.compat.transformers.json_file import JsonFile, read_json

CONFIG_FILE = "config.json"

_OTHER_NAMES = {
    "torch_dtype": "dtype",
    "_name_or_path": "name_or_path",
    "_attn_implementation": "attn_implementation",
}
"""Names that `transformers` has, or had, for an attribute, with ours."""
_UNSAVED = ("name_or_path", "attn_implementation")
"""What is of one loaded model, not of its files."""

_Class = TypeVar("_Class", bound=type)
_Config = TypeVar("_Config", bound="PreTrainedConfig")


def takes_more(cls: _Class) -> _Class:
    """Let a configuration be made with names that it has no field for, which become attributes of it.

    Files of other versions of `transformers` have more or other fields; nothing of them is lost when they are written
    again.
    """
    make: Callable[..., None] = cls.__init__

    @wraps(make)
    def make_with_more(self: "PreTrainedConfig", *args: Any, **kwargs: Any) -> None:
        known = self.field_names()
        make(self, *args, **{name: value for name, value in kwargs.items() if name in known})
        for name, value in kwargs.items():
            if name not in known:
                setattr(self, name, value)

    cls.__init__ = make_with_more  # type: ignore[method-assign, assignment]
    return cls


@dataclass(repr=False)
class PreTrainedConfig(JsonFile):
    """A configuration: attributes that can be read and set, under the names that `transformers` has for them."""

    model_type: ClassVar[str] = ""
    base_config_key: ClassVar[str] = ""
    """The entry of a whole model's configuration that holds this one, of a part."""
    parts: ClassVar[dict[str, type["PreTrainedConfig"]]] = {}
    """The fields that are configurations themselves; they can be given as dictionaries, and None is the default."""

    _: KW_ONLY
    architectures: list[str] | None = None
    dtype: torch.dtype | str | None = None
    """Of the weights, if a file says it."""
    output_hidden_states: bool | None = False
    output_attentions: bool | None = False
    return_dict: bool | None = True
    name_or_path: str = field(default="", compare=False)
    """What the model was loaded from."""
    attn_implementation: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for own in fields(self):
            if own.default_factory is not MISSING and getattr(self, own.name) is None:
                setattr(self, own.name, own.default_factory())
        for name, kind in self.parts.items():
            setattr(self, name, _made(kind, name, getattr(self, name)))

    def __setattr__(self, name: str, value: Any) -> None:
        name = _OTHER_NAMES.get(name, name)
        if name == "dtype" and isinstance(value, str):
            value = getattr(torch, value, value)
        super().__setattr__(name, value)

    @property
    def _attn_implementation(self) -> str | None:
        return self.attn_implementation

    @classmethod
    def field_names(cls) -> tuple[str, ...]:
        """The names of all fields, those of this class first, in the order in which they can be given."""
        common = {own.name for own in fields(PreTrainedConfig)}
        names = [own.name for own in fields(cls)]
        return tuple(sorted(names, key=lambda name: name in common))

    @classmethod
    def from_dict(cls: type[_Config], values: dict[str, Any], **changes: Any) -> _Config:
        """The configuration that `to_dict` has written, with some values changed."""
        given = {**copy.deepcopy(values), **changes}
        if given.pop("model_type", cls.model_type) != cls.model_type:  # what another type has more is not of this one
            given = {name: value for name, value in given.items() if name in cls.field_names()}
        return cls(**given)

    @classmethod
    def get_config_dict(
        cls, pretrained_model_name_or_path: str | Path, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What a folder's or repository's config.json says, and those keywords that do not say where to look."""
        options = HubOptions.take_from(kwargs)
        path = Path(pretrained_model_name_or_path).expanduser()
        if not (path.suffix == ".json" and path.is_file()):
            path = find_file(pretrained_model_name_or_path, (CONFIG_FILE,), options)
        return read_json(path), kwargs

    @classmethod
    def from_pretrained(cls: type[_Config], pretrained_model_name_or_path: str | Path, **kwargs: Any) -> _Config:
        """The configuration of a model: of its folder, of its config.json, or of its repository on the hub.

        Keywords are fields to change, and how to look on the hub (`HubOptions`). A configuration that is a part of the
        model's is taken out of it. OSError: there is none.
        """
        values, changes = cls.get_config_dict(pretrained_model_name_or_path, **kwargs)
        return cls.from_dict(_part(cls.base_config_key, values) or values, **changes)

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write config.json into a folder, which is made if it is not there."""
        self.to_json_file(Path(save_directory).expanduser() / CONFIG_FILE)

    def to_dict(self) -> dict[str, Any]:
        """All values, of parts too, by name, as JSON can hold them."""
        names = [*self.field_names(), *(name for name in self.__dict__ if name not in self.field_names())]
        values = {name: _plain(self.__dict__[name]) for name in names if name not in _UNSAVED and name[0] != "_"}
        return {"model_type": self.model_type} | values

    def update(self, values: dict[str, Any]) -> None:
        """Set several values."""
        for name, value in values.items():
            setattr(self, name, _made(self.parts[name], name, value) if name in self.parts else value)


def make_folder(save_directory: str | Path) -> Path:
    """A folder to save to, made if it is not there. NotADirectoryError: it is a file."""
    folder = Path(save_directory).expanduser()
    if folder.is_file():
        raise NotADirectoryError(f"{folder} is a file: give a folder to save to")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _made(kind: type[PreTrainedConfig], name: str, value: Any) -> PreTrainedConfig:
    if isinstance(value, dict):
        return kind.from_dict(value)
    if not isinstance(value, PreTrainedConfig):
        raise TypeError(f"{name} is {value!r}, but it must be a {kind.__name__}, a dictionary of its fields, or None")
    return value


def _part(key: str, values: dict[str, Any]) -> dict[str, Any] | None:
    """The dictionary under a name, at any depth."""
    if isinstance(values.get(key), dict):
        return values[key]
    inner = (_part(key, value) for value in values.values() if isinstance(value, dict))
    return next((found for found in inner if found), None)


def _plain(value: Any) -> Any:
    if isinstance(value, PreTrainedConfig):
        return value.to_dict()
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    return list(value) if isinstance(value, tuple) else copy.deepcopy(value)
