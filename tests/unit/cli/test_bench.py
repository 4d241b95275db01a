"""`masklet bench`: tables, JSON and what it says of a wrong command."""

import json
from pathlib import Path

import pytest
from cyclopts import App

from masklet.cli import bench as command
from masklet.cli.bench import bench
from masklet.cli.console import UsageError
from masklet.evaluation.bench import clock, machine


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(machine.MATMUL_SIDE, "cpu", 64)
    monkeypatch.setattr(clock, "MIN_SECONDS", 0.0)


def run(*tokens: str | Path) -> None:
    app = App(name="masklet")
    app.command(bench)
    app(["bench", *map(str, tokens)], exit_on_error=False, print_error=False, result_action="return_value")


def test_tables_and_json(tiny_checkpoint, tmp_path, capsys):
    out = tmp_path / "bench.json"
    what = ("--what", "encode", "video", "--objects", "1", "2", "--repeats", "1")
    run("--model", tiny_checkpoint, "--device", "cpu", *what, "--json", out)
    printed = capsys.readouterr().out.splitlines()
    assert "threads, torch" in printed[0]
    assert [line.split("\t")[0] for line in printed if "\t" in line] == ["work", "encode", "video", "video"] * 2
    assert printed[2] == f"{tiny_checkpoint}, 64 px, float32"

    report = json.loads(out.read_text())
    assert report["machine"]["num_threads"] >= 1
    (model,) = report["models"]
    assert (model["model"], model["image_size"], model["device"]) == (str(tiny_checkpoint), 64, "cpu")
    assert (model["dtype"], model["compiled"], model["random_weights"]) == ("float32", False, False)
    assert model["matmul_operations_per_second"] > 0
    assert [(work["work"], work["num_objects"]) for work in model["works"]] == [
        ("encode", None),
        ("video", 1),
        ("video", 2),
    ]
    for work in model["works"]:
        assert sum(work["stages"].values()) == pytest.approx(1)
        assert work["lower_quartile_seconds"] <= work["median_seconds"] <= work["upper_quartile_seconds"]


def test_random_weights_of_several_models_by_name(capsys, monkeypatch):
    made = []
    random_model = command.random_model
    monkeypatch.setattr(
        command, "random_model", lambda name, **options: (made.append(name), random_model("nano", **options))[1]
    )
    models = ("--model", "sam2.1_hiera_tiny", "nano", "--random-weights", "--image-size", "64", "--device", "cpu")
    run(*models, "--dtype", "bfloat16", "--what", "encode", "--repeats", "1")
    assert made == ["sam2.1_hiera_tiny", "nano"]
    printed = capsys.readouterr().out
    assert "nano, 64 px, bfloat16" in printed
    assert printed.count("threads, torch") == 1


def test_unseen_objects_are_told(capsys, monkeypatch):
    monkeypatch.setattr(command, "matmul_rate", lambda *_: 1e9)
    random_model = command.random_model

    def blind(name, **options):
        model = random_model(name, **options)
        model.mask_decoder.object_head.layers[-1].bias.sub_(100)
        return model

    monkeypatch.setattr(command, "random_model", blind)
    run(
        "--random-weights",
        "--image-size",
        "64",
        "--device",
        "cpu",
        "--what",
        "video",
        "--objects",
        "2",
        "--repeats",
        "1",
    )
    assert "2 (0 seen)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("tokens", "problem"),
    [
        (("--video", "none.mp4", "--what", "clip"), "no video none.mp4"),
        (("--video", ".", "--what", "encode"), "--what clip"),
        (("--json", "no/where.json"), "no folder"),
        (("--device", "abacus"), "abacus"),
    ],
)
def test_commands_given_wrongly(tokens, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=problem):
        run(*tokens)
