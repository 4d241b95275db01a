import io
import random
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from masklet.io import video_file
from masklet.io.video_file import VideoFile

WIDTH, HEIGHT = 64, 48


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """A moving block over moving noise, so that every frame differs and depends on those before."""
    frame = np.random.default_rng(number // 5).integers(0, 90, (height, width, 3), dtype=np.uint8)
    left = number * 2 % (width - 12)
    frame[8:24, left : left + 12] = (250, 30 + 5 * (number % 40), 60)
    return frame


def write(
    path: Path,
    codec: str = "libx264",
    frames: int = 30,
    *,
    times: list[int] | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    container: str | None = None,
    options: dict[str, str] | None = None,
    file_options: dict[str, str] | None = None,
) -> Path:
    with av.open(str(path), "w", format=container, options=file_options or {}) as file:
        stream = file.add_stream(codec, rate=10, options=options or {"g": "8"})
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = {"mjpeg": "yuvj420p", "gif": "rgb8", "ffv1": "bgr0"}.get(codec, "yuv420p")
        unit = Fraction(1, 1000) if times else Fraction(1, 10)
        stream.codec_context.time_base = unit
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number, *size))
            frame.pts = times[number] if times else number
            frame.time_base = unit
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def decoded_in_order(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def check_any_order(video: VideoFile, expected: list[np.ndarray]) -> None:
    """Forward, backward, shuffled, and in strides."""
    assert len(video) == len(expected)
    count = len(expected)
    shuffled = random.Random(0).sample(range(count), count)
    for order in (range(count), range(count - 1, -1, -1), shuffled, range(0, count, 7), range(-1, -count, -5)):
        for index in order:
            np.testing.assert_array_equal(video[index], expected[index], f"frame {index}")


X264 = {"bf": "3", "g": "10", "b-pyramid": "normal"}
OPEN_GROUPS = {"x264-params": "open-gop=1:bframes=3:keyint=8:min-keyint=8:scenecut=0:b-adapt=0"}
KINDS = {
    "b-frames.mp4": ("libx264", X264),
    "open.mp4": ("libx264", OPEN_GROUPS),
    "open.mkv": ("libx264", OPEN_GROUPS),
    "open.ts": ("libx264", OPEN_GROUPS),
    "raw.h264": ("libx264", X264),
    "open.h264": ("libx264", OPEN_GROUPS),
    "refresh.mp4": ("libx264", {"x264-params": "intra-refresh=1:keyint=10:bframes=0"}),
    "hevc.mp4": ("libx265", {"x265-params": "log-level=0:open-gop=1:keyint=8:min-keyint=8:bframes=3:pools=1"}),
    "xvid.avi": ("mpeg4", {"g": "8"}),
    "xvid-b.avi": ("mpeg4", {"g": "8", "bf": "2"}),
    "raw.m4v": ("mpeg4", {"g": "8", "bf": "1"}),
    "dvd.mpg": ("mpeg2video", {"g": "8", "bf": "2"}),
    "motion.avi": ("mjpeg", {}),
    "vp8.webm": ("libvpx", {"g": "8", "deadline": "realtime", "cpu-used": "8"}),
    "vp9.webm": ("libvpx-vp9", {"g": "8", "deadline": "realtime", "cpu-used": "8"}),
    "lossless.mkv": ("ffv1", {}),
    "moving.gif": ("gif", {}),
}


@pytest.mark.parametrize("cached", [1, 5, 32])
@pytest.mark.parametrize("name", KINDS)
def test_any_order_equals_decoding_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, cached: int
) -> None:
    monkeypatch.setattr(video_file, "MAX_CACHED_FRAMES", cached)
    codec, options = KINDS[name]
    container = {".h264": "h264", ".m4v": "m4v"}.get(Path(name).suffix)
    path = write(tmp_path / name, codec, options=options, container=container)
    video = VideoFile(path)
    assert len(video) == 30
    assert video.frame_size == (HEIGHT, WIDTH)
    assert len(video.times) == 30
    assert video.times[0] == 0
    assert list(video.times) == sorted(set(video.times))
    check_any_order(video, decoded_in_order(path))
    video.close()


