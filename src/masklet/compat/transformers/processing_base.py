"""Settings of processors, saved as the JSON files that `transformers` reads, and loaded from those that it writes.

`preprocessor_config.json` holds the settings of an image processor, `processor_config.json` those of a processor. Newer
files of the latter hold its parts too; beside older ones each part has a file of its own. Both are read. Entries that
no argument goes by, of which old files have many, are passed over.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from masklet.compat.transformers.config_base import make_folder
from masklet.compat.transformers.hub import HubOptions, find_file
from masklet.compat.transformers.json_file import JsonFile, read_json

PROCESSOR_FILE = "processor_config.json"

_WITHOUT_EFFECT = ("backend", "proxies", "trust_remote_code", "use_fast")
"""Keywords of `from_pretrained` that choose among ways, of which there is one here."""

_Settings = TypeVar("_Settings", bound="SavedSettings")


class SavedSettings(JsonFile):
    """Something whose settings can be saved and loaded. The class variables say how.

    names: the settings, which are arguments of the constructor and attributes. type_key: the entry that names the
    class. file_names: where the settings are, the first of which is written. nested_keys: entries of
    `processor_config.json` that hold the settings, the first that is there. parts: arguments that are `SavedSettings`.
    """

    names: ClassVar[Sequence[str]]
    type_key: ClassVar[str]
    file_names: ClassVar[Sequence[str]]
    nested_keys: ClassVar[Sequence[str]] = ()
    parts: ClassVar[dict[str, type["SavedSettings"]]] = {}

    @classmethod
    def from_dict(cls: type[_Settings], values: dict[str, Any], **changes: Any) -> _Settings:
        """Made of what `to_dict` has written, with some settings changed. TypeError: there is no such setting."""
        cls._check_names(changes)
        given = {name: value for name, value in values.items() if name in cls.names} | changes
        return cls(**given)

    @classmethod
    def from_json_file(cls: type[_Settings], json_file: str | Path) -> _Settings:
        """Made of a file that `to_json_file` has written."""
        return cls.from_pretrained(json_file)

    @classmethod
    def from_pretrained(cls: type[_Settings], pretrained_model_name_or_path: str | Path, **kwargs: Any) -> _Settings:
        """The settings of a model: of its folder, of its repository on the hub, or of a file.

        kwargs: settings to change, also of parts, and how to look on the hub (`HubOptions`). OSError: there are none.
        """
        options = HubOptions.take_from(kwargs)
        changes = {name: value for name, value in kwargs.items() if name not in _WITHOUT_EFFECT}
        cls._check_names(changes)
        source = Path(pretrained_model_name_or_path).expanduser()
        if not source.is_file():
            source = pretrained_model_name_or_path
        values = cls._find_values(source, options)
        for name, kind in cls.parts.items():
            part = {key: changes.pop(key) for key in list(changes) if key in kind.names}
            values[name] = kind.from_dict(kind._find_values(source, options), **part)
        given = {name: value for name, value in values.items() if name in (*cls.names, *cls.parts)} | changes
        return cls(**given)

    @classmethod
    def _check_names(cls, changes: dict[str, Any]) -> None:
        known = [*cls.names, *(name for part in cls.parts.values() for name in part.names)]
        if unknown := [name for name in changes if name not in known]:
            raise TypeError(f"{cls.__name__} has no setting {unknown[0]!r}; it has {', '.join(known)}")

    @classmethod
    def _find_values(cls, source: str | Path, options: HubOptions) -> dict[str, Any]:
        """What is in the file or files, of this class's settings."""
        given_a_file = isinstance(source, Path) and source.is_file()
        path = Path(source) if given_a_file else find_file(source, (PROCESSOR_FILE, *cls.file_names), options)
        values = read_json(path)
        for key in cls.nested_keys:
            if isinstance(values.get(key), dict):
                return values[key]
        if path.name != PROCESSOR_FILE or PROCESSOR_FILE in cls.file_names or given_a_file:
            return values
        return read_json(find_file(source, cls.file_names, options))

    def to_dict(self) -> dict[str, Any]:
        """The settings that are not None, those of parts too, as JSON can hold them, and the name of the class."""
        values = {name: getattr(self, name) for name in self.names}
        values |= {name: getattr(self, name).to_dict() for name in self.parts}
        return {name: value for name, value in values.items() if value is not None} | {
            self.type_key: type(self).__name__
        }

    def save_pretrained(self, save_directory: str | Path) -> list[str]:
        """Write the settings into a folder, which is made if it is not there. Returns the paths of what was written."""
        folder = make_folder(save_directory)
        path = folder / self.file_names[0]
        self.to_json_file(path)
        return [str(path)]
