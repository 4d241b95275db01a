"""`masklet evaluate report`, called as a function, on folders of results made by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.cli.console import UsageError
from masklet.cli.evaluate_report import join_facts, name_runs, report
from masklet.evaluation.results import write_scores_json
from masklet.evaluation.scores import ObjectScores, SequenceScores, VideoScores
from masklet.io.label_maps import write_labels

FRAMES = ("00000", "00001", "00002", "00003")


def write_masks(folder: Path, left: int) -> None:
    folder.mkdir(parents=True)
    for frame in FRAMES:
        labels = np.zeros((40, 60), np.int32)
        labels[10:30, left : left + 20] = 1
        write_labels(folder / f"{frame}.png", labels)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    write_masks(root / "Annotations" / "goat", 10)
    (root / "JPEGImages" / "goat").mkdir(parents=True)
    for frame in FRAMES:
        Image.new("RGB", (60, 40), (90, 120, 90)).save(root / "JPEGImages" / "goat" / f"{frame}.jpg")
    return root


def make_run(folder: Path, j: float, **description: object) -> Path:
    write_masks(folder / "masks" / "goat", round(10 + 20 * (1 - j)))
    one = ObjectScores(object_id=1, frames=FRAMES[1:-1], j=(j, j), f=(j, j))
    write_scores_json(folder / "scores.json", VideoScores(sequences=(SequenceScores(name="goat", objects=(one,)),)))
    known = {"masklet": "1", "dataset": "data", "model": "nano", "protocol": "first-mask", **description}
    (folder / "run.json").write_text(json.dumps(known))
    return folder


def test_a_page_of_one_run(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "nano", 0.5)
    output = tmp_path / "page.html"
    assert report([run], dataset=dataset, output=output) == 0
    html = output.read_text(encoding="utf-8")
    for text in ("Objects in videos: data", "<dt>model</dt><dd>nano</dd>", ">50.0<", "Where it goes wrong"):
        assert text in html
    assert html.count("<img") == 1
    assert "nano\t50.0\t50.0\t50.0" in capsys.readouterr().out


def test_without_the_data_set_there_are_no_pictures(tmp_path: Path) -> None:
    output = tmp_path / "page.html"
    assert report([make_run(tmp_path / "nano", 0.5)], output=output) == 0
    html = output.read_text(encoding="utf-8")
    assert "Objects in videos: data" in html
    assert "<img" not in html


def test_several_runs_stand_side_by_side(dataset: Path, tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "nano", 0.75), make_run(tmp_path / "static", 0.5, model=None, baseline="static")]
    output = tmp_path / "page.html"
    assert report(runs, dataset=dataset, output=output) == 0
    html = output.read_text(encoding="utf-8")
    for text in ("2 runs on data", "<td>nano</td>", "<td>static</td>", "J: nano 75.0, static 50.0", "nano: nano"):
        assert text in html
    assert html.count("<img") == 1


def test_runs_on_different_objects_are_told(tmp_path: Path, capsys) -> None:
    runs = [make_run(tmp_path / "a", 0.5), make_run(tmp_path / "b", 0.5)]
    assert report(runs, output=tmp_path / "page.html") == 0
    assert "not comparable" not in capsys.readouterr().err
    known = json.loads((runs[1] / "scores.json").read_text())
    known["sequences"][0]["objects"][0]["id"] = 2
    (runs[1] / "scores.json").write_text(json.dumps(known))
    assert report(runs, output=tmp_path / "page.html") == 0
    assert "different objects, so the means are not comparable" in " ".join(capsys.readouterr().err.split())


def test_runs_on_different_data_are_refused(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "a", 0.5), make_run(tmp_path / "b", 0.5, dataset="other")]
    with pytest.raises(UsageError, match="a is on data, b is on other"):
        report(runs, output=tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_what_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing holds no run: there is no .*run\.json"):
        report([tmp_path / "nothing"])
    run = make_run(tmp_path / "nano", 0.5)
    (run / "scores.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"scores\.json"):
        report([run])


def test_what_the_data_is_needs_the_data(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--dataset"):
        report([tmp_path], split="val")
    run = make_run(tmp_path / "nano", 0.5)
    with pytest.raises(UsageError, match="--kind strange is not known"):
        report([run], dataset=tmp_path, kind="strange")


def test_runs_have_the_names_of_their_folders_or_their_paths(tmp_path: Path) -> None:
    assert list(name_runs([tmp_path / "nano", tmp_path / "static"])) == ["nano", "static"]
    both = [tmp_path / "a" / "out", tmp_path / "b" / "out"]
    assert list(name_runs(both)) == [str(path) for path in both]


def test_facts_are_told_once_where_they_are_the_same() -> None:
    facts = {"a": {"protocol": "first-mask", "model": "nano"}, "b": {"protocol": "first-mask", "baseline": "static"}}
    assert join_facts(facts) == {
        "protocol": "first-mask",
        "model": "a: nano",
        "baseline": "b: static",
    }
