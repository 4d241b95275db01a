"""Videos with masks: their frames, and which of them are annotated."""

from pathlib import Path

import numpy as np
import pytest

from masklet.datasets.annotations import LabelMaps
from masklet.datasets.sequences import VideoSequence
from masklet.io.files import write_image
from masklet.io.label_maps import write_labels
from masklet.io.video_writer import VideoWriter

PICTURE = np.zeros((16, 24, 3), np.uint8)


def sequence(video: Path, *annotated: str) -> VideoSequence:
    masks = video.parent / "masks"
    masks.mkdir()
    for frame in annotated:
        write_labels(masks / f"{frame}.png", np.zeros((16, 24), int))
    return VideoSequence(name="clip", video=video, annotations=LabelMaps(masks))


@pytest.fixture
def stills(tmp_path: Path) -> Path:
    folder = tmp_path / "stills"
    folder.mkdir()
    for name in ("f1.jpg", "f2.jpg", "f10.png"):
        write_image(folder / name, PICTURE)
    return folder


def test_frames_of_a_folder_are_called_by_its_pictures(stills: Path) -> None:
    clip = sequence(stills, "f10", "f1")
    assert clip.frame_names == ("f1", "f2", "f10")
    assert clip.annotated == {0: "f1", 2: "f10"}


def test_frames_of_a_video_file_are_called_by_their_numbers(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "clip.mp4", (16, 24), rate=10) as writer:
        for _ in range(3):
            writer.write(PICTURE)
    clip = sequence(tmp_path / "clip.mp4", "00002")
    assert clip.frame_names == ("00000", "00001", "00002")
    assert clip.annotated == {2: "00002"}


def test_masks_of_frames_that_the_video_has_not_are_refused(stills: Path) -> None:
    with pytest.raises(
        ValueError, match=r"masks/f3.png is of a frame that .*stills has not: it has 3 frames, f1 to f10"
    ):
        _ = sequence(stills, "f1", "f3").annotated


def test_a_video_that_is_not_there_or_empty_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    clip = sequence(tmp_path / "empty", "f1")
    with pytest.raises(ValueError, match="empty has no pictures in it: the frames of clip were expected"):
        _ = clip.frame_names
    with pytest.raises(FileNotFoundError, match="nowhere"):
        _ = VideoSequence(name="clip", video=tmp_path / "nowhere", annotations=clip.annotations).frame_names


def test_two_pictures_of_one_name_are_refused(stills: Path) -> None:
    write_image(stills / "f2.png", PICTURE)
    with pytest.raises(ValueError, match=r"stills has two pictures called f2, f2\.jpg and f2\.png"):
        _ = sequence(stills, "f1").frame_names
