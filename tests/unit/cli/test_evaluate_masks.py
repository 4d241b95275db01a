"""`masklet evaluate masks`, called as a function and as a command."""

import csv
from pathlib import Path

import numpy as np
import pytest
from cyclopts import App

from masklet.cli.evaluate_masks import ScoreOptions, masks
from masklet.evaluation.results import COLUMNS, STATISTICS_COLUMNS, read_scores_json
from masklet.io.label_maps import write_labels

NUM_FRAMES = 5


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    """Two videos with a square each, of which the predicted ones are half as wide in b."""
    for root, widths in (("truth", (10, 10)), ("found", (10, 5))):
        for name, width in zip("ab", widths, strict=True):
            (tmp_path / root / name).mkdir(parents=True)
            for index in range(NUM_FRAMES):
                labels = np.zeros((20, 30), int)
                labels[5:15, 5 : 5 + width] = 1
                write_labels(tmp_path / root / name / f"{index:05d}.png", labels)
    return tmp_path / "truth", tmp_path / "found"


def table(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def test_scores_are_shown_and_written(roots: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert masks(*roots) == 0
    captured = capsys.readouterr()
    rows = table(captured.out)
    assert captured.err == ""
    assert rows[0] == list(COLUMNS)
    assert [row[:2] for row in rows[1:]] == [["Global score", ""], ["a", "001"], ["b", "001"]]
    assert [row[3] for row in rows[1:]] == ["75.0", "100.0", "50.0"]
    with (roots[1] / "results.csv").open(encoding="utf-8", newline="") as file:
        assert [[cell.strip() for cell in row] for row in csv.reader(file)] == rows


def test_the_command_line_reaches_the_options(roots: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    app = App()
    app.command(masks)
    output = roots[0].parent / "scores.json"
    tokens = ["masks", *map(str, roots), "--rules", "davis", "--all-frames", "--workers", "1"]
    app([*tokens, "--output", str(output)], exit_on_error=False, result_action="return_value")
    assert table(capsys.readouterr().out)[0] == list(STATISTICS_COLUMNS)
    assert not (roots[1] / "results.csv").exists()
    scores = read_scores_json(output)
    assert [len(one.frames) for _, one in scores.objects] == [NUM_FRAMES, NUM_FRAMES]
    assert scores.mean_j == pytest.approx(75)


def test_videos_that_one_side_lacks_are_told_in_lenience(
    roots: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (roots[0] / "a").rename(roots[0] / "c")
    with pytest.raises(ValueError, match=r"found: c; .*truth: a"):
        masks(*roots)
    assert masks(*roots, scoring=ScoreOptions(lenient=True)) == 0
    captured = capsys.readouterr()
    assert [row[0] for row in table(captured.out)] == ["sequence", "Global score", "b"]
    assert captured.err.count("left out") == 2
