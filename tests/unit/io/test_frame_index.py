from pathlib import Path

import pytest

from masklet.io.frame_index import FrameIndex, Start
from masklet.io.packets import PacketReader

X264 = {"bf": "3", "g": "10", "b-pyramid": "normal"}


def index_of(path: Path) -> FrameIndex:
    return FrameIndex(PacketReader(path), path.name)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.h264"])
def test_the_order_is_that_of_the_decoder(tmp_path: Path, name: str, write) -> None:
    path = write(tmp_path / name, options=X264, container="h264" if name.endswith("h264") else None)
    index = index_of(path)
    assert index.packets == [frame.pts for frame in PacketReader(path).decode(0)]
    assert index.packets != list(range(30))
    assert [index.ranks[number] for number in index.packets] == list(range(30))
    assert (index.frame_size, index.rate, index.num_lost) == ((48, 64), 10 if name != "a.h264" else index.rate, 0)
    assert index.times == pytest.approx([float(number / index.rate) for number in range(30)], abs=1e-3)


def test_times_are_good_enough_without_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write) -> None:
    reader = PacketReader(write(tmp_path / "a.mp4", options=X264))
    decoded = []
    decode = reader.decode
    monkeypatch.setattr(reader, "decode", lambda start: (decoded.append(frame) or frame for frame in decode(start)))
    assert len(FrameIndex(reader, "a.mp4").packets) == 30
    assert len(decoded) == 1


def test_starts(tmp_path: Path, write) -> None:
    groups = ["x264-params", "open-gop=1:bframes=3:keyint=8:min-keyint=8:scenecut=0:b-adapt=0"]
    index = index_of(write(tmp_path / "open.mkv", options=dict([groups])))
    key = next(start for start in index._keys[1:])
    assert index.starts(0) == [Start(0, 0)]
    assert index.starts(key.frame) == [key, Start(0, 0)]
    assert index.starts(key.frame - 1) == [Start(0, 0)], "shown before the keyframe, though it comes after it"
    assert index.packets[key.frame - 1] > key.packet
    assert len(index.starts(29)) == 3


def test_many_keyframes_are_not_looked_through(tmp_path: Path, write) -> None:
    class Counted(list[Start]):
        looks = 0

        def __getitem__(self, place):  # type: ignore[override]
            self.looks += 1
            return super().__getitem__(place)

    index = index_of(write(tmp_path / "a.avi", "mjpeg", 200))
    index._keys = Counted(index._keys)
    assert index.starts(150) == [Start(150, 150), Start(149, 149), Start(0, 0)]
    assert index._keys.looks < 20


def test_no_frame_that_can_be_decoded(tmp_path: Path, write) -> None:
    path = write(tmp_path / "a.mp4", "mpeg4")
    data = bytearray(path.read_bytes())
    for packet in PacketReader(path).packets:
        assert packet.pos is not None
        data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    with pytest.raises(ValueError, match="a video has no frame that can be decoded"):
        FrameIndex(PacketReader(bytes(data)), "a video")
