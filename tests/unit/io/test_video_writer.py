import io
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from masklet.io.video_writer import DECODERS, ENCODERS, VideoWriter

SIZE = (98, 130)
NTSC = Fraction(30000, 1001)


def make_frames(num_frames: int, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    """Plain frames that can be told apart: each is lighter than the one before."""
    return [np.full((*size, 3), (20 + 8 * index, 90, 160), np.uint8) for index in range(num_frames)]


def write_video(path: Path, frames: list[np.ndarray], **options) -> VideoWriter:
    with VideoWriter(path, frames[0].shape[:2], **options) as writer:
        for frame in frames:
            writer.write(frame)
    return writer


def write_source(path: Path, encoder: str = "libx264", *, sound: str | None = "aac", start: float = 0) -> Path:
    """A second of video with a tone, made without the code under test. start: when the first frame is shown."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(encoder, rate=NTSC)
        video.width, video.height, video.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
        if encoder == "libx265":
            video.options = {"x265-params": "log-level=error"}
        packets = []
        for index, rgb in enumerate(make_frames(30)):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = index + round(start * NTSC), 1 / NTSC
            packets += video.encode(frame)
        packets += video.encode(None)
        if sound is not None:
            audio = container.add_stream(sound, rate=48000, layout="stereo")
            tone = (8000 * np.sin(np.arange(48000) * 2 * np.pi * 440 / 48000)).astype(np.int16).repeat(2)
            for first in range(0, 48000, 960):
                samples = np.ascontiguousarray(tone[None, 2 * first : 2 * first + 1920])
                part = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
                part.sample_rate, part.pts, part.time_base = 48000, first, Fraction(1, 48000)
                packets += audio.encode(part)
            packets += audio.encode(None)
        container.mux(sorted(packets, key=lambda packet: packet.dts * packet.time_base))
    return path


def read_frames(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def read_times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [frame.time for frame in container.decode(video=0)]


def read_sound(path: Path) -> list[tuple[float, bytes]]:
    """The packets of the sound as they are in the file, each with its time."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
        return [(float(packet.pts * packet.time_base), bytes(packet)) for packet in packets]


def needs(encoder: str) -> None:
    if encoder not in av.codecs_available:
        pytest.skip(f"this build of PyAV has no {encoder}")


@pytest.mark.parametrize("extension", [".mp4", ".M4V", ".mov", ".mkv", ".webm", ".avi"])
def test_frames_survive(tmp_path: Path, extension: str):
    path = tmp_path / f"video{extension}"
    frames = make_frames(12)
    writer = write_video(path, frames, rate=NTSC)
    assert (writer.num_frames, writer.audio) == (12, None)
    assert list(tmp_path.iterdir()) == [path]
    np.testing.assert_allclose(np.stack(read_frames(path)), np.stack(frames), atol=12)
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        assert rate is not None
        assert float(rate) == pytest.approx(float(NTSC), rel=1e-3)
    times = read_times(path)
    np.testing.assert_allclose(np.subtract(times, times[0]), np.arange(12) / float(NTSC), atol=1.1e-3)


@pytest.mark.parametrize("size", [(97, 129), (1, 1), (98, 129)])
def test_odd_sides_are_made_even(tmp_path: Path, size: tuple[int, int]):
    frames = make_frames(3, size)
    write_video(tmp_path / "a.mp4", frames)
    read = np.stack(read_frames(tmp_path / "a.mp4"))
    assert read.shape == (3, size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    expected = np.stack(frames)[:, :1, :1]  # plain, so that each pixel stands for all
    np.testing.assert_allclose(read, np.broadcast_to(expected, read.shape), atol=8)


def test_times_that_vary_are_kept(tmp_path: Path):
    times = [0.5, 0.54, 0.6, 0.6, 1.9, 2.0, 2.033367]
    frames = make_frames(len(times))
    for name, tick in (("a.mp4", 1 / 60000), ("a.mkv", 1e-3), ("a.webm", 1e-3)):
        write_video(tmp_path / name, frames, times=times)
        read = read_times(tmp_path / name)
        assert read[0] == 0
        np.testing.assert_allclose(read, np.subtract(times, 0.5), atol=tick)
        assert (np.diff(read) > 0).all(), "two frames at one time are set a tick apart"


def test_times_of_avi_are_even(tmp_path: Path):
    write_video(tmp_path / "a.avi", make_frames(5), times=[0, 0.1, 0.2, 0.3, 0.8])
    np.testing.assert_allclose(np.diff(read_times(tmp_path / "a.avi")), 0.2, atol=1e-3)


@pytest.mark.parametrize("codec", list(ENCODERS))
def test_codec_rate_and_sound_of_the_source_are_kept(tmp_path: Path, codec: str):
    needs(ENCODERS[codec])
    source = write_source(tmp_path / "source.mp4", ENCODERS[codec])
    path = tmp_path / "out.mp4"
    writer = write_video(path, make_frames(30), like=source)
    assert writer.audio == "copied"
    assert read_sound(path) == read_sound(source)
    assert len(read_frames(path)) == 30
    with av.open(str(path)) as container:
        decoder = container.streams.video[0].codec_context.name
        assert DECODERS.get(decoder, decoder) == codec
        assert container.streams.video[0].average_rate == NTSC


def test_source_given_as_bytes(tmp_path: Path):
    source = write_source(tmp_path / "source.mp4")
    assert write_video(tmp_path / "out.mp4", make_frames(30), like=source.read_bytes()).audio == "copied"
    assert read_sound(tmp_path / "out.mp4") == read_sound(source)


def test_source_may_be_replaced(tmp_path: Path):
    path = write_source(tmp_path / "source.mp4")
    sound = read_sound(path)
    write_video(path, make_frames(30), like=path)
    assert read_sound(path) == sound
    assert list(tmp_path.iterdir()) == [path]


def test_sound_that_the_container_has_not_is_converted(tmp_path: Path):
    needs("libopus")
    source = write_source(tmp_path / "source.mp4")
    writer = write_video(tmp_path / "out.webm", make_frames(30), like=source)
    assert writer.audio == "converted"
    with av.open(str(tmp_path / "out.webm")) as container:
        assert container.streams.audio[0].codec_context.name in ("opus", "libopus")
        sound = np.concatenate([part.to_ndarray() for part in container.decode(audio=0)], axis=1)[0]
    assert sound.shape[0] / 48000 == pytest.approx(1, abs=0.05)
    assert np.abs(np.fft.rfft(sound)).argmax() * 48000 / len(sound) == pytest.approx(440, abs=3)


def test_source_without_sound(tmp_path: Path):
    source = write_source(tmp_path / "source.mp4", sound=None)
    assert write_video(tmp_path / "out.mp4", make_frames(30), like=source).audio is None
    assert len(read_frames(tmp_path / "out.mp4")) == 30


def test_sound_is_cut_to_the_frames(tmp_path: Path):
    source = write_source(tmp_path / "source.mp4")
    times = [index / float(NTSC) for index in range(15, 24)]
    write_video(tmp_path / "out.mp4", make_frames(9), like=source, times=times)
    whole, part = read_sound(source), read_sound(tmp_path / "out.mp4")
    first = next(index for index, (_, content) in enumerate(whole) if content == part[0][1])
    assert [content for _, content in part] == [content for _, content in whole[first : first + len(part)]]
    np.testing.assert_allclose(
        [t for t, _ in part], [t - times[0] for t, _ in whole[first : first + len(part)]], atol=1e-4
    )
    assert -0.05 < part[0][0] <= 0
    assert part[-1][0] == pytest.approx(0.3, abs=0.03)


def test_sound_stays_in_step_with_a_late_picture(tmp_path: Path):
    source = write_source(tmp_path / "source.mkv", start=0.2)
    write_video(tmp_path / "out.mkv", make_frames(30), like=source)
    times = {content: time for time, content in read_sound(source)}
    shifts = [times[content] - time for time, content in read_sound(tmp_path / "out.mkv")]
    assert read_times(tmp_path / "out.mkv")[0] - read_times(source)[0] == pytest.approx(-shifts[0], abs=2e-3)
    np.testing.assert_allclose(shifts, shifts[0], atol=2e-3)


def test_pixels_that_are_not_square(tmp_path: Path):
    with av.open(str(tmp_path / "source.mp4"), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
        video.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for rgb in make_frames(3):
            container.mux(video.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(video.encode(None))
    for size, shape in ((SIZE, Fraction(4, 3)), ((130, 98), Fraction(3, 4)), ((64, 64), None)):
        write_video(tmp_path / "out.mp4", make_frames(3, size), like=tmp_path / "source.mp4")
        with av.open(str(tmp_path / "out.mp4")) as container:
            assert container.streams.video[0].sample_aspect_ratio in (shape, shape or 1)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_stopped_midway_the_file_is_finished(tmp_path: Path, error: type[BaseException]):
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
    assert len(read_frames(path)) == 11
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


def test_a_file_that_cannot_be_finished_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
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
def test_links_and_permissions_are_as_users_expect(tmp_path: Path):
    (tmp_path / "link.mp4").symlink_to(tmp_path / "real.mp4")
    write_video(tmp_path / "link.mp4", make_frames(2))
    assert (tmp_path / "link.mp4").is_symlink()
    plain = tmp_path / "plain"
    plain.touch()
    assert (tmp_path / "real.mp4").stat().st_mode == plain.stat().st_mode


def test_colours_are_named(tmp_path: Path):
    for name, number in (("a.mp4", 1), ("a.mkv", 1), ("a.webm", 1)):
        write_video(tmp_path / name, make_frames(2))
        with av.open(str(tmp_path / name)) as container:
            assert next(container.decode(video=0)).colorspace == number


def test_frames_refused(tmp_path: Path):
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
    assert len(read_frames(tmp_path / "a.mp4")) == 1


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


def test_without_encoders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    write_video(tmp_path / "a.mp4", make_frames(3))
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    with pytest.raises(ValueError, match="none of libvpx-vp9, libsvtav1"):
        VideoWriter(tmp_path / "a.webm", SIZE)
