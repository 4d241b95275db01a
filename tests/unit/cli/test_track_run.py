"""How a run over a video ends: what is saved, said and raised."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masklet.cli.track_output import RunFolder
from masklet.cli.track_run import carry_out, conclude
from masklet.io.masklets import MaskletsHeader, MaskletWriter
from masklet.types import FrameMasks


class Session:
    """Stands in for a video session, of which only saving counts."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def save(self, path: Path) -> None:
        if self.error:
            raise self.error
        path.touch()


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "out", tmp_path / "clip.mp4")
    folder.begin({})
    mask = np.ones((4, 6), bool)
    with MaskletWriter(folder.masklets, MaskletsHeader(video="clip.mp4", height=4, width=6)) as writer:
        writer.write(FrameMasks(0, {1: mask}, {1: 0.5}, {1: 1.0}, {1: True}, frozenset({1})))
    return folder


def steps(done: list[str], name: str, error: BaseException | None = None) -> Callable[[], None]:
    def step() -> None:
        done.append(name)
        if error:
            raise error

    return step


def run(folder: RunFolder, session: Any = None, **errors: BaseException) -> tuple[BaseException | None, list[str]]:
    done: list[str] = []
    follow, draw, export = (steps(done, name, errors.get(name)) for name in ("follow", "draw", "export"))
    return carry_out(session or Session(), folder, follow, draw=draw, export=export), done


def test_a_run_that_is_carried_out_leaves_no_state(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    folder.session.touch()  # of an earlier stop
    assert run(folder) == (None, ["follow", "draw", "export"])
    conclude(folder, 1, None)
    assert not folder.session.exists()
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.splitlines()[1].split("\t") == ["1", "1", "1", "0.500", "0", "0"]


@pytest.mark.parametrize(
    ("failing", "done"),
    [("follow", ["follow", "draw"]), ("draw", ["follow", "draw"]), ("export", ["follow", "draw", "export"])],
)
def test_whatever_stops_it_the_state_is_saved(
    folder: RunFolder, failing: str, done: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    error = OSError("the disk is full")
    assert run(folder, **{failing: error}) == (error, done)
    assert folder.session.exists()
    with pytest.raises(OSError, match="the disk is full"):
        conclude(folder, 3, error)
    assert f"1 of 3 frames are in {folder.path}; the same command with --resume goes on" in capsys.readouterr().err


def test_what_stopped_it_first_is_what_counts(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    first = KeyboardInterrupt()
    assert run(folder, follow=first, draw=OSError("full"))[0] is first
    assert "overlay.mp4 is not complete: full" in capsys.readouterr().err


def test_a_state_that_cannot_be_saved_is_told(folder: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    stop = run(folder, Session(OSError("full")), follow=KeyboardInterrupt())[0]
    assert "cannot go on later" in capsys.readouterr().err
    with pytest.raises(KeyboardInterrupt):
        conclude(folder, 3, stop)
    assert "--resume" not in capsys.readouterr().err


def test_what_is_not_asked_for_is_not_done(folder: RunFolder) -> None:
    done: list[str] = []
    assert carry_out(Session(), folder, steps(done, "follow"), draw=None) is None  # type: ignore[arg-type]
    assert done == ["follow"]
