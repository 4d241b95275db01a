"""A run's configuration in a file: read from YAML, with settings given beside it, and written.

All that is wrong is told at once: misspelt names with those that are near, values of the wrong type, settings that do
not go together, and files that are not there. Relative paths start from the file's folder; those that are given beside
it, and those of a recipe, from the working directory.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from masklet.checkpoint import registry
from masklet.config import PRESETS
from masklet.io.files import write_atomically
from masklet.training.data.transforms import TransformConfig
from masklet.training.data.videos import VideoClipsConfig
from masklet.training.prompts import PromptConfig
from masklet.training.recipes.catalog import find_recipe, recipe_names
from masklet.training.run_config import ModelSection, RunConfig
from masklet.training.scenes import MovingScenesConfig, ScenesConfig
from masklet.training.settings import SettingsError, SettingsReader, setting_name, to_plain
from masklet.training.sources_config import (
    KINDS,
    VIDEO_KINDS,
    DataSection,
    SourceConfig,
    ValidationConfig,
)
from masklet.training.yaml_values import apply_override, parse_yaml, show, to_yaml

OUTPUTS = Path("runs")
"""Folder of runs in the working directory, where a configuration does not say."""


def read_run(source: str | Path, overrides: Sequence[str] = (), *, output: str | Path | None = None) -> RunConfig:
    """The run of a YAML file, or of a recipe by its name.

    overrides: `NAME.NAME=VALUE` each, such as data.train.0.images=photos. output: the folder of the run, instead of the
    one that is said. SettingsError, a ValueError, with everything that is wrong; FileNotFoundError without the file,
    ValueError where it is no YAML.
    """
    path = find_run(source)
    values, given, problems = _read_values(path), [], []
    for override in overrides:
        try:
            given.append(apply_override(values, override))
        except ValueError as error:
            problems.append(str(error))
    here = Path.cwd()
    values["run"] = {} if values.get("run") is None else values["run"]
    if isinstance(values["run"], dict):
        values["run"].setdefault("output", str(here / OUTPUTS / path.stem))
        if output is not None:
            values["run"]["output"] = str(here / output)
    base = here if find_recipe(path.stem) == path else path.absolute().parent
    reader = SettingsReader(partial(_base, base, given), problems)
    config = _read_sections(reader, values)
    if config is None:
        raise SettingsError(str(source), reader.problems)
    return config


def find_run(source: str | Path) -> Path:
    """The file of a run: a recipe by its name, or a path. FileNotFoundError with what is near."""
    recipe = find_recipe(str(source))
    if recipe is not None:
        return recipe
    path = Path(source).expanduser()
    if path.is_file():
        return path
    written = path / "config.yaml"
    beside = [*map(str, path.parent.glob("*.y*ml"))] if path.parent.is_dir() else []
    near = [str(written)] if written.is_file() else get_close_matches(str(source), [*recipe_names(), *beside])
    hint = f"did you mean {' or '.join(near)}?" if near else f"the recipes are {', '.join(recipe_names())}"
    raise FileNotFoundError(f"there is no file {source}, and no recipe of this name: {hint}")


def write_run(config: RunConfig, path: str | Path) -> None:
    """Write a run's configuration as YAML, with every setting. It is read as the same."""
    with write_atomically(path) as temporary:
        temporary.write_text(to_yaml(run_to_values(config)), encoding="utf-8")


def run_to_values(config: RunConfig) -> dict[str, Any]:
    """A run's configuration as plain values, as YAML has them."""
    values = to_plain(config)
    for name in ("train", "validation"):
        sources = getattr(config.data, name)
        values["data"][name] = [
            _flat(source, plain) for source, plain in zip(sources, values["data"][name], strict=True)
        ]
    return values


def _flat(source: SourceConfig | ValidationConfig, plain: dict[str, Any]) -> dict[str, Any]:
    """A source with the settings of its clips beside its own."""
    clips = plain.pop("clips")
    if isinstance(source.clips, VideoClipsConfig):
        kind = next(kind for kind, name in VIDEO_KINDS.items() if name == clips["kind"])
    else:
        kind = next(kind for kind, settings in KINDS.items() if type(source.clips) is settings)
    return {"kind": kind} | {name: value for name, value in clips.items() if name != "kind"} | plain


