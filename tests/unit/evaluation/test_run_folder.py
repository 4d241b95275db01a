"""The folder of a run: the same run goes on, another is refused."""

import json
from pathlib import Path

import pytest

from masklet.evaluation.run_folder import RunFolder

RUN = {"model": "nano", "protocol": "first-mask", "score_threshold": 0.0, "shape": (1, 2)}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "new" / "out")
    folder.begin(RUN)
    (folder.masks / "bear").mkdir()
    return folder


def test_a_new_folder(folder: RunFolder) -> None:
    assert folder.describe() == {**RUN, "shape": [1, 2]}
    assert folder.masks.is_dir()
    assert folder.timings.is_dir()


def test_the_same_run_goes_on(folder: RunFolder) -> None:
    outcomes = (folder.scores, folder.table, folder.report)
    for file in outcomes:
        file.touch()
    folder.begin(RUN)
    assert (folder.masks / "bear").is_dir()
    assert not any(file.exists() for file in outcomes)


def test_another_run_is_refused(folder: RunFolder) -> None:
    folder.scores.touch()
    with pytest.raises(ValueError, match=r"protocol 'first-mask', now 'first-box', extra None, now 1.*--overwrite"):
        folder.begin({**RUN, "protocol": "first-box", "extra": 1})
    assert folder.describe()["protocol"] == "first-mask"
    assert (folder.masks / "bear").is_dir()
    assert folder.scores.exists()


def test_overwrite(folder: RunFolder) -> None:
    folder.begin({**RUN, "protocol": "first-box"}, overwrite=True)
    assert folder.describe()["protocol"] == "first-box"
    assert list(folder.masks.iterdir()) == []


def test_masks_of_unknown_origin(folder: RunFolder) -> None:
    folder.run.unlink()
    with pytest.raises(ValueError, match="not known what it came of"):
        folder.begin(RUN)


def test_a_file_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(NotADirectoryError, match="out is a file"):
        RunFolder(tmp_path / "out").begin(RUN)


@pytest.mark.parametrize("text", ["{", json.dumps([1])])
def test_a_damaged_description(folder: RunFolder, text: str) -> None:
    folder.run.write_text(text)
    with pytest.raises(ValueError, match=r"run\.json.*--overwrite"):
        folder.begin(RUN)
