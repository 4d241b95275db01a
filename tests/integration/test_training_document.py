"""docs/training.md: its table of settings is that of the configuration, and its runs can be read."""

import re
import shlex
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path

import pytest

from masklet.training.data.colour import JitterConfig
from masklet.training.data.geometry import AffineConfig, CropConfig
from masklet.training.data.images import CocoImagesConfig, ImageFolderConfig, Sa1bImagesConfig
from masklet.training.data.loader import LoaderConfig
from masklet.training.data.pictures import PictureConfig
from masklet.training.data.transforms import TransformConfig
from masklet.training.data.videos import VideoClipsConfig
from masklet.training.drift import DriftConfig
from masklet.training.lora import LoraConfig
from masklet.training.losses import LossConfig
from masklet.training.optimise import OptimiserConfig
from masklet.training.prompts import PromptConfig
from masklet.training.recipes.catalog import recipe_names
from masklet.training.run_config import AverageConfig, ModelSection, RunSection
from masklet.training.run_file import read_run
from masklet.training.scenes import MovingScenesConfig, ScenesConfig
from masklet.training.scenes.pictures import PicturesConfig
from masklet.training.schedules import ScheduleConfig
from masklet.training.settings import setting_name, to_plain
from masklet.training.sources_config import KINDS, DataSection, SourceConfig, ValidationConfig
from masklet.training.yaml_values import parse_yaml

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "training.md").read_text(encoding="utf-8")

SECTIONS = {
    "`model`": ModelSection,
    "`model.lora`": LoraConfig,
    "`data`": DataSection,
    "`data.train[]`": SourceConfig,
    "`data.validation[]`": ValidationConfig,
    "Kinds `image_folder`, `coco` and `sa1b`": PictureConfig,
    "Kind `image_folder`": ImageFolderConfig,
    "Kind `coco`": CocoImagesConfig,
    "Kind `sa1b`": Sa1bImagesConfig,
    "Kinds of videos": VideoClipsConfig,
    "Kinds `scenes` and `moving_scenes`": PicturesConfig,
    "Kind `scenes`": ScenesConfig,
    "Kind `moving_scenes`": MovingScenesConfig,
    "`data.transforms`": TransformConfig,
    "`data.transforms.crop`": CropConfig,
    "`data.transforms.affine`": AffineConfig,
    "`data.transforms.jitter` and `frame_jitter`": JitterConfig,
    "`data.loader`": LoaderConfig,
    "`prompts`": PromptConfig,
    "`drift`": DriftConfig,
    "`loss`": LossConfig,
    "`optimiser`": OptimiserConfig,
    "`optimiser.schedule`": ScheduleConfig,
    "`average`": AverageConfig,
    "`run`": RunSection,
}

SHARED = {
    ImageFolderConfig: PictureConfig,
    CocoImagesConfig: PictureConfig,
    Sa1bImagesConfig: PictureConfig,
    ScenesConfig: PicturesConfig,
    MovingScenesConfig: PicturesConfig,
}
"""Kinds whose tables have only what is not in another."""

ELSEWHERE = {(SourceConfig, "clips"), (ValidationConfig, "clips"), (VideoClipsConfig, "kind")}
"""Fields that are no settings of their own in YAML."""

HELD_BY_NAME = {"root": "~/.cache/masklet/training", "output": "runs/NAME"}
"""Defaults that depend on where a run is started."""


def rows(heading: str) -> dict[str, str]:
    """Settings and defaults of a table."""
    _, found, rest = DOCUMENT.partition(f"\n### {heading}\n")
    assert found, f"no table {heading}"
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \| .*\S \|$", rest.split("\n### ")[0], re.MULTILINE))


def settings_of(kind: type) -> dict[str, object]:
    """Defaults by what settings are called in YAML."""
    return {
        setting_name(each.name): each.default_factory() if each.default_factory is not MISSING else each.default
        for each in fields(kind)
        if (kind, each.name) not in ELSEWHERE
    }


@pytest.mark.parametrize(("heading", "kind"), SECTIONS.items())
def test_every_setting_is_told_with_its_default(heading: str, kind: type) -> None:
    told, settings = rows(heading), settings_of(kind)
    shared = settings_of(SHARED[kind]) if kind in SHARED else {}
    assert told.keys() <= settings.keys()
    for name, default in settings.items():
        if name in shared and shared[name] == default:
            continue
        if default is MISSING:
            assert told[name] == "required"
        elif is_dataclass(default):
            assert told[name] in ("see below", "its own")
        elif name in HELD_BY_NAME:
            assert told[name] == f"`{HELD_BY_NAME[name]}`"
        else:
            assert parse_yaml(told[name].strip("`")) == to_plain(default) or (told[name], default) == ("empty", "")


def test_every_table_is_checked() -> None:
    headings = re.findall(r"^### (.*)$", DOCUMENT.partition("\n## All settings\n")[2], re.MULTILINE)
    assert headings == list(SECTIONS)


def test_every_kind_and_recipe_is_told() -> None:
    missing = [name for name in [*KINDS, *recipe_names()] if f"`{name}`" not in DOCUMENT]
    assert not missing


def commands() -> list[list[str]]:
    """What follows `masklet train` in the document, where that is a run."""
    lines = [line for block in re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL) for line in block.splitlines()]
    joined = "\n".join(lines).replace("\\\n", "").splitlines()
    found = [shlex.split(line.partition("masklet train ")[2], comments=True) for line in joined]
    return [words for words in found if words and not words[0].startswith("-")]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_its_runs_can_be_read(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("photos", "masks", "videos", "train", "MOSE", "train.json"):
        (tmp_path / name).mkdir()
    (tmp_path / "mine.yaml").write_text(re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)[0])
    monkeypatch.chdir(tmp_path)
    if "--copy" not in command:
        assert read_run(command[0], [word for word in command[1:] if "=" in word]).data.train
