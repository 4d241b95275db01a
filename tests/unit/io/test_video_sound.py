from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

SIZE = (98, 130)
NTSC = Fraction(30000, 1001)


def test_source_given_as_bytes(tmp_path: Path, write_source, make_frames, write_video, read_sound):
    source = write_source(tmp_path / "source.mp4")
    assert write_video(tmp_path / "out.mp4", make_frames(30), like=source.read_bytes()).audio == "copied"
    assert read_sound(tmp_path / "out.mp4") == read_sound(source)


def test_sound_that_the_container_has_not_is_converted(tmp_path: Path, write_source, make_frames, write_video, needs):
    needs("libopus")
    source = write_source(tmp_path / "source.mp4")
    writer = write_video(tmp_path / "out.webm", make_frames(30), like=source)
    assert writer.audio == "converted"
    with av.open(str(tmp_path / "out.webm")) as container:
        assert container.streams.audio[0].codec_context.name in ("opus", "libopus")
        sound = np.concatenate([part.to_ndarray() for part in container.decode(audio=0)], axis=1)[0]
    assert sound.shape[0] / 48000 == pytest.approx(1, abs=0.05)
    assert np.abs(np.fft.rfft(sound)).argmax() * 48000 / len(sound) == pytest.approx(440, abs=3)


@pytest.mark.parametrize(("name", "audio"), [("out.mp4", "converted"), ("out.mov", "copied"), ("out.mkv", "copied")])
def test_uncompressed_sound(
    tmp_path: Path, write_source, name: str, audio: str, make_frames, write_video, decoded, read_sound
):
    source = write_source(tmp_path / "source.mkv", sound="pcm_s16le")
    assert write_video(tmp_path / name, make_frames(30), like=source).audio == audio
    assert len(read_sound(tmp_path / name)) > 10
    assert len(decoded(tmp_path / name)) == 30


def test_source_without_sound(tmp_path: Path, write_source, make_frames, write_video, decoded):
    source = write_source(tmp_path / "source.mp4", sound=None)
    assert write_video(tmp_path / "out.mp4", make_frames(30), like=source).audio is None
    assert len(decoded(tmp_path / "out.mp4")) == 30


def test_sound_is_cut_to_the_frames(tmp_path: Path, write_source, make_frames, write_video, read_sound):
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


def test_sound_stays_in_step_with_a_late_picture(
    tmp_path: Path, write_source, make_frames, write_video, read_times, read_sound
):
    source = write_source(tmp_path / "source.mkv", start=0.2)
    write_video(tmp_path / "out.mkv", make_frames(30), like=source)
    times = {content: time for time, content in read_sound(source)}
    shifts = [times[content] - time for time, content in read_sound(tmp_path / "out.mkv")]
    assert read_times(tmp_path / "out.mkv")[0] - read_times(source)[0] == pytest.approx(-shifts[0], abs=2e-3)
    np.testing.assert_allclose(shifts, shifts[0], atol=2e-3)


def test_pixels_that_are_not_square(tmp_path: Path, make_frames, write_video):
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
