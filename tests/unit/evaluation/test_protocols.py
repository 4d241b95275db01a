"""What is said of objects by each protocol, and when."""

from pathlib import Path

import numpy as np
import pytest

from masklet.datasets.annotations import ObjectFolders
from masklet.datasets.sequences import VideoSequence
from masklet.evaluation.protocols import given_masks, plan_prompts, prompt_object
from masklet.io.label_maps import write_labels
from masklet.predictors.video import VideoSession
from masklet.types import FrameMasks, PointLabel

SIZE = (40, 56)
MASK = np.zeros(SIZE, bool)
MASK[6:18, 4:17] = True


def test_objects_of_the_first_frame(make_squares) -> None:
    assert plan_prompts(make_squares(second_from=0)) == {1: (0,), 2: (0,)}


def test_objects_that_appear_later(make_squares) -> None:
    sequence = make_squares(second_from=3, every=2)
    assert plan_prompts(sequence, appearing_later=True) == {1: (0,), 2: (4,)}
    both = plan_prompts(sequence, appearing_later=True, use_all_masks=True)
    assert both == {1: (0, 2, 4, 6, 8), 2: (4, 6, 8)}


def test_an_object_that_appears_later_must_be_expected(make_squares) -> None:
    with pytest.raises(ValueError, match=r"squares: objects are not on .* 00000: 2 \(from 00003\); .*appearing-later"):
        plan_prompts(make_squares(second_from=3))


def test_a_first_frame_without_masks(make_squares) -> None:
    sequence = make_squares(second_from=0)
    (sequence.annotations.path("00000")).unlink()
    without = VideoSequence(
        name="squares", video=sequence.video, annotations=type(sequence.annotations)(sequence.annotations.folder)
    )
    with pytest.raises(ValueError, match=r"no masks of its first frame, 00000; .*appearing-later"):
        plan_prompts(without)
    assert plan_prompts(without, appearing_later=True) == {1: (1,), 2: (1,)}


def test_masks_without_objects(make_squares, tmp_path: Path) -> None:
    sequence = make_squares()
    for name in sequence.annotations.frames:
        write_labels(sequence.annotations.path(name), np.zeros(SIZE, np.int32))
    with pytest.raises(ValueError, match=r"00000\.png: no object is in any mask"):
        plan_prompts(sequence, appearing_later=True)


def test_object_zero_and_empty_masks_in_folders(make_squares, tmp_path: Path) -> None:
    sequence = make_squares()
    for id_ in (0, 1):
        (tmp_path / "folders" / f"{id_:03d}").mkdir(parents=True)
        for index in (0, 4):
            seen = MASK if index >= 4 * (1 - id_) else np.zeros_like(MASK)
            write_labels(tmp_path / "folders" / f"{id_:03d}" / f"{index:05d}.png", seen.astype(np.int32))
    annotations = ObjectFolders(tmp_path / "folders")
    sequence = VideoSequence(name="squares", video=sequence.video, annotations=annotations)
    assert plan_prompts(sequence, appearing_later=True) == {0: (4,), 1: (0,)}


def test_given_masks(make_squares) -> None:
    sequence = make_squares()
    given = given_masks(sequence, {1: (0,), 2: (3, 4)}, 3, SIZE)
    assert given.keys() == {2}
    assert (given[2] == sequence.annotations.read("00003")[2]).all()
    assert given_masks(sequence, {1: (0,)}, 1, SIZE) == {}


def test_masks_of_another_size(make_squares) -> None:
    with pytest.raises(ValueError, match=r"00000\.png is 56 x 40 pixels in frame 00000, but its video is 112 x 80"):
        given_masks(make_squares(), {1: (0,)}, 0, (80, 112))


class Listener:
    """A session that writes down what it is told; its answers are the left half of the mask."""

    def __init__(self, answer: np.ndarray) -> None:
        self.calls: list[tuple] = []
        self.answer = answer

    def add_mask(self, *call) -> None:
        self.calls.append(("mask", *call))

    def add_box(self, *call) -> None:
        self.calls.append(("box", *call))

    def add_points(self, frame_index, object_id, points, labels) -> FrameMasks:
        self.calls.append((frame_index, object_id, tuple(points[0]), labels[0]))
        return FrameMasks(
            frame_index=frame_index,
            masks={object_id: self.answer},
            scores={},
            object_scores={},
            visible={},
            prompted=frozenset(),
        )


def told(protocol, answer=MASK, mask=MASK) -> list[tuple]:
    listener = Listener(answer)
    prompt_object(listener, 5, 7, mask, protocol)  # type: ignore[arg-type]
    return listener.calls


def test_a_mask() -> None:
    ((kind, frame, object_id, mask),) = told("first-mask")
    assert (kind, frame, object_id) == ("mask", 5, 7)
    assert mask is MASK


def test_a_box() -> None:
    assert told("first-box") == [("box", 5, 7, (4, 6, 16, 17))]


def test_clicks() -> None:
    half = MASK.copy()
    half[:, 9:] = False
    assert told("first-click", half) == [(5, 7, (9, 11), PointLabel.POSITIVE)]
    assert told("3-clicks", half) == [
        (5, 7, (9, 11), PointLabel.POSITIVE),
        (5, 7, (12, 9), PointLabel.POSITIVE),
        (5, 7, (12, 9), PointLabel.POSITIVE),
    ]
    surplus = MASK | ~MASK
    calls = told("5-clicks", surplus)
    assert len(calls) == 5
    assert [label for *_, label in calls] == [PointLabel.POSITIVE] + 4 * [PointLabel.NEGATIVE]


def test_no_more_clicks_where_nothing_is_wrong() -> None:
    assert len(told("5-clicks", MASK)) == 1


@pytest.mark.parametrize("protocol", ["first-mask", "first-click", "3-clicks", "5-clicks", "first-box"])
@pytest.mark.parametrize("corner", [(0, 0), (39, 55)])
def test_a_session_takes_what_it_is_told(remembering_model, protocol, corner) -> None:
    mask = np.zeros(SIZE, bool)
    mask[corner] = True
    with VideoSession(remembering_model, np.zeros((2, *SIZE, 3), np.uint8)) as session:
        prompt_object(session, 0, 0, mask, protocol)
        assert session.masks(0).prompted == {0}
