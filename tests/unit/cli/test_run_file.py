"""Which runs go on, and where none can be begun."""

import os
from pathlib import Path

import pytest

from masklet.cli.console import UsageError
from masklet.cli.run_file import check_same_run, check_writable, read_run
from masklet.io.files import write_json

RUN = {"model": "nano", "points_per_side": 8, "size": (1, 2)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_json(tmp_path / "run.json", RUN)
    return tmp_path / "run.json"


def test_the_same_run_is_recognised_whatever_else_was_written_down(file: Path) -> None:
    check_same_run(file, RUN)
    write_json(file, {**RUN, "pictures": {}})
    check_same_run(file, RUN)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"points_per_side": 9}, "another choice of --points-per-side:"),
        ({"new": None, "added": 1}, "another choice of --added:"),
        ({"model": "other", "video": "a.mp4"}, "another choice of --model and video:"),
    ],
)
def test_what_differs_is_named(file: Path, change: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_same_run(file, {**RUN, **change})


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe{", b"{}"])
def test_a_damaged_file_stops_and_does_not_crash(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert read_run(file) == {}
    with pytest.raises(UsageError, match="damaged"):
        check_same_run(file, RUN)


def test_a_folder_that_is_there_or_can_be_made_is_fine(tmp_path: Path) -> None:
    check_writable(tmp_path)
    check_writable(tmp_path / "new" / "out")
    assert list(tmp_path.iterdir()) == []


def test_folders_that_cannot_be_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(UsageError, match="file is a file"):
            check_writable(path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # permissions mean nothing to root
    with pytest.raises(UsageError, match="permission"):
        check_writable(tmp_path / "out")
