from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from masklet.io import live
from masklet.io.live import LiveFrames, live_address


def test_what_is_live() -> None:
    for video in (0, 3, "rtsp://host/x", "http://host/a.mp4", "/dev/video1"):
        assert live_address(video) == video
    for video in (True, "a.mp4", Path("a.mp4"), b"://", None, ["rtsp://host/x"]):
        assert live_address(video) is None
    with pytest.raises(ValueError, match="no camera -1"):
        live_address(-1)


def test_frames_come_until_the_end(tmp_path: Path, site: str, write, decoded) -> None:
    path = write(tmp_path / "a.mkv", "ffv1", 5)
    frames = LiveFrames(f"{site}/a.mkv")
    for pixels, expected in zip(frames, decoded(path), strict=True):
        np.testing.assert_array_equal(pixels, expected)
    frames.close()


def test_what_breaks_off(tmp_path: Path, site: str, monkeypatch: pytest.MonkeyPatch, write) -> None:
    write(tmp_path / "a.mkv", "ffv1", 5)
    frames = LiveFrames(f"{site}/a.mkv")
    calls = []

    def break_off(stream: object) -> object:
        calls.append(stream)
        if len(calls) == 1:
            raise av.error.BlockingIOError(11, "not yet")
        raise av.error.ExitError(1, "gone")

    container, frames._container = (
        frames._container,
        SimpleNamespace(  # type: ignore[assignment]
            streams=frames._container.streams, decode=break_off, close=frames._container.close
        ),
    )
    with pytest.raises(ConnectionError, match=r"a\.mkv broke off before its first frame \(gone\): open it again"):
        next(frames)
    assert len(calls) == 2
    container.close()


def test_addresses_that_do_not_open(site: str, tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(ConnectionError, match=r"nowhere\.mp4 cannot be opened .*see that it is reachable"):
        LiveFrames(f"{site}/nowhere.mp4")
    with pytest.raises(ValueError, match=r"notes\.mp4 answers, but not with a video"):
        LiveFrames(f"{site}/notes.mp4")
    with pytest.raises(ConnectionError, match=r"rtsp://127\.0\.0\.1:1/x cannot be opened"):
        LiveFrames("rtsp://user:secret@127.0.0.1:1/x")


@pytest.mark.parametrize(("camera", "name"), [(97, "camera 97"), ("/dev/video97", "/dev/video97")])
def test_cameras_that_are_not_there(camera: int | str, name: str) -> None:
    with pytest.raises(ConnectionError, match=f"{name} cannot be opened .*plugged in"):
        LiveFrames(camera)


def test_what_cameras_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    assert live._device("/dev/video2", "v4l2") == "/dev/video2"
    assert live._device(2, "v4l2") == "/dev/video2"
    assert live._device(2, "avfoundation") == "2"
    devices = [SimpleNamespace(name=name, media_types=[kind]) for name, kind in (("Mic", "audio"), ("Cam", "video"))]
    monkeypatch.setattr(av, "enumerate_input_devices", lambda kind: devices, raising=False)
    assert live._device(0, "dshow") == "video=Cam"
    monkeypatch.delattr(av, "enumerate_input_devices")
    with pytest.raises(ValueError, match="update it"):
        live._device(0, "dshow")
