"""The plan of a propagation: which frames, in which direction, for which objects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.predictors.passes import plan_passes

TWO = {1: {3, 8}, 2: {5}}


def frames(conditioning, num_frames=12, start=None, max_frames=None, direction="forward"):
    return [
        (list(leg.frames), leg.reverse) for leg in plan_passes(conditioning, num_frames, start, max_frames, direction)
    ]


def test_forward_begins_at_the_first_prompt():
    assert frames(TWO) == [([3, 4, 5, 6, 7, 8, 9, 10, 11], False)]


def test_backward_begins_at_the_last():
    assert frames(TWO, direction="backward") == [([8, 7, 6, 5, 4, 3, 2, 1, 0], True)]


def test_both_ways_from_a_frame_goes_back_from_the_one_before_it():
    assert frames(TWO, start=4, direction="both") == [([4, 5, 6, 7, 8, 9, 10, 11], False), ([3, 2, 1, 0], True)]


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ("forward", [([4, 5], False)]),
        ("backward", [([4, 3], True)]),
        ("both", [([4, 5], False), ([3, 2], True)]),
    ],
)
def test_so_many_frames_in_each_direction(direction, expected):
    assert frames(TWO, start=4, max_frames=2, direction=direction) == expected


def test_the_videos_ends_are_not_passed():
    assert frames(TWO, start=11, max_frames=5) == [([11], False)]
    assert frames(TWO, start=0, max_frames=5, direction="backward") == [([0], True)]
    assert frames(TWO, start=0, max_frames=1, direction="both") == [([0], False), ([], True)]


def test_both_ways_counts_from_each_objects_first_prompt():
    """Also where they are far apart: each has its prompted frame, and frames of no object are left out."""
    forward, back = plan_passes({1: {2}, 2: {8, 10}}, 12, None, 2, "both")
    assert list(forward.frames) == [2, 3, 8, 9]
    assert list(back.frames) == [7, 6, 1, 0]
    assert [forward.takes(frame, {8, 10}) for frame in forward.frames] == [False, False, True, True]
    assert [back.takes(frame, {2}) for frame in back.frames] == [False, False, True, True]


@given(st.dictionaries(st.integers(0, 5), st.sets(st.integers(0, 19), min_size=1), min_size=1))
def test_both_ways_reaches_each_frame_once_per_object_and_from_a_prompt(conditioning):
    passes = plan_passes(conditioning, 20, None, None, "both")
    for prompted in conditioning.values():
        legs = [[frame for frame in leg.frames if leg.takes(frame, prompted)] for leg in passes]
        assert legs == [list(range(min(prompted), 20)), list(range(min(prompted) - 1, -1, -1))]


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_one_way_takes_every_object_on_every_frame(direction):
    (leg,) = plan_passes(TWO, 12, 0 if direction == "forward" else 11, None, direction)
    assert all(leg.takes(frame, TWO[2]) for frame in range(12))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"direction": "left"}, "'left', but it must be 'forward', 'backward' or 'both'"),
        ({"max_frames": 0}, "max_frames is 0"),
        ({"start": 12}, "no frame 12 to start from: the video has frames 0 to 11"),
        ({"start": -1}, "no frame -1"),
        ({"conditioning": {}}, "nothing to follow"),
        ({"conditioning": {1: {3}, 7: set()}}, "object 7 has no prompt left"),
    ],
)
def test_what_cannot_be_planned(wrong, message):
    with pytest.raises(ValueError, match=message):
        frames(**{"conditioning": TWO, **wrong})
