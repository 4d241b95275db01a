from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from masklet.io import frame_sources
from masklet.io.frame_sources import PictureFrames, PictureStream


def picture(number: int, height: int = 6, width: int = 8) -> np.ndarray:
    return np.full((height, width, 3), number * 10, np.uint8)


def save(folder: Path, *names: str) -> list[Path]:
    for number, name in enumerate(names):
        Image.fromarray(picture(number)).save(folder / name)
    return [folder / name for name in names]


def test_a_folder_in_natural_order(tmp_path: Path) -> None:
    save(tmp_path, "f1.png", "f2.bmp", "f10.png", "f11.tiff")
    (tmp_path / "notes.txt").write_text("no picture")
    frames = PictureFrames.of_folder(str(tmp_path))
    assert len(frames) == 4
    assert frames.names == ["f1", "f2", "f10", "f11"]
    assert frames.frame_size == (6, 8)
    for index in (3, 0, 0, 1, -1, 2):
        np.testing.assert_array_equal(frames[index], picture(index % 4))
    frames.close()
    with pytest.raises(ValueError, match="was closed"):
        _ = frames[0]


def test_files_are_read_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = save(tmp_path, "a.png", "b.png", "c.png")
    read: list[object] = []
    real = frame_sources.read_image
    monkeypatch.setattr(frame_sources, "read_image", lambda path: (read.append(path), real(path))[1])
    frames = PictureFrames(paths)
    assert read == paths[:1]
    _ = frames[0], frames[2]
    assert read == [paths[0], paths[2]]
    _ = frames[0]
    assert read == [paths[0], paths[2], paths[0]]


def test_bad_files_name_themselves(tmp_path: Path) -> None:
    paths = save(tmp_path, "0.png", "1.png", "2.png", "3.png")
    paths[1].write_bytes(b"broken")
    Image.fromarray(picture(2, 7, 9)).save(paths[2])
    frames = PictureFrames.of_folder(tmp_path)
    with pytest.raises(ValueError, match=r"frame 1 of 4 cannot be read: .*1\.png is not a picture"):
        _ = frames[1]
    with pytest.raises(ValueError, match=r"frame 2 of 4 \(.*2\.png\) is 9 x 7 pixels.*before are 8 x 6"):
        _ = frames[2]
    np.testing.assert_array_equal(frames[3], picture(3))
    paths[0].unlink()
    with pytest.raises(ValueError, match=r"frame 0 of 4 cannot be read: there is no file .*0\.png"):
        PictureFrames(paths)
    for index in (4, -5):
        with pytest.raises(IndexError, match=rf"no frame {index}.*frames 0 to 3"):
            _ = frames[index]


def test_folders_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{tmp_path.name} has no pictures in it"):
        PictureFrames.of_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder"):
        PictureFrames.of_folder(tmp_path / "nowhere")


def test_a_mixed_list(tmp_path: Path) -> None:
    (path,) = save(tmp_path, "a.png")
    tensor = torch.from_numpy(picture(3)).permute(2, 0, 1)
    frames = PictureFrames([path, Image.fromarray(picture(1)), picture(2), tensor, picture(4) / 255])
    assert frames.names is None
    for index in range(5):
        np.testing.assert_array_equal(frames[index], picture(index))
    with pytest.raises(TypeError, match=r"frame 1 of 2: .*not int"):
        _ = PictureFrames([path, 5])[1]  # type: ignore[list-item]


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32", "grey", "one channel", "tensor", "half"])
def test_arrays_and_tensors(kind: str) -> None:
    video = np.stack([picture(number) for number in range(5)])
    given = {
        "uint8": video,
        "uint16": video.astype(np.uint16) * 257,
        "float32": video.astype(np.float32) / 255,
        "grey": video[..., 0],
        "one channel": video[..., :1],
        "tensor": torch.from_numpy(video).permute(0, 3, 1, 2),
        "half": (torch.from_numpy(video).permute(0, 3, 1, 2) / 255).half(),
    }[kind]
    frames = PictureFrames(given)
    assert (len(frames), frames.frame_size, frames.names) == (5, (6, 8), None)
    for index in (4, 0, 2):
        assert frames[index].dtype == np.uint8
        np.testing.assert_array_equal(frames[index], picture(index))


@pytest.mark.parametrize("empty", [[], np.zeros((0, 4, 4, 3), np.uint8), torch.zeros(0, 3, 4, 4)])
def test_no_frames(empty: frame_sources.Sequence | np.ndarray | torch.Tensor) -> None:
    with pytest.raises(ValueError, match="the video has no frames"):
        PictureFrames(empty)


def test_a_stream_takes_no_more_than_is_asked(tmp_path: Path) -> None:
    taken: list[int] = []

    def pictures() -> Iterator[np.ndarray]:
        for number in range(3):
            taken.append(number)
            yield picture(number)

    stream = PictureStream(pictures())
    assert taken == []
    np.testing.assert_array_equal(next(stream), picture(0))
    assert taken == [0]
    assert [int(frame[0, 0, 0]) for frame in stream] == [10, 20]
    with pytest.raises(StopIteration):
        next(stream)


def test_a_stream_goes_on_after_a_bad_picture(tmp_path: Path) -> None:
    items = [picture(0), picture(1, 7, 9), tmp_path / "nowhere.png", 5, picture(4)]
    stream = PictureStream(items)  # type: ignore[arg-type]
    next(stream)
    with pytest.raises(ValueError, match="frame 1 is 9 x 7 pixels, but those before are 8 x 6"):
        next(stream)
    with pytest.raises(ValueError, match=r"frame 2 cannot be read: there is no file .*nowhere\.png"):
        next(stream)
    with pytest.raises(TypeError, match=r"frame 3: .*not int"):
        next(stream)
    np.testing.assert_array_equal(next(stream), picture(4))


def test_what_the_iterable_raises_passes_unchanged() -> None:
    error = KeyError("mine")

    def pictures() -> Iterator[np.ndarray]:
        yield picture(0)
        raise error

    stream = PictureStream(pictures())
    next(stream)
    with pytest.raises(KeyError) as caught:
        next(stream)
    assert caught.value is error
    with pytest.raises(StopIteration):
        next(stream)


def test_closing_a_stream_closes_its_generator() -> None:
    tidied: list[bool] = []

    def pictures() -> Iterator[np.ndarray]:
        try:
            yield picture(0)
        finally:
            tidied.append(True)

    stream = PictureStream(pictures())
    next(stream)
    stream.close()
    assert tidied == [True]
    with pytest.raises(StopIteration):
        next(stream)
    PictureStream([picture(0)]).close()
