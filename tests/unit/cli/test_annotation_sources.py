"""What is recognised by the names of files, and what is read."""

from pathlib import Path

import numpy as np
import pytest

from masklet.cli.annotation_sources import EVERYTHING, MARKS, MASKLETS, SOURCES, open_source, recognise
from masklet.cli.console import UsageError
from masklet.io.files import write_image, write_json
from masklet.io.formats.catalog import FORMATS, open_writer
from masklet.io.formats.picture import AnnotatedPicture, ObjectMask, VideoInfo
from masklet.io.masklets import MaskletsHeader, MaskletWriter
from masklet.types import FrameMasks

SIZE = (20, 30)


def mask(shift: int = 0) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[4:14, 4 + shift : 14 + shift] = True
    return mask


def picture(index: int, *, frame: bool) -> AnnotatedPicture:
    return AnnotatedPicture(
        name=f"{index:05d}.jpg",
        height=SIZE[0],
        width=SIZE[1],
        objects=(ObjectMask.of_mask(mask(index), 1, score=0.5),),
        frame_index=index if frame else None,
    )


def write(format_: str, folder: Path, *, video: VideoInfo | None = None) -> Path:
    with open_writer(format_, folder, video=video) as writer:
        for index in (0, 4):
            writer.write(picture(index, frame=video is not None))
    return folder


def write_masklets(path: Path) -> Path:
    with MaskletWriter(path, MaskletsHeader(video="cup.mp4", height=20, width=30, num_frames=3)) as writer:
        for index in range(3):
            writer.write(FrameMasks(index, {1: mask(index)}, {1: 0.5}, {1: 1.0}, {1: True}, frozenset()))
    return path


@pytest.mark.parametrize("kind", [kind for kind in MARKS if kind in FORMATS and not FORMATS[kind].video_only])
def test_what_masklet_writes_is_recognised(tmp_path: Path, kind: str) -> None:
    assert recognise(write(kind, tmp_path / "there")) == kind


def test_files_of_videos_are_recognised(tmp_path: Path) -> None:
    video = VideoInfo(name="cup", height=20, width=30)
    folder = write("sav", tmp_path / "sav", video=video)
    assert recognise(folder) == recognise(folder / "cup_manual.json") == "sav"
    folder = write("cvat", tmp_path / "cvat", video=video)
    assert recognise(folder / "annotations.xml") == "cvat"
    file = write_masklets(tmp_path / "masklets.jsonl")
    assert recognise(tmp_path) == recognise(file) == MASKLETS


@pytest.mark.parametrize("kind", sorted(set(FORMATS) - set(MARKS)))
def test_names_that_tell_nothing_want_an_answer(tmp_path: Path, kind: str) -> None:
    folder = write(kind, tmp_path / "there")
    with pytest.raises(UsageError, match=r"say it with --from, one of masklets, everything, .*coco"):
        recognise(folder)


def test_names_that_tell_two_things_want_an_answer(tmp_path: Path) -> None:
    (tmp_path / "annotations.json").touch()
    (tmp_path / "annotations.xml").touch()
    with pytest.raises(UsageError, match="may hold coco or cvat"):
        recognise(tmp_path)
    with pytest.raises(UsageError, match="there is no file or folder"):
        recognise(tmp_path / "none")


def test_everything_that_is_done(tmp_path: Path) -> None:
    write("sa1b", tmp_path)
    known = {"00004": "/photos/more/x.jpg", "00000": "/photos/x.jpg", "later": "/other/z.jpg"}
    write_json(tmp_path / "run.json", {"pictures": known})
    assert recognise(tmp_path) == EVERYTHING
    video, pictures = open_source(EVERYTHING, tmp_path)
    assert video is None
    assert [found.name for found in pictures] == ["more/x.jpg", "x.jpg"]


def test_folders_that_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no folder of `masklet everything`"):
        open_source(EVERYTHING, tmp_path)
    write_json(tmp_path / "run.json", {"pictures": {"a": "b"}})
    with pytest.raises(ValueError, match="no annotated pictures"):
        open_source(EVERYTHING, tmp_path)


def test_masklets_take_the_names_of_the_frames_pictures(tmp_path: Path) -> None:
    file = write_masklets(tmp_path / "masklets.jsonl")
    for name in ("c2.png", "c10.png", "c1.png"):
        (tmp_path / "frames").mkdir(exist_ok=True)
        write_image(tmp_path / "frames" / name, np.zeros((*SIZE, 3), np.uint8))
    for source in (file, tmp_path):
        video, pictures = open_source(MASKLETS, source, tmp_path / "frames")
        assert video == VideoInfo(name="cup", height=20, width=30, num_frames=3)
        assert [found.name for found in pictures] == ["c1.png", "c2.png", "c10.png"]
    assert next(open_source(MASKLETS, file)[1]).name == "00000.jpg"


def test_frames_of_other_files_are_of_a_video(tmp_path: Path) -> None:
    folder = write("sav", tmp_path / "sav", video=VideoInfo(name="cup", height=20, width=30))
    video, pictures = open_source("sav", folder / "cup_manual.json")
    assert video == VideoInfo(name="cup", height=20, width=30)
    assert [found.frame_index for found in pictures] == [0, 4]
    assert open_source("coco", write("coco", tmp_path / "coco"))[0] is None


def test_all_sources_have_names_of_their_own() -> None:
    assert len(set(SOURCES)) == len(SOURCES)
    assert set(MARKS) <= set(SOURCES)
