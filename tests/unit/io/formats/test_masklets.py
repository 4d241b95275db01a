from pathlib import Path

import numpy as np
import pytest

from masklet.io.formats.masklets import read_masklet_pictures
from masklet.io.formats.picture import VideoInfo
from masklet.io.masklets import MaskletsHeader, MaskletWriter
from masklet.types import FrameMasks

SIZE = (20, 30)


def frame(index: int, *ids: int) -> FrameMasks:
    mask = np.zeros(SIZE, bool)
    mask[3:7, index : index + 6] = True
    known = dict.fromkeys(ids, True)
    return FrameMasks(
        frame_index=index,
        masks=dict.fromkeys(ids, mask),
        scores=dict.fromkeys(ids, 0.75),
        object_scores=dict.fromkeys(ids, 2.0),
        visible=known,
        prompted=frozenset(),
    )


def write(path: Path, *frames: FrameMasks, num_frames: int | None = 12) -> Path:
    header = MaskletsHeader(video="films/cups.mp4", height=SIZE[0], width=SIZE[1], num_frames=num_frames)
    with MaskletWriter(path, header) as writer:
        for found in frames:
            writer.write(found)
    return path


def test_frames_are_pictures_with_the_objects_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", frame(4, 1, 7), frame(3, 1))
    video, pictures = read_masklet_pictures(path, frames_per_second=12.5)
    assert video == VideoInfo(name="cups", height=20, width=30, num_frames=12, frames_per_second=12.5)
    first, second = pictures
    assert (first.name, first.frame_index, first.size) == ("00003.jpg", 3, SIZE)
    assert (second.name, [found.id for found in second.objects]) == ("00004.jpg", [1, 7])
    assert second.objects[1].score == 0.75
    assert np.array_equal(second.objects[1].mask, frame(4, 1).masks[1])


def test_an_object_0_moves_all_ids_by_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", frame(0, 3), frame(1, 0, 3))
    pictures = list(read_masklet_pictures(path)[1])
    assert [[found.id for found in picture.objects] for picture in pictures] == [[4], [1, 4]]


def test_frames_are_called_as_their_files(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", frame(0, 1), frame(2, 1))
    names = ["a.png", "b.png", "c.png"]
    assert [picture.name for picture in read_masklet_pictures(path, names=names)[1]] == ["a.png", "c.png"]
    with pytest.raises(ValueError, match=r"has a frame 2, but there are 2 pictures: give all of films/cups\.mp4"):
        list(read_masklet_pictures(path, names=names[:2])[1])


def test_a_long_video_has_long_names(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", frame(7, 1), num_frames=1_000_000)
    assert next(read_masklet_pictures(path)[1]).name == "000007.jpg"
    path = write(tmp_path / "b.jsonl", frame(7, 1), num_frames=None)
    assert next(read_masklet_pictures(path)[1]).name == "00007.jpg"


def test_damaged_objects_are_named(tmp_path: Path):
    path = tmp_path / "masklets.jsonl"
    header = '{"format":"masklet-masklets-1","video":"a.mp4","height":20,"width":30,"num_frames":2}'
    for record in ('{"id":1,"segmentation":{}}', '{"id":"x","segmentation":{"size":[20,30],"counts":"0"}}'):
        path.write_text(f'{header}\n{{"frame":1,"objects":[{record}]}}\n')
        with pytest.raises(ValueError, match=r"masklets\.jsonl, frame 1 cannot be read"):
            list(read_masklet_pictures(path)[1])
