import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.training.data.window import Window, WindowConfig, choose_window


def draw(num_available: int, config: WindowConfig, seed: int = 0, objects: tuple[int, ...] = (1, 2, 3)) -> Window:
    return choose_window("dog", num_available, lambda _: objects, config, np.random.default_rng(seed))


@given(
    num_frames=st.integers(1, 8),
    more=st.integers(0, 20),
    max_stride=st.integers(1, 5),
    reverse=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 2**32),
)
def test_frames_are_evenly_apart_and_in_the_video(
    num_frames: int, more: int, max_stride: int, reverse: float, seed: int
):
    config = WindowConfig(num_frames=num_frames, max_stride=max_stride, reverse_time_probability=reverse)
    places = draw(num_frames + more, config, seed).places
    assert len(places) == num_frames
    assert all(0 <= place < num_frames + more for place in places)
    steps = {b - a for a, b in itertools.pairwise(places)}
    assert len(steps) <= 1
    if steps:
        step = steps.pop()
        assert 1 <= abs(step) <= max_stride
        if reverse != 0.5:
            assert (step < 0) == (reverse == 1.0)


def test_every_beginning_stride_and_direction_occurs():
    config = WindowConfig(num_frames=3, max_stride=4, reverse_time_probability=0.5)
    rng = np.random.default_rng(0)
    drawn = {choose_window("dog", 7, lambda _: [1], config, rng).places for _ in range(500)}
    forward = {(s, s + k, s + 2 * k) for k in (1, 2, 3) for s in range(7 - 2 * k)}
    assert drawn == forward | {places[::-1] for places in forward}


def test_objects_are_a_random_subset_of_those_on_the_first_frame():
    rng = np.random.default_rng(0)
    config = WindowConfig(num_frames=2, max_objects=2)
    drawn = [choose_window("dog", 9, lambda place: (place, 10, 20), config, rng) for _ in range(200)]
    for window in drawn:
        assert len(set(window.objects)) == 2
        assert set(window.objects) <= {window.places[0], 10, 20}
    assert {10 in window.objects for window in drawn} == {True, False}
    assert set(draw(9, WindowConfig(num_frames=2, max_objects=5)).objects) == {1, 2, 3}


def test_frames_without_objects_begin_no_clip_and_are_asked_once():
    asked: list[int] = []

    def objects_on(place: int) -> list[int]:
        asked.append(place)
        return [4] if place == 5 else []

    window = choose_window("dog", 8, objects_on, WindowConfig(num_frames=3), np.random.default_rng(0))
    assert window == Window((5, 6, 7), (4,))
    assert len(asked) == len(set(asked))


def test_what_cannot_be_drawn_is_named():
    with pytest.raises(ValueError, match="dog has masks of 7 frames, too few for a clip of 8"):
        draw(7, WindowConfig())
    with pytest.raises(ValueError, match="dog has no object on 3 frames, of 10 with masks"):
        draw(10, WindowConfig(), objects=())


@pytest.mark.parametrize(
    "wrong", [{"num_frames": 0}, {"max_objects": 0}, {"max_stride": 0}, {"reverse_time_probability": 1.5}]
)
def test_wrong_settings_are_named(wrong: dict):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is {next(iter(wrong.values()))}"):
        WindowConfig(**wrong)
