"""Evaluation as users meet it: the guides' examples, whole commands on small data, and the floors on real videos."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import masklet
from masklet.cli.main import main
from masklet.io.label_maps import write_labels

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def davis(tmp_path: Path) -> Path:
    """A DAVIS 2017 of two sequences, val, in each of which two squares drift over noise."""
    root = tmp_path / "DAVIS"
    rng = np.random.default_rng(0)
    for name in ("dog", "goat"):
        pictures, masks = root / "JPEGImages" / "480p" / name, root / "Annotations" / "480p" / name
        pictures.mkdir(parents=True)
        masks.mkdir(parents=True)
        ground = rng.integers(0, 80, (60, 90, 3), np.uint8)
        for index in range(5):
            labels = np.zeros((60, 90), np.int32)
            labels[10:30, 10 + 3 * index : 30 + 3 * index] = 1
            labels[35:55, 60 - 3 * index : 80 - 3 * index] = 2
            picture = np.where(labels[..., None] > 0, np.uint8(80 + 70 * labels[..., None]), ground)
            Image.fromarray(picture.astype(np.uint8)).save(pictures / f"{index:05d}.jpg")
            write_labels(masks / f"{index:05d}.png", labels)
    sets = root / "ImageSets" / "2017"
    sets.mkdir(parents=True)
    (sets / "val.txt").write_text("dog\ngoat\n")
    return root


def test_videos_are_followed_scored_and_reported(davis: Path, tmp_path: Path, capsys) -> None:
    command = ["evaluate", "vos", str(davis), "--image-size", "64", "--device", "cpu", "--output", str(tmp_path / "a")]
    assert main(command) == 0
    with (tmp_path / "a" / "results.csv").open() as file:
        columns, *rows = [[cell.strip() for cell in row] for row in csv.reader(file)]
    assert columns == ["sequence", "obj", "J&F", "J", "F"]
    assert [row[0] for row in rows] == ["Global score", "dog", "dog", "goat", "goat"]
    assert all(0 <= float(row[2]) <= 100 for row in rows)
    assert (tmp_path / "a" / "report.html").read_text().count("<img") > 0

    capsys.readouterr()
    assert main([*command[:-1], str(tmp_path / "b"), "--workers", "2"]) == 0
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a" / "masks").rglob("*.png"))
    assert len(files) == 10
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)

    annotations = str(davis / "Annotations" / "480p")
    assert main(["evaluate", "masks", annotations, str(tmp_path / "b" / "masks")]) == 0
    assert (tmp_path / "b" / "masks" / "results.csv").read_text() == (tmp_path / "a" / "results.csv").read_text()


def test_videos_are_corrected(davis: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    command = ["evaluate", "interactive", str(davis), "--sequences", "dog", "--image-size", "64", "--device", "cpu"]
    assert main([*command, "--mode", "online", "--max-frames", "3", "--output", str(output)]) == 0
    assert json.loads((output / "results.json").read_text())
    assert "<svg" in (output / "report.html").read_text()


def test_the_guides_run(davis: Path, tmp_path: Path, monkeypatch) -> None:
    """The examples in Python of the guides to evaluation and to data sets."""
    (tmp_path / "list.txt").write_text("dog\n")
    mose = tmp_path / "MOSE" / "train"
    mose.mkdir(parents=True)
    for kind in ("JPEGImages", "Annotations"):
        (mose / kind).symlink_to(davis / kind / "480p")
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "vos", "DAVIS", "--baseline", "static", "--output", "out/davis"]) == 0
    for guide in ("evaluation.md", "datasets.md"):
        for example in re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs" / guide).read_text(), re.DOTALL):
            exec(example, {"masklet": masklet})


def test_the_first_mask_alone_scores_what_it_must_on_real_videos(shared: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    command = ["evaluate", "vos", str(shared / "data" / "davis_dev"), "--baseline", "static", "--output", str(output)]
    assert main(command) == 0
    assert global_score(output) == pytest.approx(26.3, abs=0.05)


@pytest.mark.slow
def test_optical_flow_scores_what_it_must_on_real_videos(shared: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    command = ["evaluate", "vos", str(shared / "data" / "davis_dev"), "--baseline", "flow", "--output", str(output)]
    assert main(command) == 0
    assert global_score(output) == pytest.approx(56.5, abs=1)  # OpenCV's flow differs a little between its builds


def global_score(output: Path) -> float:
    with (output / "results.csv").open() as file:
        return float(next(csv.DictReader(file, skipinitialspace=True))["J&F"])
