"""Scores of whole folders: which videos, which layouts, in one process and in several."""

from pathlib import Path

import numpy as np
import pytest

from masklet.datasets.annotations import LabelMaps, ObjectFolders
from masklet.datasets.rules import DAVIS_RULES
from masklet.datasets.sequences import VideoDataset, VideoSequence
from masklet.evaluation.score_folders import find_masks, open_alike, score_dataset, score_folders
from masklet.io.files import write_mask_png
from masklet.io.label_maps import write_labels


def square(shift: int = 0) -> np.ndarray:
    mask = np.zeros((20, 30), bool)
    mask[5:15, 5 + shift : 15 + shift] = True
    return mask


def write_video(folder: Path, shift: int = 0, num_frames: int = 4, value: int = 1) -> Path:
    folder.mkdir(parents=True)
    for index in range(num_frames):
        write_labels(folder / f"{index:05d}.png", square(shift) * value)
    return folder


def write_object(folder: Path, shift: int = 0) -> Path:
    (folder / "001").mkdir(parents=True)
    for index in range(4):
        write_mask_png(folder / "001" / f"{index:05d}.png", square(shift))
    return folder


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    """Three videos: the masks of a are right, those of b half, those of c by object and in part."""
    truth, found = tmp_path / "truth", tmp_path / "found"
    write_video(truth / "b")
    write_video(truth / "a")
    write_object(truth / "c")
    write_video(found / "a")
    write_video(found / "b", shift=5)
    write_video(found / "c", shift=2)
    (found / "results.csv").write_text("of an earlier run")
    (found / ".hidden").mkdir()
    return truth, found


def names(scored) -> list[str]:
    return [sequence.name for sequence in scored.scores.sequences]


def test_videos_of_both_layouts_are_scored_in_the_order_of_their_names(roots: tuple[Path, Path]) -> None:
    told = []
    scored = score_folders(*roots, num_workers=1, on_progress=lambda done, total: told.append((done, total)))
    assert names(scored) == ["a", "b", "c"]
    assert [one.mean_j for _, one in scored.scores.objects] == pytest.approx([100, 100 / 3, 100 * 8 / 12])
    assert scored.notes == ()
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_several_processes_give_the_same(roots: tuple[Path, Path]) -> None:
    assert score_folders(*roots, num_workers=2) == score_folders(*roots, num_workers=1)


@pytest.mark.parametrize("inner", ["Annotations", "Annotations/480p", "Annotations_6fps"])
def test_the_root_of_a_data_set_is_as_good_as_its_folder_of_masks(inner: str, tmp_path: Path) -> None:
    write_video(tmp_path / "data" / inner / "a")
    write_video(tmp_path / "found" / "a")
    (tmp_path / "data" / "JPEGImages").mkdir()
    assert find_masks(tmp_path / "data") == tmp_path / "data" / inner
    assert names(score_folders(tmp_path / "data", tmp_path / "found", num_workers=1)) == ["a"]


def test_videos_that_one_side_lacks_are_named_or_left_out(roots: tuple[Path, Path]) -> None:
    write_video(roots[0] / "only-true")
    write_video(roots[1] / "only-found")
    with pytest.raises(ValueError, match=r"truth, these .* in .*found: only-true; of .*found, these .*: only-found"):
        score_folders(*roots)
    scored = score_folders(*roots, strict=False)
    assert names(scored) == ["a", "b", "c"]
    assert ["only-true" in note for note in scored.notes] == [True, False]


def test_of_many_names_some_are_told(tmp_path: Path) -> None:
    for index in range(14):
        write_video(tmp_path / "truth" / f"v{index:02d}", num_frames=1)
    write_video(tmp_path / "found" / "other", num_frames=1)
    with pytest.raises(ValueError, match=r"v00, .*, v07 and 6 more; .*: other$"):
        score_folders(tmp_path / "truth", tmp_path / "found", strict=False)


def test_folders_without_videos_are_refused(tmp_path: Path) -> None:
    video = write_video(tmp_path / "truth" / "a")
    with pytest.raises(ValueError, match=r"a has no folders in it"):
        score_folders(tmp_path / "truth", video)
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere of masks"):
        score_folders(tmp_path / "nowhere", tmp_path / "truth")
    (tmp_path / "found" / "a").mkdir(parents=True)
    with pytest.raises(ValueError, match="found/a has neither PNGs nor folders"):
        score_folders(tmp_path / "truth", tmp_path / "found")