def test_frames_are_the_pictures_written(tmp_path: Path) -> None:
    video = VideoFile(write(tmp_path / "lossless.mkv", "ffv1"))
    for index in (0, 29, 13):
        np.testing.assert_array_equal(video[index], picture(index))


@pytest.mark.parametrize("codec", ["libx264", "ffv1"])
def test_variable_frame_rate(tmp_path: Path, codec: str) -> None:
    times = [number * 40 + (200 if number > 9 else 0) + number % 3 for number in range(20)]
    path = write(tmp_path / "phone.mkv", codec, 20, times=[5000 + time for time in times])
    video = VideoFile(path)
    assert video.times == pytest.approx([time / 1000 for time in times])
    check_any_order(video, decoded_in_order(path))


def test_rate_path_and_bytes(tmp_path: Path) -> None:
    path = write(tmp_path / "clip: 1.mp4", frames=12)
    video, same = VideoFile(str(path)), VideoFile(path.read_bytes())
    assert video.path == path
    assert same.path is None
    assert video.rate == same.rate == 10
    assert video.times == same.times == pytest.approx([number / 10 for number in range(12)])
    check_any_order(same, decoded_in_order(path))


def test_an_edit_list_hides_frames(tmp_path: Path) -> None:
    """Half a second is cut off in front, without a keyframe there: those frames are decoded, not shown."""
    path = write(tmp_path / "cut.mp4", times=[number * 100 - 500 for number in range(30)], options={"g": "30"})
    expected = decoded_in_order(path)
    assert len(expected) == 25
    check_any_order(VideoFile(path), expected)
    np.testing.assert_array_equal(VideoFile(path)[3], expected[3])


