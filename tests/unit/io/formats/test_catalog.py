from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from masklet.io.formats.catalog import FORMATS, open_writer, read_annotations
from masklet.io.formats.picture import AnnotatedPicture, ObjectMask, VideoInfo
from masklet.ops.masks import mask_iou

VIDEO = VideoInfo(name="clip", height=120, width=160, num_frames=2, frames_per_second=24.0)
OF_PICTURES = [name for name, found in FORMATS.items() if not found.video_only]


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_format_that_there_is_not(tmp_path: Path):
    with pytest.raises(ValueError, match="no annotation format 'tiff': choose one of coco, sa1b, yolo"):
        open_writer("tiff", tmp_path)
    with pytest.raises(ValueError, match="no annotation format 'tiff'"):
        read_annotations("tiff", tmp_path)
    with pytest.raises(ValueError, match="sav is of videos alone"):
        open_writer("sav", tmp_path)
    with pytest.raises(ValueError, match="give the folder of the pictures"):
        read_annotations("yolo", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", OF_PICTURES)
def test_each_format_is_read_back(
    tmp_path: Path, name: str, hard_pictures: list[AnnotatedPicture], save_pictures: Callable
):
    with open_writer(name, tmp_path / name) as writer:
        for picture in hard_pictures:
            writer.write(picture)
    back = {
        picture.name: picture
        for picture in read_annotations(name, tmp_path / name, pictures=save_pictures(hard_pictures))
    }
    cup = back["a/cup.jpg"]
    assert cup.size == (120, 160)
    for found, original in zip(cup.objects, hard_pictures[0].objects, strict=True):
        assert mask_iou(found.mask, original.mask) > 0.98


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_takes_a_video(tmp_path: Path, name: str, hard_pictures: list[AnnotatedPicture]):
    objects = hard_pictures[0].objects
    with open_writer(name, tmp_path, video=VIDEO) as writer:
        for index in range(2):
            writer.write(
                AnnotatedPicture(name=f"{index:05d}.jpg", height=120, width=160, objects=objects, frame_index=index)
            )
    assert contents(tmp_path)


@pytest.mark.parametrize("name", FORMATS)
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, name: str):
    """Files may not grow beyond 100 bytes, so that writing fails as it does where the disk is full."""
    resource = pytest.importorskip("resource")
    noise = np.zeros((120, 160), bool)
    noise[:30, :40] = np.random.default_rng(0).random((30, 40)) < 0.5
    video = VIDEO if FORMATS[name].video_only else None

    def write(mask: np.ndarray) -> None:
        with open_writer(name, tmp_path, video=video) as writer:
            found = ObjectMask.of_mask(mask, 1)
            writer.write(AnnotatedPicture(name="00000.jpg", height=120, width=160, objects=(found,), frame_index=0))

    write(noise[::-1].copy())
    before = contents(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write(noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert contents(tmp_path) == before
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("name", FORMATS)
def test_a_folder_that_cannot_be_written_to(tmp_path: Path, name: str):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file cannot be written to"):
        open_writer(name, tmp_path / "file", video=VIDEO)
