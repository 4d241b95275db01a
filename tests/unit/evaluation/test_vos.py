"""Objects followed through a sequence: all in one session as one by one, and in bounded memory."""

import itertools

import numpy as np
import pytest

from masklet.config import preset
from masklet.evaluation.protocols import Protocol, prompt_object
from masklet.evaluation.vos import PLAIN_POLICY, VosOptions, cut_masks, follow_sequence
from masklet.model import Sam2
from masklet.ops.multimask import RELEASED_STABILITY
from masklet.predictors.video import VideoSession
from masklet.tracking.policy import RELEASED_POLICY, suited_policy
from masklet.tracking.tracker import Tracker

SIZE = (40, 56)
NUM_FRAMES = 10
LATER = VosOptions(appearing_later=True, non_overlapping=False)


def alone(model, sequence, object_id: int, frames: list[int], protocol: Protocol = "first-mask") -> list[np.ndarray]:
    """An object followed by itself in a session that keeps everything: masks of all frames."""
    masks = [np.zeros(SIZE, bool)] * NUM_FRAMES
    with VideoSession(model, sequence.video, policy=PLAIN_POLICY) as session:
        for frame in frames:
            prompt_object(session, frame, 5, sequence.annotations.read(f"{frame:05d}")[object_id], protocol)
        for found in session.propagate():
            masks[found.frame_index] = found.masks[5]
    return masks


def agree(a: np.ndarray, b: np.ndarray) -> None:
    """Batches of other sizes may round a logit near 0 the other way."""
    assert (a != b).sum() <= 2


@pytest.mark.parametrize("protocol", ["first-mask", "3-clicks"])
def test_objects_are_as_if_alone(remembering_model, make_squares, protocol) -> None:
    sequence = make_squares(second_from=3)
    options = VosOptions(protocol=protocol, appearing_later=True, non_overlapping=False)
    together = list(follow_sequence(remembering_model, sequence, options))
    assert len(together) == NUM_FRAMES
    for object_id, first in ((1, 0), (2, 3)):
        expected = alone(remembering_model, sequence, object_id, [first], protocol)
        assert any(mask.any() for mask in expected[first:])
        for frame, mask in zip(together, expected, strict=True):
            agree(frame[object_id], mask)


def test_all_masks_are_given_at_once(remembering_model, make_squares) -> None:
    sequence = make_squares(second_from=3, every=4)
    options = VosOptions(use_all_masks=True, appearing_later=True, non_overlapping=False)
    together = list(follow_sequence(remembering_model, sequence, options))
    for object_id, frames in ((1, [0, 4, 8]), (2, [4, 8])):
        for frame, mask in zip(together, alone(remembering_model, sequence, object_id, frames), strict=True):
            agree(frame[object_id], mask)
    first_alone = alone(remembering_model, sequence, 1, [0])
    assert any((frame[1] != mask).sum() > 2 for frame, mask in zip(together, first_alone, strict=True))


def test_objects_are_absent_before_their_first_frame(remembering_model, make_squares) -> None:
    sequence = make_squares(second_from=3)
    sequence.annotations.path("00000").unlink()
    sequence = type(sequence)(
        name="late", video=sequence.video, annotations=type(sequence.annotations)(sequence.annotations.folder)
    )
    frames = list(follow_sequence(remembering_model, sequence, LATER))
    assert [frame.keys() for frame in frames] == [{1, 2}] * NUM_FRAMES
    assert [bool(frame[1].any()) for frame in frames[:2]] == [False, True]
    assert not any(frame[2].any() for frame in frames[:3])
    assert all(mask.shape == SIZE and mask.dtype == bool for frame in frames for mask in frame.values())


def test_nothing_is_looked_for_before_it_is_seen(remembering_model, make_squares, monkeypatch) -> None:
    calls = []
    track = Tracker.track

    def spy(self, features, frame_index, object_ids, *, reverse=False):
        calls.append((frame_index, list(object_ids)))
        track(self, features, frame_index, object_ids, reverse=reverse)

    monkeypatch.setattr(Tracker, "track", spy)
    list(follow_sequence(remembering_model, make_squares(second_from=3), LATER))
    assert calls == [(index, [1]) for index in (1, 2, 3)] + [(index, [1, 2]) for index in range(4, NUM_FRAMES)]


def test_memory_is_bounded(remembering_model, make_squares, monkeypatch) -> None:
    sessions = []
    begin = VideoSession.__init__

    def spy(self, *args, **kwargs):
        begin(self, *args, **kwargs)
        sessions.append(self)

    monkeypatch.setattr(VideoSession, "__init__", spy)
    window = remembering_model.config.memory.num_memories
    for _ in follow_sequence(remembering_model, make_squares(second_from=0), LATER):
        for known in sessions[0].tracker.objects.values():
            assert len(known.results) <= 2
            assert (
                len(known.bank.features) <= window + 2
            )  # the prompted frame, the recent ones, this one and the oldest it saw


def test_an_unexpected_object(remembering_model, make_squares) -> None:
    with pytest.raises(ValueError, match="appearing-later"):
        next(follow_sequence(remembering_model, make_squares(), VosOptions()))


def test_post_processing(remembering_model) -> None:
    assert VosOptions(apply_postprocessing=True).policy(remembering_model) == RELEASED_POLICY
    nano = Sam2(preset("nano"))
    assert VosOptions(apply_postprocessing=True).policy(nano) == suited_policy(nano.config) != RELEASED_POLICY
    plain = VosOptions().policy(nano)
    assert (plain.stability, plain.binary_prompted_memory, plain.max_hole_area) == (None, False, 0)
    assert RELEASED_POLICY.stability == RELEASED_STABILITY


def test_cut_masks() -> None:
    logits = {4: np.array([[3.0, 1.0, -1.0]], np.float32), 0: np.array([[1.0, 2.0, -2.0]], np.float32)}
    apart = cut_masks(logits, VosOptions())
    assert list(apart) == [0, 4]
    assert apart[0].tolist() == [[False, True, False]]
    assert apart[4].tolist() == [[True, False, False]]
    over = cut_masks(logits, VosOptions(non_overlapping=False))
    assert over[0].tolist() == over[4].tolist() == [[True, True, False]]
    high = cut_masks(logits, VosOptions(score_threshold=1.5, non_overlapping=False))
    assert high[4].tolist() == [[True, False, False]]
    low = cut_masks(logits, VosOptions(score_threshold=-1.5, non_overlapping=False))
    assert low[4].tolist() == [[True, True, True]]


def test_a_threshold_and_overlaps_act_on_sequences(remembering_model, make_squares) -> None:
    sequence = make_squares(second_from=0)

    def areas(**options) -> int:
        frames = follow_sequence(remembering_model, sequence, VosOptions(**options))
        return sum(int(mask.sum()) for frame in frames for mask in frame.values())

    assert areas(score_threshold=1.0) < areas() <= areas(non_overlapping=False)
    for frame in follow_sequence(remembering_model, sequence, VosOptions()):
        for a, b in itertools.combinations(frame.values(), 2):
            assert not (a & b).any()


@pytest.mark.parametrize("protocol", ["first-click", "first-box"])
def test_all_masks_need_masks(protocol) -> None:
    with pytest.raises(ValueError, match=protocol):
        VosOptions(use_all_masks=True, protocol=protocol)


@pytest.mark.parametrize("threshold", [float("nan"), float("inf")])
def test_a_threshold_is_a_number(threshold) -> None:
    with pytest.raises(ValueError, match="score_threshold"):
        VosOptions(score_threshold=threshold)
