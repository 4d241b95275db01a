from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pytest

from masklet.io.formats.cvat import CvatWriter
from masklet.io.formats.picture import AnnotatedPicture, VideoInfo


@pytest.fixture
def written(tmp_path: Path, hard_picture: AnnotatedPicture) -> Path:
    with CvatWriter(tmp_path) as writer:
        writer.write(hard_picture)
        writer.write(AnnotatedPicture(name="none.jpg", height=4, width=5, objects=()))
    return tmp_path / "annotations.xml"


@pytest.fixture
def tracks(tmp_path: Path, video: VideoInfo, frames: list[AnnotatedPicture]) -> Path:
    with CvatWriter(tmp_path, video=video) as writer:
        for frame in frames:
            writer.write(frame)
    return tmp_path / "annotations.xml"


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own
def test_datumaro_reads_the_same_masks(datumaro_cvat: ModuleType, written: Path, hard_picture: AnnotatedPicture):
    images = written.parent / "images"
    for name in (hard_picture.name, "none.jpg"):  # it wants to see that pictures are there
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        (images / name).touch()
    reader = datumaro_cvat.CvatBase(str(written))
    labels = reader.categories()[datumaro_cvat.AnnotationType.label]
    first, second = reader
    assert (first.id, first.media.size) == ("kitchen/cups & 'pots'", hard_picture.size)
    assert (second.id, second.media.size, second.annotations) == ("none", (4, 5), [])
    for annotation, found in zip(first.annotations, hard_picture.objects, strict=True):
        assert annotation.type == datumaro_cvat.AnnotationType.mask
        assert labels[annotation.label].name == found.label
        assert annotation.group == found.id
        assert float(annotation.attributes.get("score", -1)) == (-1 if found.score is None else found.score)
        np.testing.assert_array_equal(annotation.image.astype(bool), found.mask)


def test_datumaro_reads_the_tracks(datumaro_cvat: ModuleType, tracks: Path, frames: list[AnnotatedPicture]):
    items = {item.attributes["frame"]: item.annotations for item in datumaro_cvat.CvatBase(str(tracks))}
    for frame in frames:
        assert frame.frame_index is not None
        there = {found.attributes["track_id"]: found for found in items[frame.frame_index]}
        visible = {id_ + 1: found for id_, found in there.items() if not found.attributes["outside"]}
        assert visible.keys() == {found.id for found in frame.visible}
        for found in frame.visible:
            points = np.reshape(visible[found.id].points, (-1, 2))
            x, y = points[:, 0], points[:, 1]
            area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
            assert area == pytest.approx(found.area, rel=0.02)  # the hole is not counted


def test_a_track_says_when_its_object_is_gone(tracks: Path):
    root = ElementTree.parse(tracks).getroot()
    seen = {
        track.attrib["id"]: [(int(shape.attrib["frame"]), shape.attrib["outside"]) for shape in track]
        for track in root.findall("track")
    }
    assert seen == {
        "0": [(frame, "0") for frame in range(10)],
        "1": [(0, "0"), (1, "0"), (2, "0"), (3, "1")],
        "2": [(4, "0"), (5, "0"), (6, "1"), (8, "0"), (9, "0")],
    }
    assert all(shape.attrib["keyframe"] == "1" for shape in root.iter("polygon"))
    assert [track.attrib["label"] for track in root.findall("track")] == ["cup", "object", "pot"]


def test_a_track_ends_before_frames_that_are_not_written(
    tmp_path: Path, video: VideoInfo, frames: list[AnnotatedPicture]
):
    with CvatWriter(tmp_path, video=video) as writer:
        for frame in frames[2:5]:
            writer.write(frame)
    root = ElementTree.parse(tmp_path / "annotations.xml").getroot()
    assert [(shape.get("frame"), shape.get("outside")) for shape in root.findall("track")[0]] == [
        ("2", "0"),
        ("3", "0"),
        ("4", "0"),
        ("5", "1"),
    ]
    meta = root.find("meta/task")
    assert meta is not None
    assert [meta.findtext(name) for name in ("mode", "size", "start_frame", "stop_frame")] == [
        "interpolation",
        "3",
        "2",
        "4",
    ]
    assert [meta.findtext(f"original_size/{name}") for name in ("width", "height")] == ["80", "60"]


def test_labels_are_listed_with_a_place_for_the_score(written: Path):
    labels = ElementTree.parse(written).getroot().findall("meta/task/labels/label")
    assert [label.findtext("name") for label in labels] == ["cup", 'a "blue" <cup> & pot', "Täßchen", "object"]
    assert [label.findtext("attributes/attribute/name") for label in labels] == ["score"] * 4


def test_only_the_file_is_left(tracks: Path):
    assert [path.name for path in tracks.parent.iterdir()] == ["annotations.xml"]


def test_what_is_refused(tmp_path: Path, video: VideoInfo, frames: list[AnnotatedPicture]):
    with CvatWriter(tmp_path / "video", video=video) as writer:
        writer.write(frames[5])
        with pytest.raises(ValueError, match=r"00004\.jpg has the frame_index 4, but 6 or more"):
            writer.write(frames[4])
        with pytest.raises(ValueError, match="frame_index None"):
            writer.write(AnnotatedPicture(name="a.jpg", height=60, width=80, objects=()))
        writer.write(frames[6])
