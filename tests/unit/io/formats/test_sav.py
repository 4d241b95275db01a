import json
from pathlib import Path

import av
import numpy as np
import pytest

from masklet.datasets.sav import read_sav_train
from masklet.io.formats.picture import AnnotatedPicture, ObjectMask, VideoInfo
from masklet.io.formats.sav import SavWriter, read_sav


@pytest.fixture
def written(tmp_path: Path, video: VideoInfo, frames: list[AnnotatedPicture]) -> Path:
    with SavWriter(tmp_path, video=video) as writer:
        for frame in frames:
            writer.write(frame)
    return tmp_path / "cups_manual.json"


def write_video(path: Path, num_frames: int, height: int, width: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for _ in range(num_frames):
            grey = np.full((height, width, 3), 128, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode())


def test_every_fourth_frame_there_and_back(written: Path, frames: list[AnnotatedPicture]):
    for path in (written, written.parent):
        read = list(read_sav(path))
        assert [(picture.name, picture.frame_index) for picture in read] == [
            ("00000.jpg", 0),
            ("00004.jpg", 4),
            ("00008.jpg", 8),
        ]
        for picture, frame in zip(read, frames[::4], strict=True):
            assert picture.size == frame.size
            assert [found.id for found in picture.objects] == [1, 2, 3]  # those not to be seen have empty masks
            assert {found.id: found.rle for found in picture.visible} == {
                found.id: found.rle for found in frame.visible
            }


def test_the_data_set_reads_them(written: Path, frames: list[AnnotatedPicture]):
    write_video(written.parent / "cups.mp4", 10, *frames[0].size)
    (sequence,) = read_sav_train(written.parent).sequences
    assert sequence.annotations.frames == ("00000", "00004", "00008")
    for name in sequence.annotations.frames:
        masks = sequence.annotations.read(name)
        for found in frames[int(name)].visible:
            np.testing.assert_array_equal(masks[found.id - 1], found.mask)


def test_what_is_said_of_the_objects(written: Path):
    value = json.loads(written.read_text(encoding="utf-8"))
    masks = value.pop("masklet")
    assert [len(of_frame) for of_frame in masks] == [3, 3, 3]
    areas = value.pop("masklet_size_abs")
    assert areas == [pytest.approx(areas[0]), (58 - 40) * (30 - 4), 20 * (64 + 6 - 60)]
    assert value.pop("masklet_size_rel") == pytest.approx([area / 4800 for area in areas])
    assert value == {
        "video_id": "cups",
        "video_duration": 10 / 24,
        "video_frame_count": 10,
        "video_height": 60,
        "video_width": 80,
        "video_resolution": 4800,
        "video_environment": None,
        "video_split": "train",
        "masklet_id": [0, 1, 2],
        "masklet_size_bucket": ["small", "small", "small"],
        "masklet_visibility_changes": [0, 1, 0],
        "masklet_first_appeared_frame": [0, 0, 1],
        "masklet_frame_count": [3, 3, 3],
        "masklet_edited_frame_count": [0, 0, 0],
        "masklet_type": ["manual", "manual", "manual"],
        "masklet_stability_score": [None, None, None],
        "masklet_num": 3,
    }


def test_sizes_have_names(tmp_path: Path):
    size = (200, 210)
    masks = [np.arange(200 * 210).reshape(size) < area for area in (32**2 - 1, 32**2, 96**2 - 1, 96**2)]
    objects = tuple(ObjectMask.of_mask(mask, id_) for id_, mask in enumerate(masks, start=1))
    with SavWriter(tmp_path, video=VideoInfo(name="v", height=200, width=210)) as writer:
        writer.write(AnnotatedPicture(name="0.jpg", height=200, width=210, objects=objects, frame_index=0))
    value = json.loads((tmp_path / "v_manual.json").read_text())
    assert value["masklet_size_bucket"] == ["small", "medium", "medium", "large"]
    assert (value["video_duration"], value["video_frame_count"]) == (None, 1)


def test_frames_that_are_not_written_have_no_masks(tmp_path: Path, video: VideoInfo, frames: list[AnnotatedPicture]):
    with SavWriter(tmp_path, video=video) as writer:
        writer.write(frames[7])
        writer.write(frames[8])
    assert json.loads((tmp_path / "cups_manual.json").read_text())["masklet"][:2] == [None, None]
    (picture,) = read_sav(tmp_path)
    assert picture.frame_index == 8


def test_nothing_at_all(tmp_path: Path, video: VideoInfo):
    SavWriter(tmp_path, video=video).close()
    assert list(read_sav(tmp_path)) == []


def test_what_is_refused(tmp_path: Path, video: VideoInfo, frames: list[AnnotatedPicture]):
    with pytest.raises(ValueError, match="of videos alone"):
        SavWriter(tmp_path)
    with SavWriter(tmp_path, video=video) as writer:
        writer.write(frames[5])
        with pytest.raises(ValueError, match=r"00004\.jpg has the frame_index 4, but 6 or more"):
            writer.write(frames[4])
        with pytest.raises(ValueError, match="frame_index None"):
            writer.write(AnnotatedPicture(name="a.jpg", height=60, width=80, objects=()))
        with pytest.raises(ValueError, match=r"a\.jpg is 81 x 60 pixels, but the video films/cups\.mp4 is 80 x 60"):
            writer.write(AnnotatedPicture(name="a.jpg", height=60, width=81, objects=(), frame_index=8))
        writer.write(frames[8])
    assert [path.name for path in tmp_path.iterdir()] == ["cups_manual.json"]


def test_damaged_files(written: Path):
    whole = json.loads(written.read_text(encoding="utf-8"))
    for change, said in (
        (lambda value: value["masklet"][1][2].update(counts="0"), "frame 4 cannot be read"),
        (lambda value: value["masklet"][1].pop(), "frame 4 cannot be read"),
        (lambda value: value.update(video_height=61), "frame 0 .*but the picture's are"),
        (lambda value: value.update(video_height=None), r"manual\.json cannot be read"),
        (lambda value: value.update(masklet_id=[0, 0, 1]), "two objects with the id 1"),
        (lambda value: value.pop("masklet"), "lacks masklet"),
    ):
        value = json.loads(json.dumps(whole))
        change(value)
        written.write_text(json.dumps(value))
        with pytest.raises(ValueError, match=said) as raised:
            list(read_sav(written))
        assert str(written) in str(raised.value)


def test_finding_the_file(written: Path):
    written.with_name("pots_manual.json").write_text("{}")
    with pytest.raises(ValueError, match=r"2 videos: give one file, as cups_manual\.json"):
        next(read_sav(written.parent))
    with pytest.raises(FileNotFoundError, match="there is no file"):
        next(read_sav(written.parent / "none.json"))
    (written.parent / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"VIDEO_manual\.json"):
        next(read_sav(written.parent / "empty"))
