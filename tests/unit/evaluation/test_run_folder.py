"""The folder of a run: the same run goes on, another is refused."""

import json
import os
from pathlib import Path

import pytest

from masklet.evaluation.interactive_run import InteractiveFolder
from masklet.evaluation.run_folder import run_facts
from masklet.evaluation.vos_run import VosFolder

RUN = {"masklet": "1", "model": "nano", "protocol": "first-mask", "score_threshold": 0.0, "shape": (1, 2)}


@pytest.fixture
def folder(tmp_path: Path) -> VosFolder:
    folder = VosFolder(tmp_path / "new" / "out")
    folder.begin(RUN)
    (folder.masks / "bear").mkdir()
    return folder


def test_a_new_folder(folder: VosFolder) -> None:
    assert folder.describe() == {**RUN, "shape": [1, 2]}
    assert folder.masks.is_dir()
    assert folder.timings.is_dir()


def test_the_same_run_goes_on(folder: VosFolder) -> None:
    outcomes = (folder.scores, folder.table, folder.report)
    for file in outcomes:
        file.touch()
    folder.begin(RUN)
    assert (folder.masks / "bear").is_dir()
    assert not any(file.exists() for file in outcomes)


def test_another_run_is_refused(folder: VosFolder) -> None:
    folder.scores.touch()
    with pytest.raises(ValueError, match=r"protocol 'first-mask', now 'first-box', extra None, now 1.*--overwrite"):
        folder.begin({**RUN, "protocol": "first-box", "extra": 1})
    assert folder.describe()["protocol"] == "first-mask"
    assert (folder.masks / "bear").is_dir()
    assert folder.scores.exists()


def test_overwrite(folder: VosFolder) -> None:
    folder.begin({**RUN, "protocol": "first-box"}, overwrite=True)
    assert folder.describe()["protocol"] == "first-box"
    assert list(folder.masks.iterdir()) == []


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["masks", "sequences", "results.csv"])
def test_what_is_not_known_to_come_of_a_run_is_never_removed(tmp_path: Path, name: str, overwrite: bool) -> None:
    strange = tmp_path / name / "file"
    strange.parent.mkdir()
    strange.touch()
    with pytest.raises(ValueError, match=f"{name} is there without .*run.json, so it is not known what it came of"):
        VosFolder(tmp_path).begin(RUN, overwrite=overwrite)
    assert strange.exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_run_of_something_else_is_left_alone(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "run.json").write_text('{"of": "somebody"}')
    (tmp_path / "masks").mkdir()
    with pytest.raises(ValueError, match=r"run\.json is no description of a run of masklet"):
        VosFolder(tmp_path).begin(RUN, overwrite=overwrite)
    assert (tmp_path / "masks").is_dir()


def test_what_cannot_be_removed_is_not_taken_for_results(folder: VosFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object, **options: object) -> None:
        raise PermissionError(f"{path} is in use")

    monkeypatch.setattr(os, "rmdir", refuse)
    with pytest.raises(PermissionError, match="in use"):
        folder.begin(RUN, overwrite=True)
    assert not folder.run.exists()
    with pytest.raises(ValueError, match="not known what it came of"):
        folder.begin(RUN)


def test_overwrite_removes_what_a_run_of_another_kind_left(folder: VosFolder) -> None:
    for name in ("scores.json", "results.json", "notes.txt"):
        (folder.path / name).touch()
    InteractiveFolder(folder.path).begin({"masklet": "1", "mode": "online"}, overwrite=True)
    assert {path.name for path in folder.path.iterdir()} == {"run.json", "sequences", "notes.txt"}


def test_a_file_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(NotADirectoryError, match="out is a file"):
        VosFolder(tmp_path / "out").begin(RUN)


@pytest.mark.parametrize("text", ["{", json.dumps([1])])
def test_a_damaged_description(folder: VosFolder, text: str) -> None:
    folder.run.write_text(text)
    with pytest.raises(ValueError, match=r"run\.json is"):
        folder.begin(RUN)


def test_facts_are_what_was_set() -> None:
    description = {"model": "nano", "weights": "0123456789abcdef", "score_threshold": 0.0, "use_all_masks": False}
    assert run_facts({**description, "image_size": 512, "compile": True, "split": None}) == {
        "model": "nano",
        "weights": "0123456789ab",
        "score threshold": "0",
        "image size": "512",
        "compile": "yes",
    }
