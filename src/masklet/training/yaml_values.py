"""YAML in and out as plain values, and single settings given beside a file, such as `optimiser.learning_rate=1e-4`.

Three things differ from PyYAML: 5e-6 is a number, as YAML 1.2 has it, where PyYAML wants 5.0e-6; a name that stands
twice in a mapping is an error, not the last one's alone; and what an alias stands for is a copy.
"""

import re
from collections.abc import Hashable
from typing import Any

import yaml

_FLOAT = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$")
_TAG = "tag:yaml.org,2002:float"


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.MarkedYAMLError(problem=f"{key.value} is there twice", problem_mark=key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver(_TAG, _FLOAT, list("-+.0123456789"))


def parse_yaml(text: str) -> Any:
    """The value that a text in YAML stands for. ValueError says where it is none."""
    try:
        return _unshared(yaml.load(text, _Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{where}{error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # control characters, and the 31st of February
        raise ValueError(" ".join(str(error).split())) from error


def to_yaml(value: Any) -> str:
    """Text in YAML that `parse_yaml` reads as the same value: of mappings, lists, texts, numbers, booleans and null."""
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    # As they are, a few characters, such as U+0085, would be read as ends of lines.
    return text if parse_yaml(text) == value else yaml.dump(value, Dumper=_Dumper, sort_keys=False)


def _unshared(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unshared(each) for key, each in value.items()}
    return [_unshared(each) for each in value] if isinstance(value, list) else value


def apply_override(values: dict[str, Any], override: str) -> str:
    """Set NAME.NAME=VALUE in nested values, VALUE being YAML. Returns the setting's path, such as data.train[0].images.

    Items of lists are numbered from 0: `data.train.0.images=photos`, also written `data.train[0].images=photos`; the
    number after the last adds one. ValueError for what is no such text, or leads through a value without settings.
    """
    name, equals, text = override.partition("=")
    keys = re.sub(r"\[(\d+)\]", r".\1", name.strip()).split(".")
    if not equals or not all(keys):
        raise ValueError(f"{override!r} sets nothing: write NAME=VALUE, such as optimiser.learning_rate=1e-4")
    try:
        value = parse_yaml(text)
    except ValueError as error:
        raise ValueError(f"{override!r} has a value that is no YAML ({error}): quote it") from error
    place: Any = values
    path = ""
    for key, following in zip(keys, [*keys[1:], None], strict=True):
        index, path = _enter(place, key, path, override)
        if following is None:
            place[index] = value
        else:
            if place[index] is None:
                place[index] = [] if following == "0" else {}
            place = place[index]
    return path


def _enter(place: Any, key: str, path: str, override: str) -> tuple[str | int, str]:
    """Under what to find a key in a mapping or list, where it is null if it was not there, and its path."""
    if isinstance(place, dict):
        place.setdefault(key, None)
        return key, join(path, key)
    if not isinstance(place, list):
        raise ValueError(f"{override!r} sets part of {path}, which is {show(place)} and has no parts")
    if not key.isdecimal() or int(key) > len(place):
        numbers = f"items 0 to {len(place) - 1}" if place else "no items yet"
        raise ValueError(f"{override!r} names item {key} of {path}, a list with {numbers}: write {path}.NUMBER")
    if int(key) == len(place):
        place.append(None)
    return int(key), f"{path}[{key}]"


def join(path: str, name: str) -> str:
    """The path of a setting in a section."""
    return f"{path}.{name}" if path else name


def show(value: Any) -> str:
    """A value for an error, shortened."""
    text = repr(value) if isinstance(value, str) else _in_one_line(value)
    text = " ".join(text.removesuffix("...\n").split())
    return text if len(text) <= 80 else f"{text[:76]} ..."


def _in_one_line(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, default_flow_style=True, sort_keys=False)
