import io
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from masklet.io.video_encoders import ENCODERS
from masklet.io.video_sound import DECODERS
from masklet.io.video_writer import VideoWriter

SIZE = (98, 130)
NTSC = Fraction(30000, 1001)


@pytest.mark.parametrize("extension", [".mp4", ".M4V", ".mov", ".mkv", ".webm", ".avi"])
def test_frames_survive(tmp_path: Path, extension: str, make_frames, write_video, decoded, read_times):
    path = tmp_path / f"video{extension}"
    frames = make_frames(12)
    writer = write_video(path, frames, rate=NTSC)
    assert (writer.num_frames, writer.audio) == (12, None)
    assert list(tmp_path.iterdir()) == [path]
    np.testing.assert_allclose(np.stack(decoded(path)), np.stack(frames), atol=12)
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        assert rate is not None
        assert float(rate) == pytest.approx(float(NTSC), rel=1e-3)
    times = read_times(path)
    np.testing.assert_allclose(np.subtract(times, times[0]), np.arange(12) / float(NTSC), atol=1.1e-3)


@pytest.mark.parametrize("size", [(97, 129), (1, 1), (98, 129)])
def test_odd_sides_are_made_even(tmp_path: Path, size: tuple[int, int], make_frames, write_video, decoded):
    frames = make_frames(3, size)
    write_video(tmp_path / "a.mp4", frames)
    read = np.stack(decoded(tmp_path / "a.mp4"))
    assert read.shape == (3, size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    expected = np.stack(frames)[:, :1, :1]  # plain, so that each pixel stands for all
    np.testing.assert_allclose(read, np.broadcast_to(expected, read.shape), atol=8)


def test_times_that_vary_are_kept(tmp_path: Path, make_frames, write_video, read_times):
    times = [0.5, 0.54, 0.6, 0.6, 1.9, 2.0, 2.033367]
    frames = make_frames(len(times))
    for name, tick in (("a.mp4", 1 / 60000), ("a.mkv", 1e-3), ("a.webm", 1e-3)):
        write_video(tmp_path / name, frames, times=times)
        read = read_times(tmp_path / name)
        assert read[0] == 0
        np.testing.assert_allclose(read, np.subtract(times, 0.5), atol=tick)
        assert (np.diff(read) > 0).all(), "two frames at one time are set a tick apart"


def test_times_of_avi_are_even(tmp_path: Path, make_frames, write_video, read_times):
    write_video(tmp_path / "a.avi", make_frames(5), times=[0, 0.1, 0.2, 0.3, 0.8])
    np.testing.assert_allclose(np.diff(read_times(tmp_path / "a.avi")), 0.2, atol=1e-3)


@pytest.mark.parametrize("codec", list(ENCODERS))
def test_codec_rate_and_sound_of_the_source_are_kept(
    tmp_path: Path, codec: str, write_source, make_frames, write_video, decoded, read_sound, needs
):
    needs(ENCODERS[codec])
    source = write_source(tmp_path / "source.mp4", ENCODERS[codec])
    path = tmp_path / "out.mp4"
    writer = write_video(path, make_frames(30), like=source)
    assert writer.audio == "copied"
    assert read_sound(path) == read_sound(source)
    assert len(decoded(path)) == 30
    with av.open(str(path)) as container:
        decoder = container.streams.video[0].codec_context.name
        assert DECODERS.get(decoder, decoder) == codec
        assert container.streams.video[0].average_rate == NTSC


def test_source_may_be_replaced(tmp_path: Path, write_source, make_frames, write_video, read_sound):
    path = write_source(tmp_path / "source.mp4")
    sound = read_sound(path)
    write_video(path, make_frames(30), like=path)
    assert read_sound(path) == sound
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_stopped_midway_the_file_is_finished(
    tmp_path: Path, error: type[BaseException], write_source, make_frames, decoded, read_sound
):
    source = write_source(tmp_path / "source.mp4")
    path = tmp_path / "out.mp4"

    def fail() -> None:
        with VideoWriter(path, SIZE, like=source) as writer:
            for frame in make_frames(11):
                writer.write(frame)
                assert not path.exists()
            raise error

    with pytest.raises(error):
        fail()
    assert len(decoded(path)) == 11
    assert read_sound(path)[-1][0] < 11 / NTSC
    assert sorted(tmp_path.iterdir()) == [path, source]


def test_without_frames_nothing_is_left(tmp_path: Path):
    path = tmp_path / "a.mp4"
    with VideoWriter(path, SIZE):
        pass
    assert list(tmp_path.iterdir()) == []
    path.write_text("before")
    writer = VideoWriter(path, SIZE)
    writer.close()
    writer.close()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_finished_is_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_frames, write_video
):
    def fail(self: VideoWriter) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(VideoWriter, "_finish", fail)
    path = tmp_path / "a.mp4"
    path.write_text("before")
    with pytest.raises(OSError, match="no space left"):
        write_video(path, make_frames(2))
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links_and_permissions_are_as_users_expect(tmp_path: Path, make_frames, write_video):
    (tmp_path / "link.mp4").symlink_to(tmp_path / "real.mp4")
    write_video(tmp_path / "link.mp4", make_frames(2))
    assert (tmp_path / "link.mp4").is_symlink()
    plain = tmp_path / "plain"
    plain.touch()
    assert (tmp_path / "real.mp4").stat().st_mode == plain.stat().st_mode


