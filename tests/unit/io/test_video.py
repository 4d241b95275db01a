from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image

from masklet.io.frame_sources import PictureFrames, PictureStream
from masklet.io.read_ahead import ReadAhead, StreamAhead
from masklet.io.video import VideoLike, open_video
from masklet.io.video_file import VideoFile


def picture(number: int) -> np.ndarray:
    return np.full((48, 64, 3), number * 10, np.uint8)


PICTURES = [picture(number) for number in range(12)]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
        for number, pixels in enumerate(PICTURES):
            frame = av.VideoFrame.from_ndarray(pixels)
            frame.pts = number
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, pixels in enumerate(PICTURES):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def source_of(video: Any, read_ahead: int = 4) -> Any:
    opened = open_video(video, read_ahead=read_ahead)
    assert hasattr(opened, "__len__")
    return opened


def check(frames: Any) -> None:
    assert len(frames) == 12
    assert frames.frame_size == (48, 64)
    for index in (*range(12), 3, *range(11, -1, -1)):
        np.testing.assert_array_equal(frames[index], PICTURES[index])
    frames.close()


@pytest.mark.parametrize("read_ahead", [0, 1, 4, 50])
def test_files_and_folders(clip: Path, folder: Path, read_ahead: int) -> None:
    paths = [folder / f"{number}.png" for number in range(12)]
    for video, kind in (
        (clip, VideoFile),
        (str(clip), VideoFile),
        (clip.read_bytes(), VideoFile),
        (folder, PictureFrames),
        (str(folder), PictureFrames),
        (paths, PictureFrames),
        ([str(path) for path in paths], PictureFrames),
    ):
        frames = source_of(video, read_ahead)
        assert isinstance(frames, ReadAhead) == (read_ahead > 0)
        source = frames.source if read_ahead else frames
        assert isinstance(source, kind)
        if isinstance(source, PictureFrames):
            assert source.names == [str(number) for number in range(12)]
        check(frames)


def test_pictures_in_memory_need_no_thread() -> None:
    video = np.stack(PICTURES)
    tensor = torch.from_numpy(video)
    for given in (
        video,
        video / 255,
        video[..., 0],
        tensor.permute(0, 3, 1, 2),
        tensor[..., 0],
        PICTURES,
        tuple(PICTURES),
        deque(PICTURES),
        [Image.fromarray(pixels) for pixels in PICTURES],
    ):
        frames = source_of(given)
        assert isinstance(frames, PictureFrames)
        check(frames)


def test_frames_are_given_back_as_they_are(clip: Path) -> None:
    file = VideoFile(clip)
    assert open_video(file) is file
    stream = PictureStream(iter(PICTURES))
    assert open_video(stream) is stream
    ahead = StreamAhead(iter(PICTURES), 2)
    assert open_video(ahead) is ahead
    file.close()


def test_any_iterable_is_a_stream() -> None:
    def pictures() -> Iterator[np.ndarray]:
        yield from PICTURES

    for given in (pictures(), iter(PICTURES), map(Image.fromarray, PICTURES), dict(enumerate(PICTURES)).values()):
        stream: Any = open_video(given)
        assert not hasattr(stream, "__len__")
        for pixels, expected in zip(stream, PICTURES, strict=True):
            np.testing.assert_array_equal(pixels, expected)
        stream.close()


@pytest.mark.parametrize(
    ("video", "kind"),
    [
        (None, "NoneType"),
        (True, "bool"),
        (1.5, "float"),
        ({0: PICTURES[0]}, "dict"),
        ({"a.png"}, "set"),
        (bytearray(b"abc"), "bytearray"),
        (Image.new("RGB", (4, 4)), "Image: give one picture to the image predictor"),
        ([1, 2], "int"),
    ],
)
def test_other_types_are_refused(video: Any, kind: str) -> None:
    with pytest.raises(TypeError, match=f"not {kind}"):
        open_video(video)


@pytest.mark.parametrize(
    ("video", "message"),
    [
        ([], "has no frames"),
        (np.zeros((0, 4, 4, 3), np.uint8), "has no frames"),
        (np.zeros((4, 5, 3), np.uint8), r"\(4, 5, 3\) is that of one picture"),
        (torch.zeros(3, 4, 5), r"\(3, 4, 5\) is that of one picture"),
        (np.zeros((4, 5), np.uint8), r"shape \(4, 5\).*\(T, H, W, 3\)"),
        (torch.zeros(2, 4, 4, 5, 3), r"\(2, 4, 4, 5, 3\).*\(T, 3, H, W\)"),
        (np.zeros((2, 3, 8, 8), np.uint8), "frame 0 of 2.*transpose"),
        (np.zeros((2, 8, 8, 3), np.int64), "not int64"),
        (b"no video", "given as bytes is not a video"),
        (-1, "no camera -1"),
    ],
)
def test_what_is_no_video(video: VideoLike, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        open_video(video)


def test_paths_that_are_no_video(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.mp4"):
        open_video(tmp_path / "nowhere.mp4")
    with pytest.raises(ValueError, match="has no pictures"):
        open_video(tmp_path)
    with pytest.raises(ValueError, match="read_ahead must be 0 or"):
        open_video(tmp_path, read_ahead=-1)


def test_a_damaged_picture_stops_no_other(folder: Path) -> None:
    (folder / "5.png").write_bytes(b"broken")
    frames = source_of(folder)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"frame 5 of 12 .*5\.png"):
            _ = frames[5]
        np.testing.assert_array_equal(frames[6], PICTURES[6])
    frames.close()


@pytest.mark.parametrize("read_ahead", [0, 4])
def test_an_address(clip: Path, site: str, read_ahead: int) -> None:
    stream: Any = open_video(f"{site}/{clip.name}", read_ahead=read_ahead)
    assert not hasattr(stream, "__len__")
    assert isinstance(stream, StreamAhead if read_ahead else PictureStream)
    for pixels, expected in zip(stream, PICTURES, strict=True):
        np.testing.assert_array_equal(pixels, expected)
    with pytest.raises(StopIteration):
        next(stream)
    stream.close()
