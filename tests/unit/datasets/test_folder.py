from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from masklet.datasets.folder import read_folder

Make = Callable[..., None]
MakeMaps = Callable[..., Path]


def test_label_maps_and_object_folders(tmp_path: Path, make_dataset: Make):
    videos, masks = tmp_path / "JPEGImages", tmp_path / "Annotations"
    make_dataset(videos, masks, ["a"], annotated=["00000", "00002"])
    dataset = read_folder(tmp_path)
    assert dataset.name == tmp_path.name
    assert not dataset.has_truth
    assert not dataset.per_object
    assert dataset.appearing_later
    make_dataset(videos, masks, ["b"], ids=(0, 7), per_object=True)
    dataset = read_folder(tmp_path)
    assert dataset.has_truth
    assert dataset.per_object
    assert [list(sequence.annotations.read("00002")) for sequence in dataset.sequences] == [[1, 2], [0, 7]]


def test_folders_of_other_names_and_videos(tmp_path: Path, make_dataset: Make, make_video: Callable[..., Path]):
    make_dataset(tmp_path / "unused", tmp_path / "masks", ["clip"])
    make_video(tmp_path / "frames" / "480p" / "clip.mp4", 3)
    (sequence,) = read_folder(tmp_path, videos="frames/480p", masks="masks").sequences
    assert sequence.video.name == "clip.mp4"
    assert sequence.annotated == {0: "00000", 1: "00001", 2: "00002"}
    with pytest.raises(FileNotFoundError, match=r"JPEGImages with pictures: .* has frames, masks, unused"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("values", "palette", "binary"),
    [((0, 255), False, True), ((0, 255), True, False), ((0, 1), False, False), ((0, 1, 255), False, False)],
)
def test_black_and_white_maps(
    tmp_path: Path, make_pictures: MakeMaps, make_maps: MakeMaps, values: tuple[int, ...], palette: bool, binary: bool
):
    make_pictures(tmp_path / "JPEGImages" / "a", ["00000", "00001"])
    labels = np.resize(np.array(values, np.uint8), (24, 32))
    empty = np.zeros_like(labels)
    make_maps(tmp_path / "Annotations" / "a", {"00000": empty, "00001": labels}, palette=palette)
    (sequence,) = read_folder(tmp_path).sequences
    assert sequence.annotations.read("00000") == {}
    expected = [1] if binary else [value for value in values if value]
    assert list(sequence.annotations.read("00001")) == expected


def test_maps_that_cannot_be_read(tmp_path: Path, make_dataset: Make):
    make_dataset(tmp_path / "JPEGImages", tmp_path / "Annotations", ["a"])
    path = tmp_path / "Annotations" / "a" / "00000.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"00000\.png is (truncated or )?damaged"):
        read_folder(tmp_path)


def test_the_development_set(shared: Path):
    dataset = read_folder(shared / "data" / "davis_dev")
    assert dataset.name == "davis_dev"
    assert dataset.has_truth
    names = ["blackswan", "car-shadow", "dog", "goat", "scooter-black"]
    assert [sequence.name for sequence in dataset.sequences] == names
    assert sum(len(sequence.annotated) for sequence in dataset.sequences) == 283
    assert sum(len(sequence.frame_names) for sequence in dataset.sequences) == 283
    for sequence in dataset.sequences:
        masks = sequence.annotations.read("00000")
        assert list(masks) == [1]
        assert masks[1].shape == (480, 854)


def test_a_label_map_among_black_and_white_ones_is_refused(
    tmp_path: Path, make_pictures: MakeMaps, make_maps: MakeMaps
):
    make_pictures(tmp_path / "JPEGImages" / "a", ["00000", "00001"])
    white = np.full((24, 32), 255, np.uint8)
    white[:4] = 0
    make_maps(tmp_path / "Annotations" / "a", {"00000": white, "00001": np.minimum(white, 3)}, palette=False)
    (sequence,) = read_folder(tmp_path).sequences
    assert list(sequence.annotations.read("00000")) == [1]
    with pytest.raises(ValueError, match=r"00001\.png holds 3, but masks before it are black and white"):
        sequence.annotations.read("00001")
