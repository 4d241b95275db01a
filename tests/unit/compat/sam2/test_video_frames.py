"""Which videos `init_state` takes, and what the model sees of a frame."""

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from masklet.compat.sam2.video_frames import open_frames, preprocess_frame


def folder_of(folder: Path, names: list[str], size: tuple[int, int] = (20, 12)) -> Path:
    """Pictures, each of one grey: ten times its place in the list."""
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        Image.new("RGB", size, (10 * number,) * 3).save(folder / name)
    return folder


def greys(video) -> list[int]:
    return [round(float(video[index].mean()) / 10) for index in range(len(video))]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(5):
            picture = np.full((48, 64, 3), 50 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("read_ahead", [0, 4])
def test_a_video_file_and_its_bytes(clip, read_ahead):
    for given in (clip, str(clip), clip.read_bytes()):
        video = open_frames(given, read_ahead)
        assert len(video) == 5
        assert video.frame_size == (48, 64)
        assert abs(float(video[3].mean()) - 150) < 5
        video.close()


def test_a_folder_of_jpegs_in_the_order_of_their_numbers(tmp_path):
    folder = folder_of(tmp_path / "jpegs", ["0.jpg", "2.JPG", "10.jpeg", "00011.JPEG"])
    assert greys(open_frames(folder, 0)) == [0, 1, 2, 3]
    assert greys(open_frames(str(folder), 2)) == [0, 1, 2, 3]


def test_beside_jpegs_nothing_else_counts(tmp_path):
    folder = folder_of(tmp_path / "mixed", ["0.jpg", "1.jpg"])
    folder_of(folder, ["0.png"], size=(5, 5))
    (folder / "notes.txt").write_text("not a picture")
    assert len(open_frames(folder, 0)) == 2


def test_other_names_and_formats(tmp_path):
    folder = folder_of(tmp_path / "frames", ["frame_1.png", "frame_2.png", "frame_10.png"])
    assert greys(open_frames(folder, 0)) == [0, 1, 2]


def test_arrays_and_lists(frames):
    for given in (frames, list(frames), [Image.fromarray(frame) for frame in frames]):
        video = open_frames(given, 4)
        assert len(video) == len(frames)
        np.testing.assert_array_equal(video[3], frames[3])


def test_what_is_no_video(tmp_path, frames):
    with pytest.raises(NotImplementedError, match=r"no video file and no folder.*nothing\.mp4"):
        open_frames(tmp_path / "nothing.mp4", 0)
    with pytest.raises(NotImplementedError, match="object"):
        open_frames(object(), 0)
    with pytest.raises(RuntimeError, match="no images found in"):
        open_frames(tmp_path, 0)
    (tmp_path / "notes.txt").write_text("not a picture")
    with pytest.raises(RuntimeError, match="no images found in"):
        open_frames(tmp_path, 0)
    with pytest.raises(ValueError, match=r"notes\.txt is not a video"):
        open_frames(tmp_path / "notes.txt", 0)
    with pytest.raises(ValueError, match="not a stream"):
        open_frames(iter(frames), 0)


def test_a_frame_is_resized_on_bytes_by_pillows_bicubic(frames):
    found = preprocess_frame(frames[0], 32)
    assert found.shape == (3, 32, 32)
    assert found.dtype == torch.float32
    square = np.asarray(Image.fromarray(frames[0]).resize((32, 32), Image.Resampling.BICUBIC))
    for channel, (mean, std) in enumerate(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)):
        expected = (square[..., channel] / 255 - mean) / std
        np.testing.assert_allclose(found[channel].numpy(), expected, atol=1e-5)
