"""The output folder of `masklet everything`: what is done, what is removed, and what pictures are called."""

import json
from pathlib import Path

import pytest

from masklet.cli.console import UsageError
from masklet.cli.everything_folder import PicturesFolder, recorded_pictures
from masklet.io.files import write_json

RUN = {"model": "nano", "points_per_side": 8}


def pictures(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [folder / name for name in names]


def folder_of(tmp_path: Path, *names: str) -> PicturesFolder:
    return PicturesFolder.of(tmp_path / "out", pictures(tmp_path / "in", *names))


def finish(folder: PicturesFolder, *stems: str) -> None:
    for stem in stems:
        folder.annotations(stem).touch()
        folder.overlay(stem).touch()


def test_no_picture_is_called_like_the_options(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "run.jpg", "Run.png", "a.jpg")
    assert len({stem.casefold() for stem in (*folder.pictures, "run")}) == 4
    assert "a" in folder.pictures
    assert folder.run not in {folder.annotations(stem) for stem in folder.pictures}


def test_a_picture_is_done_when_its_annotations_are_there(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.jpg", "b.jpg")
    assert folder.done(RUN) == set()
    folder.begin(RUN, set())
    assert folder.done(RUN) == set()
    finish(folder, "b")
    assert folder.done(RUN) == {"b"}
    assert folder.finished() == ["b"]
    with pytest.raises(UsageError, match="another choice of --points-per-side"):
        folder.done({**RUN, "points_per_side": 9})


def test_going_on_keeps_what_is_done_and_removes_what_is_not(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    folder.begin(RUN, set())
    finish(folder, "a", "b", "c")
    fewer = folder_of(tmp_path, "a.jpg", "b.jpg")
    fewer.begin(RUN, {"a"})
    assert sorted(path.name for path in folder.path.iterdir()) == [
        *("a.json", "a.overlay.jpg", "c.json", "c.overlay.jpg", "run.json"),
    ]
    assert json.loads(folder.run.read_text())["pictures"].keys() == {"a", "b"}


def test_what_was_done_under_another_stem_goes(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    folder.begin(RUN, set())
    finish(folder, "a", "b", "c")
    more = folder_of(tmp_path, "a.jpg", "b.jpg", "a.png")
    assert more.done(RUN) == {"b"}
    more.begin(RUN, {"b"})
    assert sorted(path.name for path in folder.path.iterdir()) == [
        *("b.json", "b.overlay.jpg", "c.json", "c.overlay.jpg", "run.json"),
    ]


def test_beginning_anew_removes_all_of_the_run_before_and_nothing_else(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.jpg", "b.jpg")
    folder.begin(RUN, set())
    finish(folder, "a", "b")
    kept = pictures(folder.path, "notes.txt", "mine.json", "coco/annotations.json")
    folder_of(tmp_path, "c.jpg").begin(RUN, set())
    assert all(path.exists() for path in kept)
    assert sorted(path.name for path in folder.path.iterdir()) == ["coco", "mine.json", "notes.txt", "run.json"]


def test_a_stem_that_is_another_pictures_now_is_not_done(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.jpg")
    folder.begin(RUN, set())
    finish(folder, "a")
    other = folder_of(tmp_path, "a.png")
    assert list(other.pictures) == ["a"]
    assert other.done(RUN) == set()


@pytest.mark.parametrize("content", [[], {}, {"pictures": []}, {"pictures": {"../a": "x", "b/c": "x", "d": 3}}])
def test_files_of_other_runs_tell_of_no_pictures(tmp_path: Path, content: object) -> None:
    write_json(tmp_path / "run.json", content)
    assert recorded_pictures(tmp_path / "run.json") == {}


def test_names_begin_where_the_paths_part(tmp_path: Path) -> None:
    assert folder_of(tmp_path, "a.jpg").names == {"a": "a.jpg"}
    folder = folder_of(tmp_path, "x/a.jpg", "y/deep/a.jpg")
    assert sorted(folder.names.values()) == ["x/a.jpg", "y/deep/a.jpg"]
    missing = PicturesFolder.of(tmp_path / "out", [tmp_path / "in" / "x" / "a.jpg", tmp_path / "none.jpg"])
    assert missing.names == {"a": "a.jpg"}