def test_a_recording_that_begins_between_keyframes(tmp_path: Path) -> None:
    data = write(tmp_path / "whole.ts", options=OPEN_GROUPS).read_bytes()
    with av.open(io.BytesIO(data)) as file:
        starts = [packet.pos for packet in file.demux(video=0) if packet.size]
    path = tmp_path / "part.ts"
    path.write_bytes(data[: 188 * 3] + data[starts[3] // 188 * 188 :])
    expected = decoded_in_order(path)
    assert 10 < len(expected) < 30
    check_any_order(VideoFile(path), expected)


MATRICES = {
    "90 clockwise": ([0, 65536, 0, -65536, 0, 0, 0, 0, 2**30], lambda p: np.rot90(p, -1)),
    "180": ([-65536, 0, 0, 0, -65536, 0, 0, 0, 2**30], lambda p: np.rot90(p, 2)),
    "270 clockwise": ([0, -65536, 0, 65536, 0, 0, 0, 0, 2**30], lambda p: np.rot90(p, 1)),
    "mirrored": ([-65536, 0, 0, 0, 65536, 0, 0, 0, 2**30], lambda p: p[:, ::-1]),
    "upside down": ([65536, 0, 0, 0, -65536, 0, 0, 0, 2**30], lambda p: p[::-1]),
    "transposed": ([0, 65536, 0, 65536, 0, 0, 0, 0, 2**30], lambda p: p.transpose(1, 0, 2)),
}


def turn_file(path: Path, matrix: list[int]) -> None:
    """Put a matrix into the bytes of a file, as a phone does: tkhd holds nine big-endian words."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    assert np.frombuffer(data[place : place + 36], ">i4")[0] == 65536
    data[place : place + 36] = np.array(matrix, ">i4").tobytes()
    path.write_bytes(data)


@pytest.mark.parametrize("turn", MATRICES)
def test_rotation(tmp_path: Path, turn: str) -> None:
    matrix, turned = MATRICES[turn]
    path = write(tmp_path / "phone.mp4", frames=12)
    expected = [turned(frame) for frame in decoded_in_order(path)]
    turn_file(path, matrix)
    video = VideoFile(path)
    assert video.frame_size == expected[0].shape[:2]
    assert video[5].flags.c_contiguous
    check_any_order(video, expected)


def test_rotation_says_the_same_as_ffmpeg(tmp_path: Path) -> None:
    path = write(tmp_path / "phone.mp4", frames=4)
    turn_file(path, MATRICES["90 clockwise"][0])
    with av.open(str(path)) as file:
        frame = next(file.decode(video=0))
        degrees_counterclockwise = frame.rotation
        plain = frame.to_ndarray(format="rgb24")
    np.testing.assert_array_equal(VideoFile(path)[0], np.rot90(plain, degrees_counterclockwise // 90))


def test_frames_do_not_share_memory(tmp_path: Path) -> None:
    video = VideoFile(write(tmp_path / "a.mp4", frames=3))
    first = video[1]
    before = first.copy()
    first[:] = 7
    np.testing.assert_array_equal(video[1], before)


def test_few_frames_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_file, "MAX_CACHED_BYTES", 4 * WIDTH * HEIGHT * 3)
    video = VideoFile(write(tmp_path / "a.mp4"))
    for index in (*range(30), *range(29, -1, -1)):
        _ = video[index]
        assert len(video._cache) <= 4


def test_backward_reading_decodes_a_group_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = VideoFile(write(tmp_path / "a.mp4", options={"g": "30", "sc_threshold": "0"}))
    starts = []
    restart = VideoFile._restart
    monkeypatch.setattr(VideoFile, "_restart", lambda self, *at: (starts.append(at), restart(self, *at))[1])
    for index in range(29, -1, -1):
        _ = video[index]
    assert len(starts) <= 2


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_seeking_is_used_where_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(video_file, "MAX_CACHED_FRAMES", 1)
    video = VideoFile(write(tmp_path / name, frames=40))
    _ = video[0]
    monkeypatch.setattr(video._reader, "_open", lambda: pytest.fail("the file was opened again"))
    for index in (20, 39, 12, 30):
        _ = video[index]


def test_indices(tmp_path: Path) -> None:
    video = VideoFile(write(tmp_path / "a.mp4", frames=5))
    np.testing.assert_array_equal(video[-1], video[4])
    for index in (5, -6):
        with pytest.raises(IndexError, match=rf"no frame {index}.*frames 0 to 4"):
            _ = video[index]
    video.close()
    video.close()
    with pytest.raises(ValueError, match="was closed"):
        _ = video[0]


def test_what_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file .*nowhere\.mp4"):
        VideoFile(tmp_path / "nowhere.mp4")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        VideoFile(tmp_path)
    for name, data in (("text.txt", b"hello, this is text\n" * 50), ("noise.mp4", bytes(range(256)) * 20)):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=f"{name} is not a video that can be read"):
            VideoFile(tmp_path / name)
        with pytest.raises(ValueError, match="given as bytes is not a video"):
            VideoFile(data)
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(ValueError, match=r"empty\.mp4 is empty"):
        VideoFile(tmp_path / "empty.mp4")
    with pytest.raises(ValueError, match="is empty"):
        VideoFile(b"")


def test_sound_alone(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with pytest.raises(ValueError, match=r"sound\.wav has no video stream, only audio"):
        VideoFile(path)


def test_no_frames(tmp_path: Path) -> None:
    data = write(tmp_path / "a.mkv", options={"g": "8"}).read_bytes()
    path = tmp_path / "header.mkv"
    path.write_bytes(data[: data.index(b"\x1f\x43\xb6\x75")])  # up to the first cluster
    with pytest.raises(ValueError, match=r"header\.mkv"):
        VideoFile(path)


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.ts", "cut.webm"])
def test_a_truncated_file(tmp_path: Path, name: str) -> None:
    codec = "libvpx" if name.endswith("webm") else "libx264"
    moov_first = {"movflags": "faststart"} if name.endswith("mp4") else {}
    whole = write(tmp_path / f"whole{Path(name).suffix}", codec, file_options=moov_first)
    expected = decoded_in_order(whole)
    data = whole.read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: len(data) * 6 // 10])
    video = VideoFile(path)
    readable = 0
    for index in range(len(video)):
        try:
            frame = video[index]
        except ValueError as error:
            assert f"{name} breaks at frame {index} of {len(video)}" in str(error)  # noqa: PT017
            assert f"frames 0 to {readable - 1} can be used" in str(error)  # noqa: PT017
        else:
            assert readable == index
            # Of the last group, later frames may be there and earlier ones not: their times tell.
            np.testing.assert_array_equal(frame, expected[round(video.times[index] * 10)])
            readable += 1
    assert 5 < readable < 30
    if moov_first:
        assert len(video) == len(video.times) == 30
        assert list(video.times) == sorted(set(video.times))
    np.testing.assert_array_equal(video[2], expected[2])


def test_a_file_without_its_end_that_cannot_be_opened(tmp_path: Path) -> None:
    data = write(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"cut\.mp4 is not a video that can be read"):
        VideoFile(tmp_path / "cut.mp4")


def damage(path: Path, packet_number: int, out: Path) -> Path:
    """Zeros over one packet."""
    with av.open(str(path)) as file:
        packets = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    pos, size = packets[packet_number]
    assert pos is not None
    data[pos : pos + size] = bytes(size)
    out.write_bytes(data)
    return out


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mjpeg"])
def test_a_damaged_frame_is_never_another_one(tmp_path: Path, codec: str) -> None:
    options = {"g": "10", "bf": "0"} if codec == "libx264" else {}
    whole = write(tmp_path / "whole.mp4", codec, options=options)
    path = damage(whole, 13, tmp_path / "bad.mp4")
    expected = decoded_in_order(whole)
    for order in (range(30), range(29, -1, -1), [13, 13, 14, 13, 12, 25]):
        video = VideoFile(path)
        for index in order:
            if index == 13:
                with pytest.raises(ValueError, match=r"bad.mp4 breaks at frame 13 of 30 .*frames 0 to 12 can be used"):
                    _ = video[13]
            elif index < 13 or index >= 20 or codec == "mjpeg":
                np.testing.assert_array_equal(video[index], expected[index], f"frame {index}")


def test_a_change_of_size(tmp_path: Path) -> None:
    small = write(tmp_path / "small.ts", frames=10).read_bytes()
    large = write(tmp_path / "large.ts", frames=10, size=(80, 32)).read_bytes()
    path = tmp_path / "both.ts"
    path.write_bytes(small + large)
    video = VideoFile(path)
    assert len(video) == 20
    assert video.frame_size == (HEIGHT, WIDTH)
    expected = decoded_in_order(tmp_path / "small.ts")
    for index in (0, 9, 15, 4, 10):
        if index < 10:
            np.testing.assert_array_equal(video[index], expected[index])
        else:
            with pytest.raises(ValueError, match=rf"frame {index} of .*both\.ts is 80 x 32 .*before are 64 x 48"):
                _ = video[index]


def test_hidden_packets_are_no_frames() -> None:
    shown, hidden = b"\x10\0\0", b"\x00\0\0"
    assert not video_file._is_hidden(memoryview(shown), "vp8")
    assert video_file._is_hidden(memoryview(hidden), "vp8")
    assert not video_file._is_hidden(memoryview(b"\x82\0"), "vp9")
    assert video_file._is_hidden(memoryview(b"\x84\0"), "vp9")
    assert not video_file._is_hidden(memoryview(b"\x88\0"), "vp9")
    assert not video_file._is_hidden(memoryview(b"\x84\0\xc0"), "vp9")
    assert not video_file._is_hidden(memoryview(hidden), "h264")


def test_opacity_is_white(tmp_path: Path) -> None:
    path = tmp_path / "clear.mov"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("png", rate=10)
        stream.width, stream.height, stream.pix_fmt = 16, 8, "rgba"
        rgba = np.zeros((8, 16, 4), np.uint8)
        rgba[:, 8:] = (200, 100, 0, 255)
        for number in range(2):
            frame = av.VideoFrame.from_ndarray(rgba, format="rgba")
            frame.pts = number
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    frame = VideoFile(path)[1]
    assert frame[0, 0].tolist() == [255, 255, 255]
    assert frame[0, 15].tolist() == [200, 100, 0]


def test_a_real_video(shared: Path) -> None:
    path = shared / "data" / "bedroom.mp4"
    video = VideoFile(path)
    assert (len(video), video.rate, video.frame_size) == (200, 30, (540, 960))
    wanted = (150, 20, 19, 199, 0)
    with av.open(str(path)) as file:
        expected = {i: f.to_ndarray(format="rgb24") for i, f in enumerate(file.decode(video=0)) if i in wanted}
    for index in wanted:
        np.testing.assert_array_equal(video[index], expected[index])
