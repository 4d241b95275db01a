"""Pieces of `masklet everything` for pictures; the whole is in tests/integration/test_everything.py."""

import errno
from pathlib import Path

import numpy as np
import pytest

from masklet.cli import everything_pictures
from masklet.cli.draw_options import DrawOptions
from masklet.cli.everything_folder import PicturesFolder
from masklet.cli.everything_pictures import Report, named, write_formats, write_picture
from masklet.io.files import write_image
from masklet.io.formats.catalog import read_annotations
from masklet.io.images import read_image
from masklet.ops.mask_record import MaskRecord
from masklet.ops.rle import encode_rle

IMAGE = np.full((20, 30, 3), 100, np.uint8)


def record() -> MaskRecord:
    mask = np.zeros((20, 30), bool)
    mask[5:15, 5:15] = True
    return MaskRecord(
        rle=encode_rle(mask),
        area=100,
        box=(5, 5, 10, 10),
        predicted_iou=0.875,
        stability_score=0.75,
        point=(7.5, 7.5),
        crop_box=(0, 0, 30, 20),
    )


@pytest.fixture
def folder(tmp_path: Path) -> PicturesFolder:
    """A folder for three pictures, of which two have one stem."""
    paths = [tmp_path / "in" / name for name in ("a.png", "a.bmp", "b.png")]
    paths[0].parent.mkdir()
    for path in paths:
        write_image(path, IMAGE)
    folder = PicturesFolder.of(tmp_path / "out", paths)
    folder.begin({}, set())
    return folder


def write_all(folder: PicturesFolder, drawing: DrawOptions = DrawOptions(no_overlay=True)) -> None:  # noqa: B008
    for stem in folder.pictures:
        write_picture(folder, stem, IMAGE, [record()], drawing)


def test_masks_and_overlay_of_a_picture(folder: PicturesFolder) -> None:
    write_all(folder, DrawOptions(side_by_side=True))
    assert read_image(folder.overlay("b")).shape[1] > 2 * IMAGE.shape[1]
    found = folder.read("b")
    assert (found.name, found.size) == ("b.png", (20, 30))
    assert [(known.id, known.area, known.score) for known in found.objects] == [(1, 100, 0.875)]


def test_formats_that_cannot_hold_the_pictures_do_not_stop_the_others(folder: PicturesFolder) -> None:
    write_all(folder)
    report = Report()
    write_formats(folder, ["yolo", "coco", "coco"], report)
    assert [picture.name for picture in read_annotations("coco", folder.path / "coco")] == ["a.png", "a.bmp", "b.png"]
    assert len(report.failures) == 1
    assert report.failures[0].startswith("--format yolo: ")
    assert not list((folder.path / "yolo").rglob("*.txt"))


def test_pictures_that_are_not_done_are_in_no_format(folder: PicturesFolder) -> None:
    report = Report()
    write_formats(folder, ["coco"], report)
    assert not (folder.path / "coco").exists()
    write_picture(folder, "b", IMAGE, [], DrawOptions(no_overlay=True))
    write_formats(folder, ["coco"], report)
    assert [picture.name for picture in read_annotations("coco", folder.path / "coco")] == ["b.png"]
    assert report.failures == []


def test_a_full_disk_is_named_with_the_file(folder: PicturesFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(everything_pictures, "write_image", full)
    with pytest.raises(OSError, match=r"b\.overlay\.jpg could not be written .*No space left.*room on the disk"):
        write_picture(folder, "b", IMAGE, [record()], DrawOptions())
    assert not folder.annotations("b").exists()


def test_an_overlay_that_is_too_long_for_its_format_is_the_pictures_own_problem(folder: PicturesFolder) -> None:
    long = np.zeros((1, 65501, 3), np.uint8)
    with pytest.raises(ValueError, match=r"b\.overlay\.jpg would be 65501 x 1 pixels.*With --no-overlay"):
        write_picture(folder, "b", long, [], DrawOptions())
    write_picture(folder, "b", long, [], DrawOptions(no_overlay=True))
    assert folder.read("b").size == (1, 65501)


def test_a_video_wants_an_option_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "clip.MP4").touch()
    hint = named(tmp_path / "clip.MP4", ValueError("no picture"))
    assert hint.endswith("clip.MP4 is a video, not a picture: give it alone, with --video")
    assert named(Path("none.mp4"), FileNotFoundError("there is no file none.mp4")) == "there is no file none.mp4"


def test_a_problem_names_its_picture_once() -> None:
    assert named(Path("a.jpg"), ValueError("a.jpg is no picture")) == "a.jpg is no picture"
    assert named(Path("a.jpg"), MemoryError("too large")) == "a.jpg: too large"
