from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.datasets.annotations import Masks
from masklet.datasets.check import check_sequence
from masklet.datasets.folder import read_folder
from masklet.datasets.layout import join_sequences
from masklet.datasets.sequences import VideoSequence

Make = Callable[..., None]
MakePath = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path, make_dataset: Make) -> Path:
    make_dataset(tmp_path / "JPEGImages", tmp_path / "Annotations", ["a"])
    return tmp_path


def sequence_of(root: Path) -> VideoSequence:
    (sequence,) = join_sequences(root / "JPEGImages", root / "Annotations")
    return sequence


def test_good_sequences_pass_and_little_is_read(root: Path, monkeypatch: pytest.MonkeyPatch):
    sequence = sequence_of(root)
    reads: list[str] = []
    read = sequence.annotations.read

    def counting(frame: str) -> Masks:
        reads.append(frame)
        return read(frame)

    monkeypatch.setattr(sequence.annotations, "read", counting)
    check_sequence(sequence)
    assert reads == ["00000"]


def test_video_files_pass(root: Path, make_video: MakePath):
    for file in (root / "JPEGImages" / "a").iterdir():
        file.unlink()
    (root / "JPEGImages" / "a").rmdir()
    make_video(root / "JPEGImages" / "a.mp4")
    check_sequence(sequence_of(root))


def test_another_size(root: Path, make_maps: MakePath):
    make_maps(root / "Annotations" / "a", {"00000": np.ones((30, 40), np.uint8)})
    with pytest.raises(ValueError, match=r"00000\.png is 40 x 30 pixels in frame 00000, but its video is 32 x 24"):
        check_sequence(sequence_of(root))


def test_masks_in_colours(root: Path):
    path = root / "Annotations" / "a" / "00000.png"
    Image.new("RGB", (32, 24), (128, 0, 0)).save(path)
    with pytest.raises(ValueError, match=r"00000\.png is a picture of mode RGB, whose pixels are colours"):
        check_sequence(sequence_of(root))


def test_a_truncated_mask(root: Path):
    path = root / "Annotations" / "a" / "00000.png"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"00000\.png is truncated or damaged"):
        check_sequence(sequence_of(root))


def test_a_damaged_picture(root: Path):
    (root / "JPEGImages" / "a" / "00000.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"00000\.jpg is not a picture"):
        check_sequence(sequence_of(root))


def test_no_pictures(root: Path):
    for file in (root / "JPEGImages" / "a").iterdir():
        file.unlink()
    with pytest.raises(ValueError, match=r"JPEGImages.a has no pictures in it"):
        check_sequence(sequence_of(root))


def test_masks_without_any_object(root: Path, make_maps: MakePath):
    empty = np.zeros((24, 32), np.uint8)
    make_maps(root / "Annotations" / "a", dict.fromkeys(["00000", "00001", "00002"], empty))
    with pytest.raises(ValueError, match=r"no mask of a has an object in it: 3 frames were read, from .*00000\.png on"):
        check_sequence(sequence_of(root))
    make_maps(root / "Annotations" / "a", {"00002": empty + 4})
    check_sequence(sequence_of(root))


def test_an_object_that_is_never_there(tmp_path: Path, make_dataset: Make, make_maps: MakePath):
    make_dataset(tmp_path / "JPEGImages", tmp_path / "Annotations", ["a"], ids=(0, 1), per_object=True)
    empty = np.zeros((24, 32), np.uint8)
    frames = ["00000", "00001", "00002"]
    make_maps(tmp_path / "Annotations" / "a" / "001", dict.fromkeys(frames, empty), palette=False)
    (sequence,) = read_folder(tmp_path).sequences
    message = r"Annotations.a.001 has no mask of object 1 that is not empty, in 3 annotated frames"
    with pytest.raises(ValueError, match=message):
        check_sequence(sequence)
    for frame in frames:
        (tmp_path / "Annotations" / "a" / "001" / f"{frame}.png").unlink()
    (sequence,) = read_folder(tmp_path).sequences
    with pytest.raises(ValueError, match=message):
        check_sequence(sequence)
    make_maps(tmp_path / "Annotations" / "a" / "001", {"00002": empty + 255}, palette=False)
    check_sequence(sequence)
