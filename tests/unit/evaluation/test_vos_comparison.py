"""Several runs in one report: the objects and frames on which they differ, and no mean that misleads."""

import math
from collections.abc import Callable
from pathlib import Path

from masklet.datasets.sequences import VideoDataset, VideoSequence
from masklet.evaluation.page import Chart, Gallery, Page, Table
from masklet.evaluation.report import render_page
from masklet.evaluation.scores import ObjectScores, SequenceScores, VideoScores
from masklet.evaluation.vos_comparison import comparison_page
from masklet.evaluation.vos_report import NUM_WORST

EMPTY = VideoDataset(name="data", sequences=(), has_truth=True)


def scored(*j: float, object_id: int = 1, first: int = 1) -> ObjectScores:
    frames = tuple(f"{index:05d}" for index in range(first, first + len(j)))
    return ObjectScores(object_id=object_id, frames=frames, j=j, f=j)


def scores(**objects: ObjectScores) -> VideoScores:
    return VideoScores(sequences=tuple(SequenceScores(name=name, objects=(one,)) for name, one in objects.items()))


def parts(page: Page, kind: type) -> list:
    return [part for section in page.sections for part in section.parts if isinstance(part, kind)]


def test_a_row_a_run_and_a_column_a_run() -> None:
    runs = {"nano": scores(goat=scored(0.5, 1.0), dog=scored(1.0)), "static": scores(goat=scored(0.5, 0.0))}
    page = comparison_page(EMPTY, runs, facts={"protocol": "first-mask"})
    means, each = parts(page, Table)
    assert [tuple(row) for row in means.rows] == [("nano", 87.5, 87.5, 87.5, 2, 2), ("static", 25.0, 25.0, 25.0, 1, 1)]
    assert each.columns == ("sequence", "object", "nano", "static")
    assert tuple(each.rows[0]) == ("goat", 1, 75.0, 25.0)
    assert each.rows[1][:3] == ("dog", 1, 100.0)
    assert math.isnan(each.rows[1][3])
    assert parts(page, Gallery) == []
    assert page.facts == {"protocol": "first-mask"}
    assert "not comparable" in page.sections[0].text
    assert "static" in render_page(page)


def test_runs_with_the_same_objects_are_comparable() -> None:
    runs = {name: scores(goat=scored(0.5)) for name in ("a", "b")}
    assert "not comparable" not in comparison_page(EMPTY, runs, facts={}).sections[0].text


def test_objects_are_shown_by_how_much_runs_differ() -> None:
    one = scores(**{f"seq{number}": scored(0.5) for number in range(9)})
    other = scores(**{f"seq{number}": scored(0.5 + number / 20) for number in range(9)})
    _, *charts = parts(comparison_page(EMPTY, {"one": one, "other": other}, facts={}), Chart)
    assert [chart.title for chart in charts] == [f"seq{8 - rank}, object 1" for rank in range(NUM_WORST)]
    assert [curve.name for curve in charts[0].curves] == ["one", "other"]


def test_runs_without_a_common_object_still_have_a_page() -> None:
    page = comparison_page(EMPTY, {"a": scores(goat=scored(0.5)), "b": scores(dog=scored(0.5))}, facts={})
    assert "Only 0 of 2 objects" in page.sections[0].text
    render_page(page)


def test_the_picture_is_of_the_frame_on_which_they_differ_most(
    make_squares: Callable[..., VideoSequence], tmp_path: Path
) -> None:
    data = VideoDataset(name="data", sequences=(make_squares("squares"),), has_truth=True)
    runs = {
        "a": scores(squares=scored(0.5, 0.9, 0.8, 0.7)),
        "b": scores(squares=scored(0.6, 0.2, 0.6, first=2)),  # saw the object one frame later
    }
    roots = dict.fromkeys(runs, tmp_path / "Annotations")
    page = comparison_page(data, runs, roots, facts={})
    (gallery,) = parts(page, Gallery)
    assert [picture.caption for picture in gallery.pictures] == ["squares, object 1, frame 00003, J: a 80.0, b 20.0"]
    assert gallery.pictures[0].image.shape == (2 * 40 + 4, 2 * 56 + 4, 3)
