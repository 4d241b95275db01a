from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from masklet.io.formats.cvat import CvatWriter
from masklet.io.formats.cvat_reader import read_cvat
from masklet.io.formats.picture import AnnotatedPicture, ObjectMask, VideoInfo

SIZE = "<original_size><width>8</width><height>6</height></original_size>"


def write(path: Path, entries: str, meta: str = "") -> Path:
    path.write_text(f"<annotations><version>1.1</version><meta>{meta}</meta>{entries}</annotations>")
    return path


def iou(first: np.ndarray, second: np.ndarray) -> float:
    return np.count_nonzero(first & second) / np.count_nonzero(first | second)


def test_pictures_there_and_back(tmp_path: Path, hard_picture: AnnotatedPicture):
    nothing = AnnotatedPicture(name="none.jpg", height=4, width=5, objects=())
    with CvatWriter(tmp_path) as writer:
        writer.write(hard_picture)
        writer.write(nothing)
    assert list(read_cvat(tmp_path)) == [hard_picture, nothing]
    assert list(read_cvat(tmp_path / "annotations.xml")) == [hard_picture, nothing]


def test_tracks_there_and_back(tmp_path: Path, video: VideoInfo, frames: list[AnnotatedPicture]):
    with CvatWriter(tmp_path, video=video) as writer:
        for frame in frames:
            writer.write(frame)
    for read, frame in zip(read_cvat(tmp_path), frames, strict=True):
        assert (read.frame_index, read.size) == (frame.frame_index, frame.size)
        assert read.name == f"frame_{frame.frame_index:06d}.png"
        labels = {1: "cup", 2: "object", 3: "pot"}
        for found, original in zip(read.objects, frame.visible, strict=True):
            assert (found.id, found.label, found.score) == (original.id, labels[original.id], original.score)
            assert iou(found.mask, original.mask) > 0.98
            y, x = 25, 22 + 2 * (frame.frame_index or 0)
            assert original.id != 1 or not found.mask[y, x]  # its hole is kept


def test_a_track_of_many_parts_and_of_a_pixel(tmp_path: Path, hard_picture: AnnotatedPicture):
    video = VideoInfo(name="v", height=hard_picture.height, width=hard_picture.width)
    frame = AnnotatedPicture(name="0.jpg", height=60, width=80, objects=hard_picture.objects, frame_index=0)
    with CvatWriter(tmp_path, video=video) as writer:
        writer.write(frame)
    (read,) = read_cvat(tmp_path)
    for found, original in zip(read.objects, frame.objects, strict=True):
        assert (found.id, found.label, found.score) == (original.id, original.label, original.score)
        assert iou(found.mask, original.mask) > 0.98


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=16)), st.booleans())
@settings(max_examples=40)
def test_any_mask_there_and_back(mask: np.ndarray, tracked: bool):
    mask[0, 0] = True
    height, width = mask.shape
    found = ObjectMask.of_mask(mask, 3, label="object", score=0.5)
    picture = AnnotatedPicture(name="a.jpg", height=height, width=width, objects=(found,), frame_index=0)
    video = VideoInfo(name="v", height=height, width=width) if tracked else None
    with TemporaryDirectory() as folder:
        with CvatWriter(Path(folder), video=video) as writer:
            writer.write(picture)
        ((read,),) = (picture.objects for picture in read_cvat(Path(folder)))
    assert (read.id, read.label, read.score) == (3, "object", 0.5)
    assert iou(read.mask, mask) > 0.98 if tracked else read.rle == found.rle


def test_nothing_at_all(tmp_path: Path, video: VideoInfo):
    for folder, of in (("pictures", None), ("video", video)):
        CvatWriter(tmp_path / folder, video=of).close()
        assert not any(picture.objects for picture in read_cvat(tmp_path / folder))


def test_what_cvat_exports(tmp_path: Path):
    """Shapes of other kinds, groups of parts, no groups, attributes of its own, shapes that CVAT has made up."""
    path = write(
        tmp_path / "annotations.xml",
        """<image id="0" name="a.jpg" width="8" height="6">
          <box label="cup" occluded="0" xtl="1" ytl="1" xbr="3" ybr="3"/>
          <tag label="good"/>
          <polygon label="cup" points="1.00,1.00;4.00,1.00;4.00,3.00;1.00,3.00" z_order="0">
            <attribute name="colour">blue</attribute>
          </polygon>
          <mask label="pot" rle="1, 2, 1" left="4" top="3" width="2" height="2" group_id="2"/>
          <polygon label="pot" points="0,5;2,5;2,6;0,6" group_id="2"/>
        </image>""",
        meta=f"<task><start_frame>0</start_frame><stop_frame>3</stop_frame>{SIZE}</task>",  # of a video
    )
    (picture,) = read_cvat(path)
    cup, pot = picture.objects
    assert (cup.id, cup.label, cup.box, cup.area, cup.score) == (3, "cup", (1, 1, 3, 2), 6, None)
    assert (pot.id, pot.label, pot.area) == (2, "pot", 4)
    assert np.argwhere(pot.mask).tolist() == [[3, 5], [4, 4], [5, 0], [5, 1]]


