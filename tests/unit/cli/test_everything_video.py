"""What counts as new in a video, on a tiny model, with objects of the test's choice found."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masklet.cli import everything_video
from masklet.cli.everything_options import FollowOptions
from masklet.cli.everything_video import add_new_objects, follow_frames
from masklet.cli.track_output import ResultWriter, RunFolder
from masklet.io.frame_sources import PictureFrames
from masklet.io.masklets import read_masklets
from masklet.model import Sam2
from masklet.ops.mask_record import MaskRecord
from masklet.ops.rle import encode_rle
from masklet.predictors.video import VideoSession

SIZE = (64, 64)
FRAMES = np.random.default_rng(0).integers(0, 256, (6, *SIZE, 3), dtype=np.uint8)


def record(left: int, top: int, width: int, height: int) -> MaskRecord:
    mask = np.zeros(SIZE, bool)
    mask[top : top + height, left : left + width] = True
    return MaskRecord(
        rle=encode_rle(mask),
        area=width * height,
        box=(left, top, width, height),
        predicted_iou=0.9,
        stability_score=0.9,
        point=(left + 0.5, top + 0.5),
        crop_box=(0, 0, 64, 64),
    )


class Finds:
    """Stands in for the generator: what it finds at each look."""

    def __init__(self, *looks: list[MaskRecord]) -> None:
        self.looks = list(looks)

    def generate(self, image: np.ndarray, *, on_progress: Callable[[int, int], None] | None = None) -> list[MaskRecord]:
        assert image.shape == (*SIZE, 3)
        return self.looks.pop(0)


@pytest.fixture
def session(remembering_model: Sam2) -> VideoSession:
    session = VideoSession(remembering_model)
    session.step(FRAMES[0])
    return session


def look(session: VideoSession, *found: MaskRecord, max_objects: int | None = None) -> list[int]:
    add_new_objects(session, Finds(list(found)), max_objects)  # type: ignore[arg-type]
    return session.object_ids


def areas(session: VideoSession) -> list[int]:
    """Pixels of each object; the model rounds corners off."""
    return [int(mask.sum()) for mask in session.masks(0).masks.values()]


def test_ids_go_by_area(session: VideoSession) -> None:
    assert look(session, record(0, 0, 8, 8), record(0, 32, 32, 32), record(40, 0, 16, 16)) == [1, 2, 3]
    assert areas(session) == pytest.approx([1024, 256, 64], rel=0.1)


def test_what_is_mostly_covered_is_not_new(session: VideoSession) -> None:
    assert look(session, record(0, 0, 32, 32)) == [1]
    more, less = record(15, 0, 32, 32), record(17, 0, 32, 32)
    assert look(session, more) == [1]
    assert look(session, record(4, 4, 8, 8)) == [1]  # a part
    assert look(session, less) == [1, 2]
    assert look(session, record(0, 0, 64, 64)) == [1, 2, 3]  # what a small object lies on is new


def test_objects_of_one_look_may_lie_on_each_other(session: VideoSession) -> None:
    assert look(session, record(0, 0, 32, 32), record(0, 0, 32, 20)) == [1, 2]


def test_the_largest_are_taken_where_there_is_room_for_few(session: VideoSession) -> None:
    found = [record(0, 0, 8, 8), record(0, 32, 32, 32), record(40, 0, 16, 16)]
    assert look(session, *found, max_objects=2) == [1, 2]
    assert areas(session) == pytest.approx([1024, 256], rel=0.1)
    assert look(session, *found, max_objects=2) == [1, 2]
    assert look(session, *found, max_objects=3) == [1, 2, 3]


def follow(session: VideoSession, generator: Any, tmp_path: Path, **options: Any) -> dict[int, list[int]]:
    source = PictureFrames(FRAMES)
    folder = RunFolder(tmp_path / "out", tmp_path / "clip.mp4")
    if not folder.path.exists():
        folder.begin({})
    writer = ResultWriter(folder, source, resume=folder.masklets.exists(), pictures=False)
    follow_frames(session, generator, source, writer, FollowOptions(video=True, **options))
    return {frame: [r["id"] for r in found] for frame, found in read_masklets(folder.masklets)[1].items()}


def test_looks_come_at_their_frames(remembering_model: Sam2, tmp_path: Path) -> None:
    generator = Finds([record(0, 0, 16, 16)], [record(0, 0, 64, 64)], [])
    found = follow(VideoSession(remembering_model), generator, tmp_path, look_again=2)
    assert generator.looks == []
    assert {frame: len(ids) for frame, ids in found.items() if frame < 2} == {0: 1, 1: 1}
    assert list(found) == list(range(6))


def test_frames_before_the_first_object_have_no_line(remembering_model: Sam2, tmp_path: Path) -> None:
    generator = Finds([], [], [record(0, 0, 16, 16)])
    assert follow(VideoSession(remembering_model), generator, tmp_path, look_again=2) == {4: [1], 5: [1]}


def test_where_nothing_will_be_found_no_frame_is_read(remembering_model: Sam2, tmp_path: Path) -> None:
    session = VideoSession(remembering_model)
    assert follow(session, Finds([]), tmp_path) == {}
    assert session.newest_frame == 0


def test_what_was_added_on_a_frame_that_was_not_written_is_found_anew(
    remembering_model: Sam2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stop(Exception):
        pass

    def stopping(*_: Any) -> None:
        raise Stop

    session = VideoSession(remembering_model)
    first, second = record(0, 0, 16, 16), record(40, 40, 20, 20)
    with monkeypatch.context() as patch:
        patch.setattr(everything_video.ResultWriter, "write", stopping)
        with pytest.raises(Stop):
            follow(session, Finds([first, second]), tmp_path)
    assert session.object_ids == [1, 2]
    found = follow(session, Finds([second]), tmp_path)
    assert found == {frame: [1] for frame in range(6)}
    assert session.object_ids == [1]


def test_a_frame_is_looked_at_again_though_a_run_that_was_killed_has_written_it(
    remembering_model: Sam2, tmp_path: Path
) -> None:
    first, second = record(0, 0, 30, 30), record(40, 40, 20, 20)
    whole = follow(VideoSession(remembering_model), Finds([first, second]), tmp_path)
    session = VideoSession(remembering_model)
    session.step(FRAMES[0])
    look(session, first)  # and there it was stopped and saved
    assert follow(session, Finds([first, second]), tmp_path) == whole
    assert session.object_ids == [1, 2]
