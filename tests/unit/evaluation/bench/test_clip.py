"""Discs are where the clip says they are, and come back."""

import numpy as np
import pytest

from masklet.evaluation.bench.clip import COLOURS, PERIOD, SIZE, DiscClip
from masklet.io.video import open_video


def test_it_is_a_whole_video():
    clip = DiscClip(3)
    assert open_video(clip) is clip
    assert clip.frame_size == SIZE
    assert len(clip) == 3
    assert clip[2].shape == (*SIZE, 3)
    assert clip[2].dtype == np.uint8
    for index in (-1, 3):
        with pytest.raises(IndexError, match=str(index)):
            clip[index]


@pytest.mark.parametrize("num_objects", [1, 4, 16])
def test_discs_lie_at_their_centres_without_hiding_one_another(num_objects):
    clip = DiscClip(1, num_objects)
    for n, (x, y) in enumerate(clip.centres(0)):
        assert tuple(clip[0][y, x]) == COLOURS[n % len(COLOURS)]


def test_discs_move_and_come_back():
    clip = DiscClip(10**9)
    assert clip.centres(0) != clip.centres(1)
    assert clip.centres(PERIOD) == clip.centres(0)
    assert np.array_equal(clip[PERIOD * 1000 + 1], clip[1])
    assert not np.array_equal(clip[0], clip[1])
