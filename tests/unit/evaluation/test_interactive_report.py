"""Means over objects by effort, and the files and the page that show them."""

import csv
import json
from pathlib import Path

import pytest

from masklet.evaluation.interactive import InteractiveScores, Round
from masklet.evaluation.interactive_report import interactive_page, summarise, write_results
from masklet.evaluation.report import render_page
from masklet.evaluation.scores import ObjectScores


def scores(name: str, *rounds: tuple[int, float, float]) -> InteractiveScores:
    """An object whose rounds have so many clicks, and J and F of its only frame."""
    return InteractiveScores(
        sequence=name,
        object_id=1,
        rounds=tuple(
            Round(frame="0", clicks=((1, 1, 1),) * n, scores=ObjectScores(object_id=1, frames=("0",), j=(j,), f=(f,)))
            for n, j, f in rounds
        ),
    )


TWO = [scores("bad", (3, 0.2, 0.4), (3, 0.4, 0.6), (2, 0.5, 0.7)), scores("<good>", (1, 1.0, 0.8))]


def test_each_object_counts_the_same() -> None:
    steps = summarise(TWO, 3)
    assert [step.num_frames for step in steps] == [1, 2, 3]
    assert [step.num_clicks for step in steps] == [2, 3.5, 4.5]
    assert [step.j for step in steps] == pytest.approx([60, 70, 75])
    assert [step.jf for step in steps] == pytest.approx([60, 70, 75])


def test_files_hold_the_means_and_every_object(tmp_path: Path) -> None:
    steps = summarise(TWO, 3)
    write_results(tmp_path, TWO, steps)
    known = json.loads((tmp_path / "results.json").read_text())
    assert (known["num_objects"], known["mean_jf"]) == (2, pytest.approx(205 / 3))
    assert [step["clicks"] for step in known["steps"]] == [2, 3.5, 4.5]
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert rows[1] == {
        "sequence": "bad",
        "object": "1",
        "frames": "2",
        "clicks": "6",
        "J&F": "50.000",
        "J": "40.000",
        "F": "60.000",
    }
    assert [row["J"] for row in rows[3:]] == ["100.000"] * 3


@pytest.mark.parametrize("max_frames", [1, 3])
def test_the_page_shows_the_number_and_all_objects(max_frames: int) -> None:
    steps = summarise(TWO, max_frames)
    page = interactive_page(TWO, steps, title="Corrected", facts={"mode": "offline"})
    html = render_page(page)
    assert "&lt;good&gt;" in html
    assert f"mean of 1 to {max_frames}" in html
    table = page.sections[1].parts[0]
    assert [row[0] for row in table.rows] == ["bad", "<good>"], "the worst first"
