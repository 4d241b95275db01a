"""`masklet train`: what it asks of the parts that train, and what it tells."""

import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from masklet.cli import train as command
from masklet.cli.main import DONE, FAILED, MISUSED, STOPPED, main
from masklet.training.recipes.catalog import recipe_names
from masklet.training.run_config import RunConfig

PHOTOS = ["data.train.0.images=photos", "data.train.0.masks=photos"]


@dataclass
class Run:
    """A run that takes no time."""

    config: RunConfig
    calls: list[str]
    falls: bool = True
    stopped: BaseException | None = None
    fabric: Any = field(default_factory=lambda: SimpleNamespace(is_global_zero=True))

    def describe(self) -> list[tuple[str, str]]:
        return [("model", str(self.config.model.weights))]

    def estimate(self) -> Any:
        self.calls.append("estimate")
        return SimpleNamespace(text="a minute")

    def check(self) -> Any:
        self.calls.append("check")
        return SimpleNamespace(falls=self.falls, text="it falls")

    def train(self, progress: Callable[[int, int, Mapping[str, float]], object]) -> Path:
        self.calls.append("train")
        progress(1, 2, {"loss/total": 2.5})
        progress(1, 2, {"loss/total": 2.5})
        if self.stopped:
            raise self.stopped
        progress(2, 2, {"loss/total": 1.5, "validation/chosen_iou": 0.75})
        return self.config.run.output


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of runs, in a folder with photographs."""
    made: list[str] = []
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "prepare_run", lambda config: Run(config, made))
    return made


def prepare(monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
    monkeypatch.setattr(command, "prepare_run", lambda config: Run(config, [], **values))


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == DONE
    shown = capsys.readouterr().out
    assert "For example:" in shown
    assert "--dry-run" in shown


def test_training(calls: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "image_folder", *PHOTOS, "model.weights=sam2.1_hiera_tiny"]) == DONE
    captured = capsys.readouterr()
    assert captured.out == "model\tsam2.1_hiera_tiny\n"
    assert captured.err.splitlines() == [
        "step 1 of 2: loss 2.5",
        "step 2 of 2: loss 1.5, held-out IoU 0.75",
        f"done: the weights and all else are in {tmp_path / 'runs' / 'image_folder'}",
    ]
    assert calls == ["train"]


def test_output_is_where_it_is_asked_for(calls: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "image_folder", *PHOTOS, "--output", "here"]) == DONE
    assert str(tmp_path / "here") in capsys.readouterr().err


def test_one_of_several_processes_speaks(
    calls: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(monkeypatch, fabric=SimpleNamespace(is_global_zero=False))
    assert main(["train", "image_folder", *PHOTOS]) == DONE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "done" not in captured.err


@pytest.mark.parametrize("words", ["stopped after step 1", ""])
def test_a_stop_is_told(
    calls: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(monkeypatch, stopped=KeyboardInterrupt(*[words] * bool(words)))
    assert main(["train", "image_folder", *PHOTOS]) == STOPPED
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1] == f"masklet: {words or 'stopped'}"


def test_warnings_are_lines(
    calls: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(run: Run, progress: Any) -> Path:
        warnings.warn("a picture is damaged", stacklevel=2)
        return run.config.run.output

    monkeypatch.setattr(Run, "train", train)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["train", "image_folder", *PHOTOS]) == DONE
    assert capsys.readouterr().err.splitlines()[0] == "masklet: a picture is damaged"


def test_a_dry_run_starts_nothing(calls: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "image_folder", *PHOTOS, "--dry-run"]) == DONE
    assert capsys.readouterr().out == "model\tnano\na minute\n"
    assert calls == ["estimate"]


@pytest.mark.parametrize(("falls", "code"), [(True, DONE), (False, FAILED)])
def test_a_check_says_whether_it_falls(
    calls: list[str], falls: bool, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(monkeypatch, falls=falls)
    assert main(["train", "image_folder", *PHOTOS, "--check"]) == code
    assert capsys.readouterr().out == "model\tnano\nit falls\n"


def test_all_that_is_wrong_is_told_line_by_line(calls: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "image_folder", "run.stps=3", "data.train.0.images=foto"]) == MISUSED
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("masklet: ") for line in lines)
    assert "did you mean steps?" in "".join(lines)
    assert "did you mean photos?" in "".join(lines)
    assert "3 settings to put right" in lines[-1]
    assert not calls


@pytest.mark.parametrize(
    ("tokens", "words", "code"),
    [
        ([], "mose_finetune", MISUSED),
        (["image_foldr"], "did you mean image_folder", FAILED),
        (["image_folder", "--copy", "photos"], "would write over photos", MISUSED),
        (["image_folder", "run.steps=3", "--copy", "a.yaml"], "change run.steps=3 in the copy", MISUSED),
        (["image_folder", "--colour"], "--colour", MISUSED),
        (["image_folder", "--check", "--dry-run"], "give one of them", MISUSED),
    ],
)
def test_misuse(calls: list[str], tokens: list[str], words: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *tokens]) == code
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert words in captured.err
    assert not calls


def test_recipes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--list"]) == DONE
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows] == ["recipe", *recipe_names()]


def test_a_copy_is_the_recipe(calls: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "image_folder", "--copy", "mine.yaml"]) == DONE
    assert "masklet train mine.yaml" in capsys.readouterr().out
    assert main(["train", "mine.yaml", *PHOTOS]) == DONE
    assert calls == ["train"]
    assert str(tmp_path / "runs" / "mine") in capsys.readouterr().err


def test_what_is_not_installed_is_told(
    calls: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "PACKAGES", ("json", "no_such_package"))
    assert main(["train", "image_folder", *PHOTOS]) == MISUSED
    said = capsys.readouterr().err
    assert "(no_such_package): pip install 'masklet[train]'" in said


def test_other_commands_import_nothing_of_it(tmp_path: Path) -> None:
    program = "import sys; from masklet.cli.main import main; main(['--help']); assert not names & sys.modules.keys()"
    names = {"masklet.cli.train", "masklet.training", "lightning_fabric", "pydantic", "tensorboard"}
    run = subprocess.run(
        [sys.executable, "-c", f"names = {names!r}; {program}"], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "train" in run.stdout
