from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from masklet.datasets.annotations import LabelMaps
from masklet.datasets.layout import (
    check_split,
    join_sequences,
    name_some,
    read_names,
    require_folder,
    take_sequences,
)

Make = Callable[..., None]


def test_videos_and_masks_are_joined_by_name(tmp_path: Path, make_dataset: Make, make_video: Callable[..., Path]):
    videos, masks = tmp_path / "v", tmp_path / "m"
    make_dataset(videos, masks, ["b10", "b2"])
    make_dataset(tmp_path / "unused", masks, ["clip"])
    make_video(videos / "clip.mp4")
    (videos / ".DS_Store").touch()
    (masks / ".cache").mkdir()
    (videos / "readme.txt").touch()
    sequences = join_sequences(videos, masks)
    assert [(sequence.name, sequence.video) for sequence in sequences] == [
        ("b2", videos / "b2"),
        ("b10", videos / "b10"),
        ("clip", videos / "clip.mp4"),
    ]
    assert all(sequence.annotated == {0: "00000", 1: "00001", 2: "00002"} for sequence in sequences)
    assert set(sequences[0].annotations.read("00001")) == {1, 2}
    chosen = join_sequences(videos, masks, ["clip", "b2"], annotations=partial(LabelMaps, binary=True))
    assert [sequence.name for sequence in chosen] == ["clip", "b2"]
    assert set(chosen[1].annotations.read("00001")) == {1}


def test_no_picture_is_read(tmp_path: Path, make_dataset: Make):
    make_dataset(tmp_path / "v", tmp_path / "m", ["a"])
    for file in tmp_path.rglob("*.??g"):
        file.write_bytes(b"")
    (sequence,) = join_sequences(tmp_path / "v", tmp_path / "m")
    assert sequence.annotated == {0: "00000", 1: "00001", 2: "00002"}


def test_what_has_no_counterpart_is_named(tmp_path: Path, make_dataset: Make):
    videos, masks = tmp_path / "v", tmp_path / "m"
    make_dataset(videos, masks, ["a", "b", "c"])
    (masks / "b").rename(masks / "x")
    with pytest.raises(FileNotFoundError, match=r"v has no pictures of x: .* name the sequences to take"):
        join_sequences(videos, masks)
    (masks / "x").rename(tmp_path / "away")
    with pytest.raises(FileNotFoundError, match=r"m has no masks of b:"):
        join_sequences(videos, masks)
    with pytest.raises(FileNotFoundError, match=r"v has no pictures of 0, 1, 2, 3, 4, 5, 6, 7 and 2 more:"):
        join_sequences(videos, masks, ["a", *map(str, range(10))])
    assert [sequence.name for sequence in join_sequences(videos, masks, ["c", "a"])] == ["c", "a"]


def test_folders_that_are_missing_or_empty(tmp_path: Path):
    (tmp_path / "v").mkdir()
    (tmp_path / "other").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no folder .*m with masks: .* has other, v"):
        join_sequences(tmp_path / "v", tmp_path / "m")
    with pytest.raises(FileNotFoundError, match=r"other has no folders in it"):
        require_folder(tmp_path / "other" / "deep" / "er", "pictures")
    (tmp_path / "m").mkdir()
    with pytest.raises(FileNotFoundError, match="have no sequences"):
        join_sequences(tmp_path / "v", tmp_path / "m")


def test_two_videos_of_one_name(tmp_path: Path, make_dataset: Make, make_video: Callable[..., Path]):
    make_dataset(tmp_path / "v", tmp_path / "m", ["a"])
    make_video(tmp_path / "v" / "a.mp4")
    with pytest.raises(ValueError, match=r"v.a and .*a\.mp4 are both the video of a"):
        join_sequences(tmp_path / "v", tmp_path / "m")


def test_a_folder_without_masks_in_it(tmp_path: Path, make_dataset: Make):
    make_dataset(tmp_path / "v", tmp_path / "m", ["a"], annotated=[])
    with pytest.raises(ValueError, match=r"m.a has no masks in it"):
        join_sequences(tmp_path / "v", tmp_path / "m")


def test_masks_of_frames_that_the_video_has_not(tmp_path: Path, make_dataset: Make):
    make_dataset(tmp_path / "v", tmp_path / "m", ["a"], annotated=["00001", "00007"])
    (sequence,) = join_sequences(tmp_path / "v", tmp_path / "m")
    with pytest.raises(ValueError, match=r"00007\.png is of a frame that .* has not"):
        _ = sequence.annotated


def test_lists_of_names(tmp_path: Path):
    path = tmp_path / "val.txt"
    path.write_bytes(b"\xef\xbb\xbfdog\n\n  cat \r\ndog\n")
    assert read_names(path) == ["dog", "cat"]
    path.write_text("\n \n")
    with pytest.raises(ValueError, match=r"val\.txt names no sequence"):
        read_names(path)
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ValueError, match=r"val\.txt is no text"):
        read_names(path)
    with pytest.raises(FileNotFoundError, match=r"no list of sequences .*test\.txt: .* has val\.txt"):
        read_names(tmp_path / "test.txt")
    with pytest.raises(FileNotFoundError, match="none in its folder"):
        read_names(tmp_path / "nowhere" / "test.txt")


def test_some_of_the_sequences():
    names = ["goat", "dog", "dogs-jump"]
    assert take_sequences(names, None) == names
    assert take_sequences(names, ["dogs-jump", "goat", "goat"]) == ["goat", "dogs-jump"]
    message = r"no sequence gaot \(did you mean goat\?\), x: the 3 to choose from are goat, dog, dogs-jump"
    with pytest.raises(ValueError, match=message):
        take_sequences(names, ["gaot", "dog", "x"])
    with pytest.raises(ValueError, match=r"no sequence .*7 and 2 more: the 3"):
        take_sequences(names, list("0123456789"))
    with pytest.raises(ValueError, match="no sequence was named"):
        take_sequences(names, [])
    with pytest.raises(ValueError, match=r"'a\\udcff' is no text"):
        take_sequences(["a\udcff"], None)


def test_splits_and_names_in_errors():
    check_split("DAVIS", "val", ("train", "val"))
    with pytest.raises(ValueError, match="DAVIS has no split 'valid': name one of train, val"):
        check_split("DAVIS", "valid", ("train", "val"))
    assert name_some(list("abcdefgh")) == "a, b, c, d, e, f, g, h"
    assert name_some(list("abcdefghij")) == "a, b, c, d, e, f, g, h and 2 more"
