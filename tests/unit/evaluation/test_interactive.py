"""An annotator who corrects, simulated: which frames get clicks, and that rounds are what a real session would give."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masklet.datasets.annotations import LabelMaps, open_annotations
from masklet.datasets.sequences import VideoSequence
from masklet.evaluation.clicks import correction_click
from masklet.evaluation.interactive import (
    InteractiveOptions,
    InteractiveScores,
    Round,
    annotate_sequence,
    read_truth,
)
from masklet.evaluation.measures import region_similarity
from masklet.evaluation.scores import ObjectScores
from masklet.io.label_maps import write_labels
from masklet.ops.masks import innermost_point
from masklet.predictors.video import VideoSession

SIZE = (40, 56)
NUM_FRAMES = 10
THRESHOLD = 0.5


def options(mode: Any, max_frames: int = 4) -> InteractiveOptions:
    return InteractiveOptions(mode=mode, max_frames=max_frames, num_clicks=2, iou_threshold=THRESHOLD)


def correct(session: VideoSession, frame: int, truth: np.ndarray) -> None:
    """Two clicks, as an annotator makes them."""
    known = session.masks(frame).masks
    for _ in range(2):
        if 1 in known:
            found = correction_click(known[1], truth)
            if found is None:
                return
            x, y, label = found
        else:
            (x, y), label = innermost_point(truth), 1
        known = session.add_points(frame, 1, [(x, y)], [label]).masks


def truths(sequence: VideoSequence, id_: int) -> dict[int, np.ndarray]:
    nothing = np.zeros(SIZE, bool)
    return {i: sequence.annotations.read(name).get(id_, nothing) for i, name in sequence.annotated.items()}


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_online_rounds_are_runs_that_may_stop_so_often(remembering_model, make_squares, limit) -> None:
    """An annotator who really goes through the video once, and stops at bad frames."""
    sequence = make_squares()
    rounds = next(annotate_sequence(remembering_model, sequence, options("online"))).rounds
    assert len(rounds) >= 3, "the model is too good for this test"
    true, clicked, found = truths(sequence, 1), [0], []
    with VideoSession(remembering_model, sequence.video) as session:
        correct(session, 0, true[0])
        for frame in session.propagate():
            index, mask = frame.frame_index, frame.masks[1]
            bad = index > clicked[-1] and region_similarity(mask, true[index]) < THRESHOLD
            if bad and len(clicked) < limit:
                correct(session, index, true[index])
                clicked.append(index)
                mask = session.masks(index).masks[1]
            found.append(region_similarity(mask, true[index]))
    assert [int(done.frame) for done in rounds[:limit]] == clicked
    assert rounds[limit - 1].scores.j == pytest.approx(found, abs=0.02)  # a pixel may round the other way


def test_offline_takes_the_worst_frame_and_begins_anew(remembering_model, make_squares) -> None:
    sequence = make_squares()
    rounds = next(annotate_sequence(remembering_model, sequence, options("offline"))).rounds
    assert len(rounds) == 4
    true, clicked = truths(sequence, 1), []
    with VideoSession(remembering_model, sequence.video) as session:
        target = 0
        for done in rounds:
            assert int(done.frame) == target
            clicked.append(target)
            correct(session, target, true[target])
            j = [region_similarity(frame.masks[1], true[frame.frame_index]) for frame in session.propagate()]
            assert done.scores.j == pytest.approx(j, abs=0.02)
            target = min((i for i in range(NUM_FRAMES) if i not in clicked), key=lambda i: done.scores.j[i])


def test_what_is_before_a_correction_stays_online_alone(remembering_model, make_squares) -> None:
    sequence = make_squares()
    scores = {
        mode: next(annotate_sequence(remembering_model, sequence, options(mode))) for mode in ("online", "offline")
    }
    *_, before, after = scores["online"].rounds
    corrected = sequence.frame_names.index(after.frame)
    assert corrected > 1
    assert after.scores.j[:corrected] == before.scores.j[:corrected]
    first, second, *_ = scores["offline"].rounds
    assert first.scores.j[1:corrected] != second.scores.j[1:corrected]


def test_an_object_that_appears_later_is_begun_there(remembering_model, make_squares) -> None:
    _, late = annotate_sequence(remembering_model, make_squares(second_from=3), options("offline", 2))
    assert (late.object_id, late.rounds[0].frame) == (2, "00003")
    assert late.rounds[0].scores.frames == tuple(f"{index:05d}" for index in range(3, NUM_FRAMES))
    assert late.rounds[0].clicks[0] == (*innermost_point(truths(make_squares("again"), 2)[3]), 1)


def test_objects_do_not_see_each_other(remembering_model, make_squares) -> None:
    sequence = make_squares()
    both = list(annotate_sequence(remembering_model, sequence, options("online")))
    (second,) = annotate_sequence(remembering_model, sequence, options("online"), done=frozenset({1}))
    assert second == both[1]


def test_annotated_frames_alone_count(remembering_model, make_squares) -> None:
    first, _ = annotate_sequence(remembering_model, make_squares(every=4), options("offline"))
    assert first.rounds[0].scores.frames == ("00000", "00004", "00008")
    assert len(first.rounds) <= 3, "there is no fourth frame to click on"
    assert {done.frame for done in first.rounds} <= {"00000", "00004", "00008"}


def test_what_is_right_gets_no_more_clicks(remembering_model, make_squares, monkeypatch) -> None:
    monkeypatch.setattr("masklet.evaluation.interactive.region_similarity", lambda mask, truth: 1.0)
    for mode in ("offline", "online"):
        for scores in annotate_sequence(remembering_model, make_squares(mode), options(mode)):
            assert len(scores.rounds) == 1


def test_scores_after_the_last_round_stay() -> None:
    def done(frame: str, j: float) -> Round:
        scores = ObjectScores(object_id=1, frames=("0", "1"), j=(j, j), f=(0.0, 0.0))
        return Round(frame=frame, clicks=((1, 2, 1),) * 3, scores=scores)

    scores = InteractiveScores(sequence="a", object_id=1, rounds=(done("0", 0.5), done("1", 0.75)))
    assert [scores.after(number).mean_j for number in (1, 2, 3, 8)] == [50, 75, 75, 75]
    assert [scores.num_clicks(number) for number in (1, 2, 8)] == [3, 6, 6]


def test_truth_begins_where_an_object_is_seen(make_squares) -> None:
    sequence = make_squares(second_from=3)
    write_labels(sequence.annotations.path("00007"), np.zeros(SIZE, np.int32))
    truth = read_truth(sequence, SIZE)
    assert truth[1].frames == list(range(NUM_FRAMES))
    assert truth[2].frames == list(range(3, NUM_FRAMES))
    assert not truth[2][7].any()
    assert (truth[2][5] == truths(sequence, 2)[5]).all()


def test_objects_may_have_frames_of_their_own(make_squares, tmp_path: Path) -> None:
    sequence = make_squares(second_from=0)
    for id_, every in ((0, 2), (1, 3)):
        folder = tmp_path / "objects" / f"{id_:03d}"
        folder.mkdir(parents=True)
        for index in range(0, NUM_FRAMES, every):
            write_labels(folder / f"{index:05d}.png", truths(sequence, id_ + 1)[index].astype(np.int32))
    by_object = VideoSequence(name="o", video=sequence.video, annotations=open_annotations(tmp_path / "objects"))
    truth = read_truth(by_object, SIZE)
    assert (truth[0].frames, truth[1].frames) == ([0, 2, 4, 6, 8], [0, 3, 6, 9])


def test_masks_of_another_size_are_named(make_squares) -> None:
    sequence = make_squares()
    write_labels(sequence.annotations.path("00004"), np.ones((20, 56), np.int32))
    with pytest.raises(ValueError, match=r"00004\.png is 56 x 20 pixels"):
        read_truth(sequence, SIZE)


def test_a_sequence_without_objects_is_named(make_squares) -> None:
    sequence = make_squares()
    for name in sequence.annotations.frames:
        write_labels(sequence.annotations.path(name), np.zeros(SIZE, np.int32))
    empty = VideoSequence(name="empty", video=sequence.video, annotations=LabelMaps(sequence.annotations.folder))
    with pytest.raises(ValueError, match="empty has no object"):
        read_truth(empty, SIZE)


@pytest.mark.parametrize(
    "wrong", [{"mode": "live"}, {"max_frames": 0}, {"num_clicks": 0}, {"iou_threshold": 1.5}], ids=str
)
def test_options_are_checked(wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        InteractiveOptions(**wrong)