def test_tracks_that_cvat_exports(tmp_path: Path):
    """A mask drawn on one frame of a video is a track that ends on the next; keyframes are not all."""
    square = "1,1;3,1;3,3;1,3"
    path = write(
        tmp_path / "annotations.xml",
        f"""<track id="0" label="cup">
          <mask frame="1" keyframe="1" outside="0" rle="0, 4" left="0" top="0" width="2" height="2"/>
          <mask frame="2" keyframe="1" outside="1" rle="0, 4" left="0" top="0" width="2" height="2"/>
        </track>
        <track id="1" label="pot">
          <polygon frame="1" keyframe="1" outside="0" points="{square}"/>
          <polygon frame="2" keyframe="0" outside="0" points="{square}"/>
        </track>""",
        meta=f"<task><start_frame>0</start_frame><stop_frame>3</stop_frame>{SIZE}</task>",
    )
    assert [[found.id for found in frame.objects] for frame in read_cvat(path)] == [[], [1, 2], [2], []]


@pytest.mark.parametrize(
    ("entries", "meta", "said"),
    [
        ('<image name="a.jpg" width="8"/>', "", r"image a\.jpg cannot be read: it lacks 'height'"),
        ('<image name=".." width="8" height="6"/>', "", "path within a folder"),
        ('<image name="a.jpg" width="80000000" height="60000000"/>', "", "height and width are 60000000"),
        ("", f"<start_frame>0</start_frame><stop_frame>{10**12}</stop_frame>{SIZE}", "no video has more"),
        ('<image name="a.jpg" width="x" height="6"/>', "", r"image a\.jpg cannot be read: invalid literal"),
        (
            '<image name="a.jpg" width="8" height="6"><mask label="a" rle="1, 2" left="0" top="0" width="2" '
            'height="2"/></image>',
            "",
            "do not fill its 2 x 2 pixels",
        ),
        (
            '<image name="a.jpg" width="8" height="6"><mask label="a" rle="0, 4" left="7" top="0" width="2" '
            'height="2"/></image>',
            "",
            "lies outside",
        ),
        (
            '<image name="a.jpg" width="8" height="6"><polygon label="a" points="0,0;1"/></image>',
            "",
            r"image a\.jpg cannot be read",
        ),
        ('<track id="0" label="a"><polygon frame="0" points="0,0;1,0;1,1"/></track>', "", "no original_size"),
        ('<track id="x" label="a"><polygon frame="0" points="0,0"/></track>', SIZE, "track x cannot be read"),
        ('<track id="0" label="a"><polygon frame="3" points="0,0"/></track>', SIZE, "frame 3 cannot be read"),
        ("", "<original_size/>", "meta cannot be read"),
        ("<image>", "", "is no XML .*mismatched tag"),
    ],
)
def test_damaged_files(tmp_path: Path, entries: str, meta: str, said: str):
    path = write(tmp_path / "annotations.xml", entries, meta)
    with pytest.raises(ValueError, match=said) as raised:
        list(read_cvat(path))
    assert str(path) in str(raised.value)


def test_files_of_another_kind(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"annotations\.xml"):
        next(read_cvat(tmp_path))
    path = tmp_path / "annotations.xml"
    for text, said in (("<html></html>", "it holds <html>"), ("{}", "is no XML"), ("", "is no XML")):
        path.write_text(text)
        with pytest.raises(ValueError, match=said):
            next(read_cvat(tmp_path))


def test_entities_are_refused(tmp_path: Path):
    path = tmp_path / "a.xml"
    pairs = zip("abcdefgh", "bcdefghi", strict=True)
    laughs = "".join(f'<!ENTITY {name} "' + f"&{before};" * 10 + '">' for before, name in pairs)
    path.write_text(
        f'<!DOCTYPE annotations [<!ENTITY a "ha">{laughs}]><annotations><image id="0" name="&i;"/></annotations>'
    )
    with pytest.raises(ValueError, match=r"a\.xml defines the entity a"):
        next(read_cvat(path))


def test_names_that_lead_out_of_a_folder(tmp_path: Path):
    path = write(tmp_path / "a.xml", '<image name="/data/../a &amp; b.jpg" width="8" height="6"/>')
    assert next(read_cvat(path)).name == "data/a & b.jpg"
