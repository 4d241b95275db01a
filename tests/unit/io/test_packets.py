from pathlib import Path

import numpy as np
import pytest

from masklet.io.packets import PacketReader, is_hidden

X264 = {"bf": "3", "g": "10", "b-pyramid": "normal"}


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi", "a.h264"])
def test_frames_carry_the_numbers_of_their_packets(tmp_path: Path, name: str, write, decoded) -> None:
    path = write(tmp_path / name, options=X264)
    reader = PacketReader(path)
    assert len(reader.packets) == 30
    assert reader.num_lost == 0
    assert reader.times_are_of_decoding == (name == "a.avi")
    frames = list(reader.decode(0))
    numbers = [frame.pts for frame in frames]
    assert sorted(number for number in numbers if number is not None) == list(range(30))
    assert numbers != list(range(30)), "they come in another order than the packets"
    for frame, expected in zip(frames, decoded(path), strict=True):
        np.testing.assert_array_equal(frame.to_ndarray(format="rgb24"), expected)
    start = max(number for number, packet in enumerate(reader.packets) if packet.is_key)
    assert start > 0
    again = {frame.pts: frame for frame in reader.decode(start)}
    for frame in frames:
        if frame.pts is not None and frame.pts >= start:
            np.testing.assert_array_equal(again[frame.pts].to_ndarray(), frame.to_ndarray())
    reader.close()
    reader.close()


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_seeking_is_used_where_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, write) -> None:
    reader = PacketReader(write(tmp_path / name, frames=40))
    monkeypatch.setattr(reader, "_open", lambda: pytest.fail("the file was opened again"))
    keys = [number for number, packet in enumerate(reader.packets) if packet.is_key]
    for start in (keys[2], keys[-1], keys[1]):
        assert next(reader.decode(start)).pts == start


def test_hidden_packets_are_no_frames() -> None:
    shown, hidden = b"\x10\0\0", b"\x00\0\0"
    assert not is_hidden(memoryview(shown), "vp8")
    assert is_hidden(memoryview(hidden), "vp8")
    assert not is_hidden(memoryview(b"\x82\0"), "vp9")
    assert is_hidden(memoryview(b"\x84\0"), "vp9")
    assert not is_hidden(memoryview(b"\x88\0"), "vp9")
    assert not is_hidden(memoryview(b"\x84\0\xc0"), "vp9")
    assert not is_hidden(memoryview(hidden), "h264")


def test_what_is_wrong_is_told(tmp_path: Path, write) -> None:
    data = write(tmp_path / "whole.mp4", "mpeg4", file_options={"movflags": "faststart"}).read_bytes()
    cut = PacketReader(data[: len(data) * 8 // 10])
    assert 0 < len(cut.packets) < 30
    assert len(cut.packets) + cut.num_lost == 30
    packet = cut.packets[3]
    assert packet.pos is not None
    damaged = PacketReader(data[: packet.pos] + bytes(packet.size) + data[packet.pos + packet.size :])
    numbers = [frame.pts for frame in damaged.decode(0)]
    assert damaged.trouble
    assert len(numbers) < 30


def test_a_stream_without_decoder(tmp_path: Path, write) -> None:
    data = write(tmp_path / "a.avi", "mpeg4").read_bytes()
    with pytest.raises(ValueError, match=r"given as bytes has a video stream that no decoder here can read"):
        PacketReader(data.replace(b"FMP4", b"ZZZZ"))
