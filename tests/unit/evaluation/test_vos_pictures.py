"""Pictures of results beside the truth: the right object of the right frame, in its colour, in every layout."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from masklet.datasets.annotations import LabelMaps, open_annotations
from masklet.datasets.sequences import VideoDataset, VideoSequence
from masklet.evaluation.vos_pictures import Case, draw_case
from masklet.io.files import write_mask_png
from masklet.io.images import read_image
from masklet.io.label_maps import write_labels
from masklet.io.overlay import draw_overlay
from masklet.io.video_writer import VideoWriter

MakeSquares = Callable[..., VideoSequence]
SIZE = (40, 56)
GAP = 4


@pytest.fixture
def sequence(make_squares: MakeSquares) -> VideoSequence:
    return make_squares("squares")


def dataset(*sequences: VideoSequence) -> VideoDataset:
    return VideoDataset(name="two squares", sequences=sequences, has_truth=True)


def case(object_id: int = 1, frame: str = "00005", sequence: str = "squares") -> Case:
    return Case(sequence=sequence, object_id=object_id, frame=frame, caption="look")


def panes(image: np.ndarray, num: int) -> list[np.ndarray]:
    """The panes of a picture, two in a row."""
    height, width = SIZE
    corners = [(index // 2 * (height + GAP), index % 2 * (width + GAP)) for index in range(num)]
    return [image[top : top + height, left : left + width] for top, left in corners]


def write_prediction(root: Path, sequence: str, labels: np.ndarray, frame: str = "00005") -> None:
    folder = root / sequence
    folder.mkdir(parents=True)
    write_labels(folder / f"{frame}.png", labels)


def frame_of(sequence: VideoSequence, frame: str = "00005") -> np.ndarray:
    return read_image(sequence.video / f"{frame}.png")


def test_the_prediction_is_left_and_the_truth_right(sequence: VideoSequence, tmp_path: Path) -> None:
    labels = np.zeros(SIZE, np.int32)
    labels[20:30, 5:25] = 2
    labels[:5] = 1
    write_prediction(tmp_path / "found", "squares", labels)
    picture = draw_case(dataset(sequence), {"prediction": tmp_path / "found"}, case(object_id=2))
    assert picture.caption == "look"
    left, right = panes(picture.image, 2)
    image, truth = frame_of(sequence), sequence.annotations.read("00005")[2]
    assert np.array_equal(left, draw_overlay(image, {2: labels == 2}, captions=["prediction"]))
    assert np.array_equal(right, draw_overlay(image, {2: truth}, captions=["truth"]))


def test_an_object_that_was_not_found_leaves_the_frame_as_it_is(sequence: VideoSequence, tmp_path: Path) -> None:
    write_prediction(tmp_path / "found", "squares", np.zeros(SIZE, np.int32))
    left, right = panes(draw_case(dataset(sequence), {"a": tmp_path / "found"}, case()).image, 2)
    assert np.array_equal(left, frame_of(sequence))
    assert not np.array_equal(right, left)


def test_several_results_come_before_the_truth(sequence: VideoSequence, tmp_path: Path) -> None:
    masks = []
    for number, root in enumerate(("a", "b")):
        labels = np.zeros(SIZE, np.int32)
        labels[25:35, 10 + 20 * number : 20 + 20 * number] = 1
        write_prediction(tmp_path / root, "squares", labels)
        masks.append(labels == 1)
    folders = {"a": tmp_path / "a", "b": tmp_path / "b"}
    shown = panes(draw_case(dataset(sequence), folders, case()).image, 3)
    image = frame_of(sequence)
    wanted = [("a", masks[0]), ("b", masks[1]), ("truth", sequence.annotations.read("00005")[1])]
    for pane, (name, mask) in zip(shown, wanted, strict=True):
        assert np.array_equal(pane, draw_overlay(image, {1: mask}, captions=[name]))


def test_folders_of_objects_are_read_too(sequence: VideoSequence, tmp_path: Path) -> None:
    mask = np.zeros(SIZE, bool)
    mask[25:35, 10:20] = True
    (tmp_path / "found" / "squares" / "001").mkdir(parents=True)
    write_mask_png(tmp_path / "found" / "squares" / "001" / "00005.png", mask)
    left, _ = panes(draw_case(dataset(sequence), {"a": tmp_path / "found"}, case()).image, 2)
    assert np.array_equal(left, draw_overlay(frame_of(sequence), {1: mask}, captions=["a"]))


def test_where_all_is_one_object_it_is_so_in_the_prediction(sequence: VideoSequence, tmp_path: Path) -> None:
    folder = tmp_path / "Annotations" / "squares"
    merged = VideoSequence(name="squares", video=sequence.video, annotations=LabelMaps(folder, binary=True))
    labels = np.zeros(SIZE, np.int32)
    labels[25:35, 10:20] = 255
    write_prediction(tmp_path / "found", "squares", labels)
    left, _ = panes(draw_case(dataset(merged), {"a": tmp_path / "found"}, case()).image, 2)
    assert np.array_equal(left, draw_overlay(frame_of(sequence), {1: labels == 255}, captions=["a"]))


def test_frames_of_a_video_file_go_by_their_numbers(tmp_path: Path) -> None:
    video = tmp_path / "clip.mp4"
    with VideoWriter(video, (64, 64), rate=10) as writer:
        for index in range(6):
            writer.write(np.full((64, 64, 3), 40 * index, np.uint8))
    for root in ("truth", "found"):
        write_prediction(tmp_path / root, "clip", np.zeros((64, 64), np.int32), "00004")
    clip = VideoSequence(name="clip", video=video, annotations=open_annotations(tmp_path / "truth" / "clip"))
    shown = draw_case(dataset(clip), {"a": tmp_path / "found"}, case(frame="00004", sequence="clip"))
    assert np.abs(shown.image[:64, :64].astype(int) - 160).max() <= 6


def test_what_is_not_there_is_named(sequence: VideoSequence, tmp_path: Path) -> None:
    write_prediction(tmp_path / "found", "squares", np.zeros(SIZE, np.int32))
    folders = {"a": tmp_path / "found"}
    with pytest.raises(ValueError, match="two squares has no sequence circles"):
        draw_case(dataset(sequence), folders, case(sequence="circles"))
    with pytest.raises(ValueError, match="has no frame 00099"):
        draw_case(dataset(sequence), folders, case(frame="00099"))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        draw_case(dataset(sequence), {"a": tmp_path / "nowhere"}, case())
    with pytest.raises(FileNotFoundError, match="00006"):
        draw_case(dataset(sequence), folders, case(frame="00006"))


def test_masks_of_another_size_than_the_frame_are_named(sequence: VideoSequence, tmp_path: Path) -> None:
    write_prediction(tmp_path / "found", "squares", np.ones((20, 28), np.int32))
    with pytest.raises(ValueError, match=r"00005.png is 28 x 20 pixels in frame 00005, but its video is 56 x 40"):
        draw_case(dataset(sequence), {"a": tmp_path / "found"}, case())