def test_colours_are_named(tmp_path: Path, make_frames, write_video):
    for name, number in (("a.mp4", 1), ("a.mkv", 1), ("a.webm", 1)):
        write_video(tmp_path / name, make_frames(2))
        with av.open(str(tmp_path / name)) as container:
            assert next(container.decode(video=0)).colorspace == number


def test_frames_refused(tmp_path: Path, make_frames, decoded):
    frame = make_frames(1)[0]
    writer = VideoWriter(tmp_path / "a.mp4", SIZE, times=[0.0])
    with pytest.raises(ValueError, match=r"uint8 \(98, 130, 3\), not float64 \(98, 130, 3\)"):
        writer.write(frame.astype(float))
    with pytest.raises(ValueError, match=r"not uint8 \(98, 130\)"):
        writer.write(frame[..., 0])
    writer.write(frame)
    with pytest.raises(ValueError, match="given 1 times"):
        writer.write(frame)
    writer.close()
    with pytest.raises(ValueError, match="was closed"):
        writer.write(frame)
    assert len(decoded(tmp_path / "a.mp4")) == 1


def test_places_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"'\.gif'.*\.mp4"):
        VideoWriter(tmp_path / "a.gif", SIZE)
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        VideoWriter(tmp_path / "nowhere" / "a.mp4", SIZE)
    (tmp_path / "a.mp4").mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        VideoWriter(tmp_path / "a.mp4", SIZE)


def test_settings_refused(tmp_path: Path):
    path = tmp_path / "a.mp4"
    for size in ((0, 5), (5,)):
        with pytest.raises(ValueError, match="frame size"):
            VideoWriter(path, size)  # pyright: ignore[reportArgumentType]
    for rate in (0, -1, float("nan"), float("inf"), 1e6):
        with pytest.raises(ValueError, match="rate of a video"):
            VideoWriter(path, SIZE, rate=rate)
    for times in ([0, 2, 1], [0, float("nan")]):
        with pytest.raises(ValueError, match="times are finite"):
            VideoWriter(path, SIZE, times=times)
    assert list(tmp_path.iterdir()) == []


def test_sources_refused(tmp_path: Path):
    path = tmp_path / "a.mp4"
    (tmp_path / "note.txt").write_text("no video")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.mp4"):
        VideoWriter(path, SIZE, like=tmp_path / "nowhere.mp4")
    with pytest.raises(ValueError, match="given as bytes is not a video"):
        VideoWriter(path, SIZE, like=b"no video")
    sound = io.BytesIO()
    with av.open(sound, "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        part = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        part.sample_rate = 8000
        container.mux(stream.encode(part))
    with pytest.raises(ValueError, match="no video stream"):
        VideoWriter(path, SIZE, like=sound.getvalue())
    assert [entry.name for entry in tmp_path.iterdir()] == ["note.txt"]


def test_a_size_that_no_encoder_takes(tmp_path: Path):
    with pytest.raises(ValueError, match=r"100000 x 2 pixels.*libx264"):
        VideoWriter(tmp_path / "a.mp4", (2, 100000))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_may_not_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*args: object, **options: object) -> None:
        raise av.error.PermissionError(13, "Permission denied", "a.mp4")

    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(PermissionError, match=f"{tmp_path.name} is not permitted"):
        VideoWriter(tmp_path / "a.mp4", SIZE)