@pytest.mark.parametrize("num_workers", [1, 2])
def test_what_is_wrong_with_a_video_is_said_with_its_name(num_workers: int, roots: tuple[Path, Path]) -> None:
    (roots[1] / "b" / "00002.png").unlink()
    with pytest.raises(ValueError, match=r"b cannot be scored: .*found/b/00002.png is missing"):
        score_folders(*roots, num_workers=num_workers)


def test_videos_with_nothing_to_score_are_refused_or_left_out(roots: tuple[Path, Path], tmp_path: Path) -> None:
    write_video(roots[0] / "short", num_frames=2)
    write_video(roots[1] / "short", num_frames=2)
    with pytest.raises(ValueError, match=r"short cannot be scored: .*truth/short has masks of 2 frames"):
        score_folders(*roots)
    scored = score_folders(*roots, strict=False)
    assert names(scored) == ["a", "b", "c"]
    assert len(scored.notes) == 1
    assert "truth/short has masks of 2 frames" in scored.notes[0]
    write_video(tmp_path / "one" / "short", num_frames=2)
    with pytest.raises(ValueError, match=r"one/short has masks of 2 frames"):
        score_folders(tmp_path / "one", tmp_path / "one", strict=False)


def dataset(*videos: Path, **options) -> VideoDataset:
    sequences = tuple(
        VideoSequence(name=path.name, video=path, annotations=LabelMaps(path, binary=True)) for path in videos
    )
    return VideoDataset(name="ours", sequences=sequences, has_truth=True, **options)


def test_a_data_set_is_scored_by_its_own_rules_and_reading(tmp_path: Path) -> None:
    videos = [write_video(tmp_path / "truth" / name, value=255) for name in ("b", "a")]
    for name in ("a", "b", "not-asked-for"):
        write_video(tmp_path / "found" / name, value=1)
    scored = score_dataset(dataset(*videos), tmp_path / "found", num_workers=1)
    assert names(scored) == ["a", "b"]
    assert scored.scores.mean_jf == 100
    for path in sorted((tmp_path / "truth" / "a").iterdir())[:3]:
        write_labels(path, np.zeros((20, 30), int))
    with pytest.raises(ValueError, match="no object in it on any frame that counts"):
        score_dataset(dataset(*videos), tmp_path / "found")
    by_davis = score_dataset(dataset(*videos, rules=DAVIS_RULES), tmp_path / "found").scores
    assert by_davis.sequences[0].objects[0].j == (0, 0)


def test_a_data_set_lacks_no_predictions_unless_leniently(tmp_path: Path) -> None:
    videos = [write_video(tmp_path / "truth" / name) for name in ("a", "b")]
    write_video(tmp_path / "found" / "b")
    with pytest.raises(ValueError, match=r"of ours, these have no folder in .*found: a$"):
        score_dataset(dataset(*videos), tmp_path / "found")
    scored = score_dataset(dataset(*videos), tmp_path / "found", strict=False)
    assert names(scored) == ["b"]
    assert len(scored.notes) == 1
    with pytest.raises(ValueError, match="no folder"):
        score_dataset(dataset(videos[0]), tmp_path / "found", strict=False)


def test_a_data_set_without_truth_cannot_be_scored(tmp_path: Path) -> None:
    video = write_video(tmp_path / "truth" / "a")
    hidden = VideoDataset(
        name="test-dev",
        sequences=(VideoSequence(name="a", video=video, annotations=LabelMaps(video)),),
        has_truth=False,
    )
    with pytest.raises(ValueError, match="test-dev has no masks to score against"):
        score_dataset(hidden, tmp_path)


def test_predictions_are_opened_as_the_truth_is(tmp_path: Path) -> None:
    video, by_object = write_video(tmp_path / "a", value=7), write_object(tmp_path / "b")
    black_and_white = open_alike(video, LabelMaps(video, binary=True))
    assert list(black_and_white.read("00001")) == [1]
    assert list(open_alike(video, LabelMaps(video)).read("00001")) == [7]
    assert isinstance(open_alike(by_object, LabelMaps(video, binary=True)), ObjectFolders)
