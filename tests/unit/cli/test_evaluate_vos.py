"""`masklet evaluate vos` on two small videos, with a tiny model with random weights and with baselines."""

import csv
import json
import zipfile
from pathlib import Path

import pytest
from cyclopts import App

from masklet.cli import evaluate_vos as command
from masklet.cli.console import UsageError
from masklet.datasets.annotations import LabelMaps, ObjectFolders
from masklet.evaluation.results import read_scores_json

NUM_FRAMES = 10


@pytest.fixture
def data(make_squares, tmp_path: Path) -> Path:
    """Two videos of two squares over noise; in the second a square appears later."""
    make_squares("near", second_from=0, root=tmp_path / "data")
    make_squares("late", second_from=2, root=tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "new" / "out"


@pytest.fixture
def vos(data: Path, out: Path):
    """Runs the command as the command line does."""
    app = App(result_action="return_value")
    app.command(command.vos)

    def run(*options: str) -> int:
        tokens = ["vos", str(data), "--output", str(out), *options]
        return app(tokens, exit_on_error=False, print_error=False)

    return run


def test_masks_scores_and_report(vos, out: Path, tiny_checkpoint: Path, capsys) -> None:
    assert vos("--model", str(tiny_checkpoint), "--device", "cpu") == 0
    assert LabelMaps(out / "masks" / "late").frames == tuple(f"{index:05d}" for index in range(NUM_FRAMES))
    scores = read_scores_json(out / "scores.json")
    assert [name for name, _ in scores.objects] == ["late", "late", "near", "near"]
    with (out / "results.csv").open() as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    assert next(iter(rows[0].values())).strip() == "Global score"
    assert float(rows[0]["J&F"]) == round(scores.mean_jf, 1)
    assert "<html" in (out / "report.html").read_text()
    described = json.loads((out / "run.json").read_text())
    assert described["model"] == str(tiny_checkpoint)
    assert described["appearing_later"] is True
    assert json.loads((out / "timings" / "near.json").read_text())["frames"] == NUM_FRAMES
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0].split("\t") == ["sequence", "obj", "J&F", "J", "F"]
    assert "2 sequences, 20 frames in" in shown.err


def test_a_run_goes_on_and_another_is_refused(vos, out: Path, capsys) -> None:
    assert vos("--baseline", "static", "--sequences", "near") == 0
    assert not (out / "masks" / "late").exists()
    assert vos("--baseline", "static") == 0
    assert "1 of 2 sequences were there before" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"baseline 'static', now 'flow'.*--output.*--overwrite"):
        vos("--baseline", "flow")
    assert vos("--baseline", "flow", "--overwrite") == 0
    assert json.loads((out / "run.json").read_text())["baseline"] == "flow"


def test_a_sequence_that_fails(vos, data: Path, out: Path, capsys, tmp_path: Path) -> None:
    (data / "JPEGImages" / "late" / "00003.png").write_bytes(b"no picture")
    options = ("--baseline", "flow", "--submission", str(tmp_path / "all.zip"))
    assert vos(*options) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "masklet: late: " in told
    assert "00003.png" in told
    assert "1 of 2 sequences failed" in told
    assert "all.zip is not written" in told
    assert "--lenient gives one" in told
    assert not any((out / name).exists() for name in ("results.csv", "scores.json", "report.html"))
    assert not (tmp_path / "all.zip").exists()
    assert vos(*options, "--lenient") == 1
    assert [name for name, _ in read_scores_json(out / "scores.json").objects] == ["near", "near"]


def test_objects_that_are_not_expected(vos, out: Path, capsys) -> None:
    assert vos("--baseline", "static", "--no-appearing-later") == 1
    assert "with --appearing-later" in " ".join(capsys.readouterr().err.split())
    assert [path.name for path in (out / "masks").iterdir()] == ["near"]


def test_pictures_by_object_without_a_report(vos, out: Path) -> None:
    assert vos("--baseline", "static", "--per-object", "--no-report") == 0
    assert ObjectFolders(out / "masks" / "late").objects.keys() == {1, 2}
    assert not (out / "report.html").exists()
    assert (out / "results.csv").exists()
    assert json.loads((out / "run.json").read_text())["non_overlapping"] is False


def test_data_without_truth(vos, data: Path, out: Path, tmp_path: Path, capsys) -> None:
    for path in (data / "Annotations").rglob("*.png"):
        if int(path.stem) not in (0, 2):
            path.unlink()
    assert vos("--baseline", "static", "--submission", str(tmp_path / "all.zip")) == 0
    assert not (out / "results.csv").exists()
    assert "no true masks" in " ".join(capsys.readouterr().err.split())
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert len(archive.namelist()) == 2 * NUM_FRAMES
        assert archive.namelist()[0] == "late/00000.png"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--baseline", "flow", "--model", "nano", "--dtype", "bfloat16"), "--dtype would have no effect"),
        (("--baseline", "flow", "--image-size", "512", "--compile"), "--image-size, --compile would"),
        (("--baseline", "flow", "--protocol", "first-box"), "cannot be first-box"),
        (("--protocol", "first-click", "--use-all-masks"), "first-click"),
        (("--score-threshold", "nan"), "score_threshold"),
        (("--device", "cuda:99"), "cuda:99"),
        (("--kind", "davis"), "--kind davis is not known"),
        (("--submission", "nowhere/all.zip"), "folder that is not there"),
        (("--submission", "."), "--submission . is a folder"),
        (("--submission", "all.zip", "--per-object"), "wants --no-per-object: a label map a frame"),
    ],
)
def test_what_means_nothing(vos, out: Path, options: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        vos(*options)
    assert not out.exists()
