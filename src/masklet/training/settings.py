"""From plain values, as YAML has them, to configuration dataclasses, with all that is wrong found at once.

Values are checked strictly: 1 is no `true`, and "3" no number. What is not said stays as the dataclass has it; that
holds for nested ones, too, so naming one setting of a section leaves the others at their defaults.
"""

import json
import math
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from masklet.training.yaml_values import join, show

_NOUNS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}
_PLURALS = {int: "whole numbers", float: "numbers", str: "texts", Path: "paths"}

NEW_FOLDERS = {"run.output"}
"""Paths of folders that need not be there."""


class SettingsError(ValueError):
    """What is wrong with a configuration. problems: a line for each, which begins with the setting's path."""

    def __init__(self, source: str, problems: Iterable[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__("\n".join((f"{source} cannot be run:", *self.problems)))


def setting_name(name: str) -> str:
    """What a field is called in YAML: without the underscore that Python's own words need."""
    return name.rstrip("_")


@dataclass
class SettingsReader:
    """Reads settings and collects what is wrong with them.

    base: the folder from which a relative path starts, by the path of its setting.
    """

    base: Callable[[str], Path]
    problems: list[str] = field(default_factory=list)

    def read(
        self,
        kind: type[Any],
        values: Any,
        path: str,
        *,
        made: Mapping[str, Any] | None = None,
        defaults: Mapping[str, Any] | None = None,
        since: int | None = None,
    ) -> Any:
        """A dataclass of a mapping's values; None, with a problem more, where something is wrong.

        made: fields that were read before, when there were `since` problems. defaults: of fields, where they are others
        than the class has.
        """
        if not isinstance(values, dict | None):
            self.problems.append(f"{path or 'it'} is {show(values)}, but it must be {describe(kind)}")
            return None
        values, found = values or {}, dict(made or {})
        since = len(self.problems) if since is None else since
        defaults = {each.name: _default(each) for each in fields(kind)} | dict(defaults or {})
        self.refuse_unknown(values, [setting_name(name) for name in defaults], path)
        for name, hint in get_type_hints(kind).items():
            setting = setting_name(name)
            where = join(path, setting)
            if name not in found:
                if setting in values:
                    found[name] = self._value(hint, values[setting], where, defaults[name])
                elif defaults[name] is MISSING:
                    self.problems.append(f"{where} is missing: it must be {describe(hint)}")
                else:
                    found[name] = defaults[name]
        if len(self.problems) > since:
            return None
        try:
            return kind(**found)
        except ValueError as error:
            self.problems.append(f"{path}: {error}" if path else str(error))
            return None

    def refuse_unknown(self, values: Mapping[Any, Any], names: Iterable[str], path: str) -> None:
        """A problem for each name that is no setting, with those of nearly its name."""
        known = list(names)
        for name in map(str, values):
            if name not in known:
                near = get_close_matches(name, known)
                hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
                self.problems.append(f"{join(path, name)} is no setting: {hint}")

    def _value(self, hint: Any, value: Any, path: str, default: Any) -> Any:
        nested = dataclass_in(hint)
        if nested is None:
            return self._leaf(hint, value, path)
        if value is None and type(None) in get_args(hint):
            return None
        started = isinstance(default, nested)
        defaults = {each.name: getattr(default, each.name) for each in fields(nested)} if started else None
        return self.read(nested, value, path, defaults=defaults)

    def _leaf(self, hint: Any, value: Any, path: str) -> Any:
        found = parse_leaf(hint, value)
        if found is MISSING:
            choices = [str(choice) for choice in get_args(hint)] if get_origin(hint) is Literal else []
            near = get_close_matches(str(value), choices)
            hint_ = f" (did you mean {near[0]}?)" if near else ""
            self.problems.append(f"{path} is {show(value)}, but it must be {describe(hint)}{hint_}")
            return None
        return self.locate(found, path) if isinstance(found, Path) else found

    def locate(self, given: Path, path: str) -> Path | None:
        """The whole of a path; a problem where there is nothing."""
        try:
            whole = self.base(path) / given.expanduser()
        except RuntimeError as error:  # a home that there is not
            self.problems.append(f"{path} is {given}, but {error}")
            return None
        if path in NEW_FOLDERS:
            if whole.is_file():
                self.problems.append(f"{path} is {given}, but that is a file: name a folder")
        elif not whole.exists():
            beside = [child.name for child in whole.parent.iterdir()] if whole.parent.is_dir() else []
            near = get_close_matches(whole.name, beside)
            hint = f" (did you mean {' or '.join(near)}?)" if near else ""
            self.problems.append(f"{path} is {given}, but there is no {whole}{hint}")
        return whole


def parse_leaf(hint: Any, value: Any) -> Any:
    """A value of a type, such as a tuple of a list; `MISSING` where it is none of it."""
    from pydantic import ValidationError

    if isinstance(value, float) and math.isnan(value):
        return MISSING
    try:
        # By way of JSON, in which a strict reading still takes a list for a tuple and text for a path.
        return _adapter(hint).validate_json(json.dumps(value, default=str))
    except (ValidationError, TypeError, ValueError):
        return MISSING


@cache
def _adapter(hint: Any) -> Any:
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(hint, config=ConfigDict(strict=True))


def describe(hint: Any) -> str:
    """What a setting of a type must be, in words."""
    if nested := dataclass_in(hint):
        return f"a mapping of settings ({', '.join(setting_name(each.name) for each in fields(nested))})"
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        names = ", ".join(map(str, arguments))
        return f"one of {names}" if len(arguments) > 1 else names
    if origin in (Union, types.UnionType):
        return " or ".join("null" if each is type(None) else describe(each) for each in arguments)
    if origin is tuple:
        count = "" if Ellipsis in arguments else f"{len(arguments)} "
        return f"a list of {count}{_PLURALS.get(next(iter(arguments)), 'mappings of settings')}"
    if origin is dict:
        return f"a mapping from {_PLURALS[arguments[0]]} to {_PLURALS[arguments[1]]}"
    return _NOUNS[hint]


def dataclass_in(hint: Any) -> type[Any] | None:
    """The dataclass that a type, perhaps one that may be null, is of."""
    kinds = [each for each in (hint, *get_args(hint)) if isinstance(each, type) and is_dataclass(each)]
    return kinds[0] if len(kinds) == 1 and get_origin(hint) is not tuple else None


def to_plain(value: Any) -> Any:
    """Configuration dataclasses as plain values that are read as the same again."""
    if is_dataclass(value) and not isinstance(value, type):
        return {setting_name(each.name): to_plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [to_plain(each) for each in value]
    return dict(value) if isinstance(value, dict) else value


def _default(each: Field[Any]) -> Any:
    return each.default_factory() if each.default_factory is not MISSING else each.default
