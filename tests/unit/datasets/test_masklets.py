import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from masklet.datasets.masklets import Masklets, read_masklet_file
from masklet.datasets.sequences import VideoSequence

MakeMasklets = Callable[..., dict[str, Any]]
MakeVideo = Callable[..., Path]


@pytest.fixture
def video(tmp_path: Path, make_video: MakeVideo) -> Path:
    return make_video(tmp_path / "sav_000001.mp4", 12)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sav_000001_manual.json"


def test_masks_of_every_fourth_frame(file: Path, video: Path, make_masklets: MakeMasklets, labels: Callable):
    make_masklets(file)
    masklets = Masklets([file], video)
    assert masklets.frames == ("00000", "00004", "00008")
    assert masklets.path("00004") == file
    masks = masklets.read("00000")
    assert list(masks) == [0, 1]
    np.testing.assert_array_equal(masks[0], labels(1) > 0)
    assert not masks[1].any()
    assert masklets.read("00008")[1].any()
    sequence = VideoSequence(name="sav_000001", video=video, annotations=masklets)
    assert sequence.annotated == {0: "00000", 4: "00004", 8: "00008"}
    with pytest.raises(ValueError, match=r"manual\.json has no masks of frame 00002"):
        masklets.read("00002")


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path):
    masklets = Masklets([tmp_path / "a.json"], tmp_path / "a.mp4")
    with pytest.raises(FileNotFoundError, match=r"no file .*a\.json"):
        _ = masklets.frames
    assert pickle.loads(pickle.dumps(masklets)).files == masklets.files


def test_objects_of_a_second_file_are_numbered_on(file: Path, video: Path, make_masklets: MakeMasklets):
    auto = file.with_name("sav_000001_auto.json")
    make_masklets(file, ids=(0, 3))
    make_masklets(auto, ids=(0, 1))
    masks = Masklets([file, auto], video).read("00000")
    assert list(masks) == [0, 3, 4, 5]
    assert [mask.any() for mask in masks.values()] == [True, False, True, False]
    make_masklets(auto.with_name("other.json"), num_annotated=2)
    with pytest.raises(ValueError, match=r"other\.json has masks of 2 frames, but .*manual\.json of 3"):
        _ = Masklets([file, auto.with_name("other.json")], video).frames


def test_frames_without_a_mask_for_every_object_are_not_annotated(file: Path, video: Path, make_masklets: MakeMasklets):
    value = make_masklets(file)
    value["masklet"][0] = None
    value["masklet"][1][1] = None
    file.write_text(json.dumps(value))
    assert Masklets([file], video).frames == ("00008",)
    value["masklet"][2] = None
    other = file.with_name("none_manual.json")
    other.write_text(json.dumps(value))
    with pytest.raises(ValueError, match=r"none_manual\.json has no frame in which all objects have masks"):
        _ = Masklets([other], video).frames


@pytest.mark.parametrize(("num_frames", "num_left"), [(9, 3), (8, 2)])
def test_a_video_may_be_a_frame_short(
    tmp_path: Path, file: Path, make_video: MakeVideo, make_masklets: MakeMasklets, num_frames: int, num_left: int
):
    make_masklets(file)
    video = make_video(tmp_path / "short.mp4", num_frames)
    sequence = VideoSequence(name="short", video=video, annotations=Masklets([file], video))
    assert len(sequence.annotated) == num_left


def test_a_video_that_is_much_shorter_is_an_error(
    tmp_path: Path, file: Path, make_video: MakeVideo, make_masklets: MakeMasklets
):
    make_masklets(file)
    video = make_video(tmp_path / "short.mp4", 7)
    with pytest.raises(ValueError, match=r"manual\.json is of a frame that .*short\.mp4 has not: it has 7 frames"):
        _ = VideoSequence(name="short", video=video, annotations=Masklets([file], video)).annotated


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"masklet_id": [0]}, "has 2 masks in annotated frame 0, but 1 objects"),
        ({"masklet_id": "01"}, "masklet_id that is no list of object ids"),
        ({"masklet_id": [0, -1]}, "masklet_id that is no list of object ids"),
        ({"masklet_id": [1, 1]}, r"an object id twice in masklet_id: \[1, 1\]"),
        ({"masklet": {"0": []}}, "masklet that is no list of annotated frames"),
        ({"masklet": ["ab"]}, "has no list of masks in annotated frame 0"),
        ({"video_width": float("inf")}, "video_height or video_width that is no number"),
        ({"video_height": "tall"}, "video_height or video_width that is no number"),
    ],
)
def test_what_does_not_fit_together(file: Path, make_masklets: MakeMasklets, changes: dict[str, Any], message: str):
    make_masklets(file, **changes)
    with pytest.raises(ValueError, match=rf"manual\.json .*{message}"):
        read_masklet_file(file)


def test_what_is_no_file_of_masklets(file: Path, make_masklets: MakeMasklets):
    file.write_text('{"video_id": "sav_000001", "masklet": []}')
    with pytest.raises(ValueError, match=r"manual\.json lacks video_height, video_width, masklet_id: an object with"):
        read_masklet_file(file)
    file.write_text('{"masklet": [')
    with pytest.raises(ValueError, match=r"manual\.json is no JSON"):
        read_masklet_file(file)


def test_masks_that_cannot_be_read(file: Path, video: Path, make_masklets: MakeMasklets):
    make_masklets(file, video_height=30.0)
    with pytest.raises(ValueError, match=r"frame 00004, object 0: its mask is 32 x 24 pixels, but .* is 32 x 30"):
        Masklets([file], video).read("00004")
    for number, rle in enumerate(
        ({"size": [24, 32], "counts": "123"}, {"size": [24, 32]}, "0 5", {"size": 3, "counts": "0"})
    ):
        value = make_masklets(file.with_name(f"{number}.json"))
        value["masklet"][1][1] = rle
        file.with_name(f"{number}.json").write_text(json.dumps(value))
        with pytest.raises(ValueError, match=rf"{number}\.json, frame 00004, object 1: its mask cannot be read"):
            Masklets([file.with_name(f"{number}.json")], video).read("00004")
