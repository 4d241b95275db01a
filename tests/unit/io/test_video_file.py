import io
import random
from pathlib import Path

import av
import numpy as np
import pytest

from masklet.io import video_file
from masklet.io.video_file import VideoFile

WIDTH, HEIGHT = 64, 48


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
    "h264.avi": ("libx264", X264),
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
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    cached: int,
    write,
    decoded,
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
    check_any_order(video, decoded(path))
    video.close()


def test_frames_are_the_pictures_written(tmp_path: Path, write, picture) -> None:
    video = VideoFile(write(tmp_path / "lossless.mkv", "ffv1"))
    for index in (0, 29, 13):
        np.testing.assert_array_equal(video[index], picture(index))


@pytest.mark.parametrize("codec", ["libx264", "ffv1"])
def test_variable_frame_rate(tmp_path: Path, codec: str, write, decoded) -> None:
    times = [number * 40 + (200 if number > 9 else 0) + number % 3 for number in range(20)]
    path = write(tmp_path / "phone.mkv", codec, 20, times=[5000 + time for time in times])
    video = VideoFile(path)
    assert video.times == pytest.approx([time / 1000 for time in times])
    check_any_order(video, decoded(path))


def test_rate_path_and_bytes(tmp_path: Path, write, decoded) -> None:
    path = write(tmp_path / "clip: 1.mp4", frames=12)
    video, same = VideoFile(str(path)), VideoFile(path.read_bytes())
    assert video.path == path
    assert same.path is None
    assert video.rate == same.rate == 10
    assert video.times == same.times == pytest.approx([number / 10 for number in range(12)])
    check_any_order(same, decoded(path))


def test_an_edit_list_hides_frames(tmp_path: Path, write, decoded) -> None:
    """Half a second is cut off in front, without a keyframe there: those frames are decoded, not shown."""
    path = write(tmp_path / "cut.mp4", times=[number * 100 - 500 for number in range(30)], options={"g": "30"})
    expected = decoded(path)
    assert len(expected) == 25
    check_any_order(VideoFile(path), expected)
    np.testing.assert_array_equal(VideoFile(path)[3], expected[3])


def test_a_recording_that_begins_between_keyframes(tmp_path: Path, write, decoded) -> None:
    data = write(tmp_path / "whole.ts", options=OPEN_GROUPS).read_bytes()
    with av.open(io.BytesIO(data)) as file:
        starts = [packet.pos for packet in file.demux(video=0) if packet.size]
    path = tmp_path / "part.ts"
    path.write_bytes(data[: 188 * 3] + data[starts[3] // 188 * 188 :])
    expected = decoded(path)
    assert 10 < len(expected) < 30
    check_any_order(VideoFile(path), expected)


def test_frames_do_not_share_memory(tmp_path: Path, write) -> None:
    video = VideoFile(write(tmp_path / "a.mp4", frames=3))
    first = video[1]
    before = first.copy()
    first[:] = 7
    np.testing.assert_array_equal(video[1], before)


def test_few_frames_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write) -> None:
    monkeypatch.setattr(video_file, "MAX_CACHED_BYTES", 4 * WIDTH * HEIGHT * 3)
    video = VideoFile(write(tmp_path / "a.mp4"))
    for index in (*range(30), *range(29, -1, -1)):
        _ = video[index]
        assert len(video._cache) <= 4


def test_backward_reading_decodes_a_group_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write) -> None:
    video = VideoFile(write(tmp_path / "a.mp4", options={"g": "30", "sc_threshold": "0"}))
    starts = []
    restart = VideoFile._restart
    monkeypatch.setattr(VideoFile, "_restart", lambda self, *at: (starts.append(at), restart(self, *at))[1])
    for index in range(29, -1, -1):
        _ = video[index]
    assert len(starts) <= 2


def test_indices(tmp_path: Path, write) -> None:
    video = VideoFile(write(tmp_path / "a.mp4", frames=5))
    np.testing.assert_array_equal(video[-1], video[4])
    for index in (5, -6):
        with pytest.raises(IndexError, match=rf"no frame {index}.*frames 0 to 4"):
            _ = video[index]
    video.close()
    video.close()
    with pytest.raises(ValueError, match="was closed"):
        _ = video[0]


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.ts", "cut.webm"])
def test_a_truncated_file(tmp_path: Path, name: str, write, decoded) -> None:
    codec = "libvpx" if name.endswith("webm") else "libx264"
    moov_first = {"movflags": "faststart"} if name.endswith("mp4") else {}
    whole = write(tmp_path / f"whole{Path(name).suffix}", codec, file_options=moov_first)
    expected = decoded(whole)
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


def test_a_file_without_its_end_that_cannot_be_opened(tmp_path: Path, write) -> None:
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
def test_a_damaged_frame_is_never_another_one(tmp_path: Path, codec: str, write, decoded) -> None:
    options = {"g": "10", "bf": "0"} if codec == "libx264" else {}
    whole = write(tmp_path / "whole.mp4", codec, options=options)
    path = damage(whole, 13, tmp_path / "bad.mp4")
    expected = decoded(whole)
    for order in (range(30), range(29, -1, -1), [13, 13, 14, 13, 12, 25]):
        video = VideoFile(path)
        for index in order:
            if index == 13:
                with pytest.raises(ValueError, match=r"bad.mp4 breaks at frame 13 of 30 .*frames 0 to 12 can be used"):
                    _ = video[13]
            elif index < 13 or index >= 20 or codec == "mjpeg":
                np.testing.assert_array_equal(video[index], expected[index], f"frame {index}")


def test_a_change_of_size(tmp_path: Path, write, decoded) -> None:
    small = write(tmp_path / "small.ts", frames=10).read_bytes()
    large = write(tmp_path / "large.ts", frames=10, size=(80, 32)).read_bytes()
    path = tmp_path / "both.ts"
    path.write_bytes(small + large)
    video = VideoFile(path)
    assert len(video) == 20
    assert video.frame_size == (HEIGHT, WIDTH)
    expected = decoded(tmp_path / "small.ts")
    for index in (0, 9, 15, 4, 10):
        if index < 10:
            np.testing.assert_array_equal(video[index], expected[index])
        else:
            with pytest.raises(
                ValueError, match=rf"both\.ts breaks at frame {index} of 20 .it is 80 x 32 .*before are 64 x 48"
            ):
                _ = video[index]


def test_a_real_video(shared: Path) -> None:
    path = shared / "data" / "bedroom.mp4"
    video = VideoFile(path)
    assert (len(video), video.rate, video.frame_size) == (200, 30, (540, 960))
    wanted = (150, 20, 19, 199, 0)
    with av.open(str(path)) as file:
        expected = {i: f.to_ndarray(format="rgb24") for i, f in enumerate(file.decode(video=0)) if i in wanted}
    for index in wanted:
        np.testing.assert_array_equal(video[index], expected[index])