def _read_values(path: Path) -> dict[str, Any]:
    try:
        values = parse_yaml(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8: YAML was expected") from error
    except ValueError as error:
        raise ValueError(f"{path} is no YAML: {error}") from error
    if not isinstance(values, dict | None):
        sections = ", ".join(each.name for each in fields(RunConfig))
        raise ValueError(f"{path} is {show(values)}, but it must be a mapping of sections: {sections}")
    return values or {}


def _base(folder: Path, given: Sequence[str], path: str) -> Path:
    """From where a relative path starts: the working directory if it, or what it is part of, was given beside."""
    beside = any(path == each or path.startswith((f"{each}.", f"{each}[")) for each in given)
    return Path.cwd() if beside else folder


def _read_sections(reader: SettingsReader, values: dict[str, Any]) -> RunConfig | None:
    model = reader.read(ModelSection, values.get("model"), "model")
    if model is not None and model.weights is not None:
        model = replace(model, weights=_find_weights(reader, model.weights))
    prompts = reader.read(PromptConfig, values.get("prompts"), "prompts")
    made = {"model": model, "prompts": prompts}
    if "data" in values:
        made["data"] = _read_data(reader, values["data"], prompts or PromptConfig(), model)
    return reader.read(RunConfig, values, "", made=made, since=0)


def _find_weights(reader: SettingsReader, weights: str) -> str:
    """A name as it is, or a whole path. As where models are loaded, names of masklet's own come first."""
    path = reader.base("model.weights") / Path(weights).expanduser()
    if weights not in PRESETS and path.exists():
        return str(path)
    if weights not in PRESETS and registry.find(weights) is None:
        near = get_close_matches(weights, PRESETS)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the names are {', '.join(PRESETS)}"
        reader.problems.append(f"model.weights is {weights}, but there is no {path}, and no model of this name: {hint}")
    return weights


def _read_data(
    reader: SettingsReader, values: Any, prompts: PromptConfig, model: ModelSection | None
) -> DataSection | None:
    if not isinstance(values, dict):
        return reader.read(DataSection, values, "data")
    since = len(reader.problems)
    transforms = reader.read(TransformConfig, values.get("transforms"), "data.transforms")
    size = model.image_size if model else None
    shared = {"prompts": prompts, "transforms": transforms or TransformConfig()}
    made: dict[str, Any] = {"transforms": transforms}
    for name, kind in (("train", SourceConfig), ("validation", ValidationConfig)):
        if name in values:
            made[name] = _read_sources(reader, kind, values[name], f"data.{name}", shared, size)
    if "validation" not in values:
        made["validation"] = tuple(map(_held_out, filter(_holds_out, made.get("train", ()))))
    return reader.read(DataSection, values, "data", made=made, since=since)


def _read_sources(
    reader: SettingsReader, kind: type[Any], values: Any, path: str, shared: dict[str, Any], size: int | None
) -> tuple[Any, ...]:
    if not isinstance(values, list):
        reader.problems.append(f"{path} is {show(values)}, but it must be a list of sources")
        return ()
    found = [_read_source(reader, kind, each, f"{path}[{index}]", shared, size) for index, each in enumerate(values)]
    return tuple(each for each in found if each is not None)


def _read_source(
    reader: SettingsReader, kind: type[Any], values: Any, path: str, shared: dict[str, Any], size: int | None
) -> Any:
    named = values.get("kind") if isinstance(values, dict) else None
    if named not in KINDS:
        near = get_close_matches(str(named), KINDS)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the kinds are {', '.join(KINDS)}"
        where = f"{path}.kind is {show(named)}" if isinstance(values, dict) else f"{path} is {show(values)}"
        reader.problems.append(f"{where}, but a source is a mapping of settings with a kind: {hint}")
        return None
    own = [setting_name(each.name) for each in fields(kind) if each.name != "clips"]
    of_clips = [setting_name(each.name) for each in fields(KINDS[named])]
    reader.refuse_unknown(values, [*own, *of_clips, "kind"], path)
    clips = {name: value for name, value in values.items() if name in of_clips and name != "kind"}
    if KINDS[named] is VideoClipsConfig:
        clips["kind"] = VIDEO_KINDS[named]
    if KINDS[named] in (ScenesConfig, MovingScenesConfig) and size is not None:
        clips.setdefault("image_size", size)
    since = len(reader.problems)
    made = {"clips": reader.read(KINDS[named], clips, path)}
    rest = {name: value for name, value in values.items() if name in own}
    defaults = {name: value for name, value in shared.items() if name in rest}
    return reader.read(kind, rest, path, made=made, defaults=defaults, since=since)


def _holds_out(source: SourceConfig) -> bool:
    return getattr(source.clips, "held_out", 0) > 0


def _held_out(source: SourceConfig) -> ValidationConfig:
    """The part of a source that is not learned from."""
    clips: Any = replace(source.clips, part="held_out")
    if isinstance(clips, VideoClipsConfig):
        clips = replace(clips, repeat=1, repeat_by_length=False)
    return ValidationConfig(clips=clips, batch_size=source.batch_size)
