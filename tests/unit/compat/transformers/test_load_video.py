"""`load_video`: frames and metadata of files and URLs, and which frames are chosen."""

import http.server
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.compat.transformers.load_video import VideoMetadata, load_video, spread
from masklet.io.video_writer import VideoWriter

NUM_FRAMES = 12


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames that become lighter."""
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    with VideoWriter(path, (32, 48), rate=6) as writer:
        for number in range(NUM_FRAMES):
            writer.write(np.full((32, 48, 3), 20 * number, np.uint8))
    return path


@pytest.mark.parametrize("kind", [str, Path])
def test_all_frames_and_what_the_video_is(kind, path):
    frames, metadata = load_video(kind(path))
    assert (frames.shape, frames.dtype) == ((NUM_FRAMES, 32, 48, 3), np.uint8)
    assert np.abs(frames.mean((1, 2, 3)) - 20 * np.arange(NUM_FRAMES)).max() < 4
    assert dict(metadata) | {"frames_indices": None} == {
        "total_num_frames": NUM_FRAMES,
        "fps": 6.0,
        "width": 48,
        "height": 32,
        "duration": 2.0,
        "video_backend": "pyav",
        "frames_indices": None,
    }
    assert list(metadata.frames_indices) == list(range(NUM_FRAMES))
    assert metadata["height"] == metadata.height == 32
    assert len(metadata) == 7
    with pytest.raises(KeyError):
        metadata["update"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"num_frames": 5}, [0, 2, 4, 7, 9]),
        ({"fps": 3}, [0, 2, 4, 6, 8, 10]),
        ({"fps": 0.01}, [0]),
        ({"sample_indices_fn": lambda metadata, last: [1, metadata.total_num_frames - last], "last": 3}, [1, 9]),
    ],
)
def test_some_frames(choice, expected, path):
    frames, metadata = load_video(str(path), **choice)
    assert list(metadata.frames_indices) == expected
    assert np.abs(frames.mean((1, 2, 3)) - 20 * np.array(expected)).max() < 4


def test_frames_are_given_back(path):
    frames = [np.zeros((2, 2, 3), np.uint8)] * 3
    assert load_video(frames) == (frames, [None] * 3)


@given(st.integers(1, 60), st.integers(1, 60))
def test_chosen_frames_are_evenly_spread(total, count):
    if count > total:
        with pytest.raises(ValueError, match=f"{count} frames are asked for, but the video has {total}"):
            spread(VideoMetadata(total), count)
        return
    gaps = np.diff([*spread(VideoMetadata(total), count), total])
    assert len(gaps) == count
    assert gaps.max() - gaps.min() <= 1


def test_a_url(path, monkeypatch):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, directory=path.parent, **kwargs)

        def log_message(self, *_):
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        assert np.array_equal(load_video(f"{url}/clip.mp4")[0], load_video(path)[0])
        with pytest.raises(ConnectionError, match=r"none.mp4 cannot be downloaded: .*404"):
            load_video(f"{url}/none.mp4")
    finally:
        server.shutdown()
        server.server_close()


def test_what_goes_wrong_is_said(path, tmp_path):
    with pytest.raises(ValueError, match=r"give num_frames \(3\) or fps \(2\), not both"):
        load_video(path, num_frames=3, fps=2)
    with pytest.raises(FileNotFoundError, match=r"none\.mp4"):
        load_video(str(tmp_path / "none.mp4"))
    with pytest.raises(ValueError, match="fps can be chosen only where"):
        spread(VideoMetadata(5), fps=2)
