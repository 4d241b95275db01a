from pathlib import Path

import av
import numpy as np
import pytest

from masklet.io.upright import upright_pixels

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


def upright(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as file:
        return [upright_pixels(frame) for frame in file.decode(video=0)]


@pytest.mark.parametrize("turn", MATRICES)
def test_rotation(tmp_path: Path, turn: str, write, decoded) -> None:
    matrix, turned = MATRICES[turn]
    path = write(tmp_path / "phone.mp4", frames=12)
    expected = [turned(frame) for frame in decoded(path)]
    turn_file(path, matrix)
    for pixels, wanted in zip(upright(path), expected, strict=True):
        assert pixels.flags.c_contiguous
        np.testing.assert_array_equal(pixels, wanted)


def test_rotation_says_the_same_as_ffmpeg(tmp_path: Path, write) -> None:
    path = write(tmp_path / "phone.mp4", frames=4)
    turn_file(path, MATRICES["90 clockwise"][0])
    with av.open(str(path)) as file:
        frame = next(file.decode(video=0))
        degrees_counterclockwise = frame.rotation
        plain = frame.to_ndarray(format="rgb24")
    np.testing.assert_array_equal(upright(path)[0], np.rot90(plain, degrees_counterclockwise // 90))


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
    frame = upright(path)[1]
    assert frame[0, 0].tolist() == [255, 255, 255]
    assert frame[0, 15].tolist() == [200, 100, 0]
