import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from masklet.io.masklets import MaskletsHeader, MaskletWriter, read_masklets, stream_masklets
from masklet.ops.rle import decode_rle
from masklet.types import FrameMasks

HEADER = MaskletsHeader(video="é.mp4", height=20, width=30, num_frames=5)


def make_frame(index: int, object_score: float = 5.25) -> FrameMasks:
    mask = np.zeros((20, 30), bool)
    mask[3:7, 4 + index : 10 + index] = True
    return FrameMasks(
        frame_index=index,
        masks={1: mask, 7: np.zeros_like(mask)},
        scores={1: 0.123456789, 7: 0.0},
        object_scores={1: object_score, 7: -3.0},
        visible={1: True, 7: False},
        prompted=frozenset({1} if index == 0 else ()),
    )


def write_file(path: Path, num_frames: int = 3) -> bytes:
    with MaskletWriter(path, HEADER) as writer:
        for index in range(num_frames):
            writer.write(make_frame(index))
    return path.read_bytes()


def test_what_is_written_is_read(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    write_file(path)
    header, frames = read_masklets(path)
    assert header == HEADER
    assert list(frames) == [0, 1, 2]
    first, second = frames[1]
    assert {key: value for key, value in first.items() if key != "segmentation"} == {
        "id": 1,
        "score": 0.123457,
        "object_score": 5.25,
        "visible": True,
        "prompted": False,
        "area": 24,
        "bbox": [5, 3, 6, 4],
    }
    assert (second["area"], second["bbox"], second["visible"]) == (0, None, False)
    assert frames[0][0]["prompted"]
    np.testing.assert_array_equal(decode_rle(first["segmentation"]), make_frame(1).masks[1])


def test_numbers_of_numpy_are_plain_ones(tmp_path: Path):
    mask = make_frame(0).masks[1]
    key = np.int64(2)
    frame = FrameMasks(3, {key: mask}, {key: np.float32(0.5)}, {key: np.float32(1)}, {key: np.True_}, frozenset({2}))  # pyright: ignore[reportArgumentType]
    with MaskletWriter(tmp_path / "a.jsonl", replace(HEADER, num_frames=None)) as writer:
        writer.write(frame)
    header, frames = read_masklets(tmp_path / "a.jsonl")
    assert header.num_frames is None
    assert frames[3][0]["prompted"] is True


def test_each_line_is_there_at_once(tmp_path: Path):
    writer = MaskletWriter(tmp_path / "a.jsonl", HEADER)
    for index in range(3):
        assert len(read_masklets(tmp_path / "a.jsonl")[1]) == index
        writer.write(make_frame(index))
    writer.close()
    with pytest.raises(ValueError, match="was closed"):
        writer.write(make_frame(3))


def test_stopped_at_any_byte(tmp_path: Path):
    content = write_file(tmp_path / "whole.jsonl")
    path = tmp_path / "part.jsonl"
    first_end = content.index(b"\n") + 1
    ends = [place for place, byte in enumerate(content) if byte == ord("\n")]
    near_ends = {end + shift for end in ends for shift in (-1, 0, 1, 2)}
    for size in sorted(near_ends.intersection(range(len(content))) | set(range(0, len(content), 9))):
        path.write_bytes(content[:size])
        if size < first_end:
            with pytest.raises(ValueError, match="holds no masklets"):
                read_masklets(path)
        else:
            assert len(read_masklets(path)[1]) == content[:size].count(b"\n") - 1
        with MaskletWriter(path, HEADER, append=True) as writer:
            writer.write(make_frame(4))
        written = path.read_bytes()
        assert written.startswith(content[: max(first_end, content[:size].rfind(b"\n") + 1)])
        assert 4 in read_masklets(path)[1]


def test_the_last_line_of_a_frame_counts(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    write_file(path)
    with MaskletWriter(path, HEADER, append=True) as writer:
        writer.write(make_frame(1, object_score=9.0))
    _, frames = read_masklets(path)
    assert list(frames) == [0, 1, 2]
    assert frames[1][0]["object_score"] == 9.0


def test_another_file_is_not_appended_to(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    content = write_file(path)
    with pytest.raises(ValueError, match=r"another video.*height=20.*height=21"):
        MaskletWriter(path, replace(HEADER, height=21), append=True)
    assert path.read_bytes() == content
    for text in ("a note", '{"a": 1}\n'):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"a\.jsonl"):
            MaskletWriter(path, HEADER, append=True)
        assert path.read_text() == text
    MaskletWriter(path, HEADER).close()
    assert read_masklets(path) == (HEADER, {})


@pytest.mark.parametrize("score", [float("inf"), float("-inf"), float("nan")])
def test_numbers_refused(tmp_path: Path, score: float):
    with (
        MaskletWriter(tmp_path / "a.jsonl", HEADER) as writer,
        pytest.raises(ValueError, match="object score of object 1 on frame 2"),
    ):
        writer.write(make_frame(2, object_score=score))
    assert read_masklets(tmp_path / "a.jsonl")[1] == {}


def test_frames_and_places_refused(tmp_path: Path):
    with (
        MaskletWriter(tmp_path / "a.jsonl", replace(HEADER, width=31)) as writer,
        pytest.raises(ValueError, match=r"\(20, 30\).*\(20, 31\)"),
    ):
        writer.write(make_frame(0))
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        MaskletWriter(tmp_path / "nowhere" / "a.jsonl", HEADER)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        MaskletWriter(tmp_path, HEADER)


@pytest.mark.parametrize(
    "line", [b"{", b"\xff", b"[]", b"", b'{"frame":"1","objects":[]}', b'{"frame":1,"objects":[{}]}']
)
def test_damaged_lines_are_named(tmp_path: Path, line: bytes):
    path = tmp_path / "a.jsonl"
    lines = write_file(path).split(b"\n")
    lines[2] = line
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(ValueError, match=r"line 3 of .*a\.jsonl"):
        read_masklets(path)


def test_headers_refused(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"format": "other"}) + "\n")
    with pytest.raises(ValueError, match="'other'"):
        read_masklets(path)
    path.write_text(json.dumps({"format": "masklet-masklets-1", "video": "a", "height": 1}) + "\n")
    with pytest.raises(ValueError, match="lacks 'width'"):
        read_masklets(path)
    with pytest.raises(FileNotFoundError):
        read_masklets(tmp_path / "nowhere.jsonl")


def test_frames_are_read_one_by_one(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    with MaskletWriter(path, HEADER) as writer:
        for frame in (make_frame(2), make_frame(0), make_frame(2, object_score=9.0)):
            writer.write(frame)
    with path.open("ab") as file:
        file.write(b'{"frame":1,"obj')
    header, frames = stream_masklets(path)
    assert header == HEADER
    assert [(index, found[0]["object_score"]) for index, found in frames] == [(0, 5.25), (2, 9.0)]
