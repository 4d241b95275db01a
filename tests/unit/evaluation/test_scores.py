"""Means of scores: over frames, then over objects."""

import pytest

from masklet.evaluation.scores import ObjectScores, SequenceScores, VideoScores


def scores_of(id_: int, *j: float) -> ObjectScores:
    return ObjectScores(object_id=id_, frames=tuple(map(str, range(len(j)))), j=j, f=tuple(value / 2 for value in j))


def test_an_object_has_the_means_of_its_frames() -> None:
    scores = scores_of(1, 0.2, 0.4)
    assert (scores.mean_j, scores.mean_f, scores.mean_jf) == pytest.approx((30, 15, 22.5))


def test_objects_count_the_same_however_many_frames_or_companions_they_have() -> None:
    scores = VideoScores(
        sequences=(
            SequenceScores(name="a", objects=(scores_of(1, 1.0, 1.0, 1.0), scores_of(2, 0.4))),
            SequenceScores(name="b", objects=(scores_of(1, 0.1),)),
        )
    )
    assert [(name, one.object_id) for name, one in scores.objects] == [("a", 1), ("a", 2), ("b", 1)]
    assert (scores.mean_j, scores.mean_f, scores.mean_jf) == pytest.approx((50, 25, 37.5))
