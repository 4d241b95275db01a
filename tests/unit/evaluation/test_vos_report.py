"""The report of a run: its numbers are those of the scores, and its pictures are worth looking at."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from masklet.datasets.sequences import VideoDataset, VideoSequence
from masklet.evaluation.page import Chart, Gallery, Headline, Page, Table
from masklet.evaluation.report import render_page
from masklet.evaluation.scores import ObjectScores, SequenceScores, VideoScores
from masklet.evaluation.vos_report import (
    NUM_WORST,
    frames_curve,
    object_table,
    sorted_chart,
    telling_frames,
    vos_page,
    worst_objects,
)

EMPTY = VideoDataset(name="data", sequences=(), has_truth=True)


def scored(j: Sequence[float], object_id: int = 1, f: float | None = None) -> ObjectScores:
    frames = tuple(f"{index + 1:05d}" for index in range(len(j)))
    return ObjectScores(object_id=object_id, frames=frames, j=tuple(j), f=tuple(j if f is None else [f] * len(j)))


def scores(**objects: Sequence[ObjectScores]) -> VideoScores:
    return VideoScores(sequences=tuple(SequenceScores(name=name, objects=tuple(o)) for name, o in objects.items()))


GOAT_AND_DOGS = scores(goat=[scored([0.5, 0.25])], dogs=[scored([1.0, 0.5], 1), scored([0.75, 0.0], 2)])


def parts(page: Page, kind: type) -> list:
    return [part for section in page.sections for part in section.parts if isinstance(part, kind)]


def test_the_page_begins_with_the_means() -> None:
    page = vos_page(EMPTY, GOAT_AND_DOGS, None, facts={"model": "nano"})
    (headline,) = parts(page, Headline)
    assert headline == Headline(values={"J&F": 50.0, "J": 50.0, "F": 50.0, "objects": 3, "sequences": 2})
    assert page.facts == {"model": "nano"}
    assert "data" in page.title
    assert page.sections[0].parts == [headline]


def test_without_the_masks_there_are_no_pictures() -> None:
    page = vos_page(EMPTY, GOAT_AND_DOGS, None, facts={})
    assert parts(page, Gallery) == []
    assert len(parts(page, Chart)) == 2
    assert "goat" in render_page(page)


def test_the_table_has_every_object_and_its_worst_frame() -> None:
    table = object_table(GOAT_AND_DOGS)
    assert isinstance(table, Table)
    assert [tuple(row) for row in table.rows] == [
        ("goat", 1, 2, 37.5, 37.5, 37.5, "00002", 25.0),
        ("dogs", 1, 2, 75.0, 75.0, 75.0, "00002", 50.0),
        ("dogs", 2, 2, 37.5, 37.5, 37.5, "00002", 0.0),
    ]


def test_the_worst_come_first_and_are_not_many() -> None:
    many = scores(crowd=[scored([id_ / 20], id_) for id_ in range(19, -1, -1)])
    assert [one.object_id for _, one in worst_objects(many)] == list(range(NUM_WORST))
    assert len(worst_objects(GOAT_AND_DOGS)) == 3


@pytest.mark.parametrize(
    ("j", "frames"),
    [
        ([0.9, 0.9, 0.3, 0.2, 0.25], ["00003", "00004"]),  # the fall, then the worst
        ([0.9, 0.1, 0.5, 0.3], ["00002"]),  # the fall leads to the worst
        ([0.1, 0.9, 0.5], ["00001", "00003"]),  # bad from the beginning, and a later fall
        ([0.9, 0.85, 0.8, 0.81], ["00003"]),  # no fall to speak of
        ([0.4], ["00001"]),
        ([0.0, 0.0, 0.0], ["00001"]),
    ],
)
def test_frames_that_tell_something(j: list[float], frames: list[str]) -> None:
    cases = telling_frames("goat", scored(j, f=0.5))
    assert [case.frame for case in cases] == frames
    for case in cases:
        value = 100 * j[int(case.frame) - 1]
        assert case.caption.startswith(f"goat, object 1, frame {case.frame}, the ")
        assert case.caption.endswith(f": J {value:.1f}, F 50.0")


def test_curves_go_by_frame_numbers_where_frames_have_some() -> None:
    sparse = ObjectScores(object_id=1, frames=("00004", "00008"), j=(0.5, 1.0), f=(1.0, 1.0))
    assert list(frames_curve("a", sparse).x) == [4, 8]
    assert list(frames_curve("a", sparse).y) == [50, 100]
    named = ObjectScores(object_id=1, frames=("left", "right"), j=(0.5, 1.0), f=(1.0, 1.0))
    assert list(frames_curve("a", named).x) == [0, 1]


def test_objects_are_sorted_in_their_chart() -> None:
    (curve,) = sorted_chart({"nano": GOAT_AND_DOGS}).curves
    assert (curve.name, list(curve.x), list(curve.y)) == ("nano", [1, 2, 3], [37.5, 37.5, 75.0])


def test_pictures_are_of_the_frames_that_tell_something(
    make_squares: Callable[..., VideoSequence], tmp_path: Path
) -> None:
    data = VideoDataset(name="data", sequences=(make_squares("squares"),), has_truth=True)
    object_scores = [
        ObjectScores(object_id=1, frames=("00001", "00002", "00003"), j=(0.9, 0.5, 0.4), f=(1.0, 0.5, 0.4)),
        ObjectScores(object_id=2, frames=("00003", "00004"), j=(1.0, 1.0), f=(1.0, 1.0)),
    ]
    page = vos_page(data, scores(squares=object_scores), tmp_path / "Annotations", facts={})
    (gallery,) = parts(page, Gallery)
    assert [picture.caption.split(",")[1:3] for picture in gallery.pictures] == [
        [" object 1", " frame 00002"],
        [" object 1", " frame 00003"],
        [" object 2", " frame 00003"],
    ]
    assert len(render_page(page)) < 100_000
