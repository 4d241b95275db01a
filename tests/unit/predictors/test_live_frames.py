"""The newest frame of a stream, its own or given one by one: what counts, what does not, and what is kept."""

import numpy as np
import pytest

from masklet.io.video import open_video
from masklet.predictors.live_frames import LiveFrames

FRAMES = np.arange(3 * 4 * 6 * 3, dtype=np.uint8).reshape(3, 4, 6, 3)


def live_of(pictures) -> LiveFrames:
    return LiveFrames(open_video(iter(pictures)))  # type: ignore[arg-type]


def test_frames_are_counted_and_the_newest_is_kept():
    live = LiveFrames()
    assert (live.num_seen, live.newest, live.frame_size) == (0, None, None)
    for index, frame in enumerate(FRAMES):
        with live.take(frame) as taken:
            assert taken == index
            assert np.array_equal(live.newest, frame)  # for the work on it
        assert live.num_seen == index + 1
        assert np.array_equal(live.newest, frame)
    assert live.frame_size == (4, 6)


def test_frames_of_a_stream_come_until_it_ends():
    live = live_of(FRAMES)
    for frame in FRAMES:
        with live.take(None):
            assert np.array_equal(live.newest, frame)
    with pytest.raises(EOFError, match="after 3 frames"), live.take(None):
        pass


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_frame_on_which_the_work_fails_does_not_count(error):
    live = LiveFrames()
    with live.take(FRAMES[0]):
        pass
    with pytest.raises(error), live.take(FRAMES[1]):
        raise error
    assert live.num_seen == 1
    assert np.array_equal(live.newest, FRAMES[0])


def test_the_newest_frame_is_a_copy():
    buffer = FRAMES[0].copy()
    for live in (LiveFrames(), live_of([buffer])):
        with live.take(buffer if live.stream is None else None):
            pass
        buffer[:] = 7
        assert np.array_equal(live.newest, FRAMES[0])
        buffer[:] = FRAMES[0]


def test_it_goes_on_from_what_was_seen_before():
    live = LiveFrames(num_seen=10, newest=FRAMES[0])
    assert live.frame_size == (4, 6)
    with live.take(FRAMES[1]) as index:
        assert index == 10


@pytest.mark.parametrize(
    ("live", "frame", "message"),
    [
        (LiveFrames(), None, "no stream to take frames from: give step a frame"),
        (live_of(FRAMES), FRAMES[0], "takes frames from its stream: call step without one"),
        (LiveFrames(None, 5, FRAMES[0]), FRAMES[1].transpose(1, 0, 2), "frame 5 is 4 x 6 pixels, but .* are 6 x 4"),
        (LiveFrames(), np.zeros((4, 6, 5), np.uint8), "no image"),
    ],
)
def test_frames_that_are_refused(live, frame, message):
    before = live.num_seen
    with pytest.raises(ValueError, match=message), live.take(frame):
        pytest.fail("there is no frame to work on")
    assert live.num_seen == before


def test_the_stream_is_let_go():
    live = live_of(FRAMES)
    live.close()
    with pytest.raises(EOFError), live.take(None):
        pass
    LiveFrames().close()
