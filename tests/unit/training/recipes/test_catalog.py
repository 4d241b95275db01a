"""Recipes: each is found, is in the package, says what it does, and is a run as it stands, but for where data lie."""

from pathlib import Path

import pytest

from masklet.training.recipes.catalog import FOLDER, find_recipe, recipe_names, summary
from masklet.training.run_file import read_run

GIVEN = {
    "image_folder": ["data.train.0.images=data", "data.train.0.masks=data"],
    "video_folder": ["data.train.0.folder=data"],
    "mose_finetune": ["data.train.0.folder=data"],
    "coco_lora": ["data.train.0.annotation_file=data", "data.train.0.images=data"],
    "nano_images": [],
    "nano_video": ["model.weights=data"],
    "nano_finish": ["model.weights=data"],
}
"""What a user says beside each recipe."""


@pytest.fixture(autouse=True)
def _data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    for name in ("scenes", "scenes_by_model"):
        (tmp_path / "nano_data" / name).mkdir(parents=True)
    for name in ("coco", "caltech101", "pets", "cats"):
        for part in ("images", "masks"):
            (tmp_path / "nano_data" / name / part).mkdir(parents=True)
    (tmp_path / "nano_data" / "boxes" / "images").mkdir(parents=True)
    (tmp_path / "nano_data" / "boxes" / "masks.json").touch()
    monkeypatch.chdir(tmp_path)


def test_all_recipes_are_tried() -> None:
    assert set(recipe_names()) == GIVEN.keys()


@pytest.mark.parametrize("name", GIVEN)
def test_recipes_are_runs(name: str, tmp_path: Path) -> None:
    config = read_run(name, GIVEN[name])
    assert config.run.output == tmp_path / "runs" / name


@pytest.mark.parametrize("name", [name for name, given in GIVEN.items() if given])
def test_recipes_say_what_they_want(name: str) -> None:
    with pytest.raises(ValueError, match=GIVEN[name][0].partition("=")[0].replace("train.0", r"train\[0\]")):
        read_run(name)


@pytest.mark.parametrize("name", GIVEN)
def test_recipes_say_what_they_do(name: str) -> None:
    assert 20 < len(summary(name)) < 120
    assert not summary(name).startswith("#")


def test_recipes_are_found_by_name() -> None:
    assert find_recipe("image_folder") == FOLDER / "image_folder.yaml"
    assert find_recipe("image_folders") is None
    assert find_recipe("../recipes/image_folder") is None
