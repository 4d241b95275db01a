"""Scores of one video: the frames and objects that count, against `vos-benchmark`, and what is refused."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from masklet.datasets.annotations import LabelMaps, Masks, ObjectFolders
from masklet.datasets.rules import DAVIS_RULES, SAV_RULES, ScoreRules
from masklet.evaluation.scores import SequenceScores
from masklet.evaluation.scoring import score_sequence
from masklet.io.files import write_mask_png
from masklet.io.label_maps import write_labels

ALL_FRAMES = replace(SAV_RULES, skip_first_and_last=False)


class Maps:
    """Annotations that are held in memory: label maps (T, H, W)."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels
        self.frames = tuple(f"{index:05d}" for index in range(len(labels)))

    def read(self, frame: str) -> Masks:
        labels = self.labels[int(frame)]
        return {int(id_): labels == id_ for id_ in np.unique(labels) if id_}

    def path(self, frame: str) -> Path:
        return Path(f"{frame}.png")


def draw(*frames: Mapping[int, slice], size: tuple[int, int] = (12, 40)) -> np.ndarray:
    """Label maps of bands of columns by object id."""
    labels = np.zeros((len(frames), *size), np.int32)
    for map_, bands in zip(labels, frames, strict=True):
        for id_, columns in bands.items():
            map_[2:-2, columns] = id_
    return labels


def score(truth: np.ndarray, predicted: np.ndarray, rules: ScoreRules = SAV_RULES, strict: bool = False):
    return score_sequence("clip", Maps(truth), Maps(predicted), rules, strict=strict)


def means(scores: SequenceScores) -> tuple[dict[int, float], dict[int, float]]:
    objects = scores.objects
    return {each.object_id: each.mean_j for each in objects}, {each.object_id: each.mean_f for each in objects}


def oracle(truth: np.ndarray, predicted: np.ndarray) -> tuple[dict[int, float], dict[int, float]]:
    evaluator = pytest.importorskip("vos_benchmark.evaluator").Evaluator()
    for mask, labels in zip(predicted, truth, strict=True):
        evaluator.feed_frame(mask, labels)
    return evaluator.conclude()


def assert_like(ours: tuple[dict, dict], theirs: tuple[dict, dict]) -> None:
    for mine, original in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(original, abs=1e-9)


def write_maps(folder: Path, labels: np.ndarray) -> LabelMaps:
    folder.mkdir(parents=True)
    for index, map_ in enumerate(labels):
        write_labels(folder / f"{index:05d}.png", map_)
    return LabelMaps(folder)


def write_objects(folder: Path, masks: Mapping[int, Mapping[str, np.ndarray]]) -> ObjectFolders:
    for id_, frames in masks.items():
        (folder / f"{id_:03d}").mkdir(parents=True)
        for frame, mask in frames.items():
            write_mask_png(folder / f"{id_:03d}" / f"{frame}.png", mask)
    return ObjectFolders(folder)


VIDEOS = st.tuples(st.integers(1, 6), st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: st.tuples(*(arrays(np.uint8, shape, elements=st.integers(0, 3)) for _ in range(2)))
)
"""Truth and prediction of up to three objects, which come and go."""


@given(VIDEOS)
def test_any_label_maps_score_as_by_the_original(videos: tuple[np.ndarray, np.ndarray]) -> None:
    truth, predicted = videos
    assert_like(means(score(truth, predicted, ALL_FRAMES)), oracle(truth, predicted))
    assert_like(means(score(truth, predicted)), oracle(truth[1:-1], predicted[1:-1]))


@given(st.data())
@settings(max_examples=40)
def test_objects_that_come_late_or_go_score_as_by_the_original(data: st.DataObject) -> None:
    bands = st.dictionaries(st.integers(1, 3), st.builds(slice, st.integers(0, 20), st.integers(20, 40)))
    videos = [draw(*data.draw(st.lists(bands, min_size=5, max_size=5))) for _ in range(2)]
    assert_like(means(score(*videos)), oracle(videos[0][1:-1], videos[1][1:-1]))


def test_files_score_as_by_the_original(shared: Path, tmp_path: Path) -> None:
    benchmark = pytest.importorskip("vos_benchmark.benchmark")
    for folder in sorted((shared / "data" / "davis_dev" / "Annotations").iterdir())[:3]:
        labels = np.stack([cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in sorted(folder.iterdir())[:7]])
        truth = (labels > 0).astype(np.uint8)
        truth[2:, : truth.shape[1] // 3][truth[2:, : truth.shape[1] // 3] > 0] = 2  # an object that comes later
        predicted = np.roll(truth, (4, -9), axis=(1, 2))
        kernel = np.ones((9, 9), np.uint8)
        predicted[4] = cv2.erode(truth[4], kernel)
        predicted[5] = 0
        maps = (
            write_maps(tmp_path / "truth" / folder.name, truth),
            write_maps(tmp_path / "found" / folder.name, predicted),
        )
        for skip in (True, False):
            evaluate = benchmark.VideoEvaluator(str(tmp_path / "truth"), str(tmp_path / "found"), skip)
            ours = score_sequence(folder.name, *maps, replace(SAV_RULES, skip_first_and_last=skip))
            assert_like(means(ours), evaluate(folder.name)[1:])


def test_the_first_and_last_frames_do_not_count() -> None:
    truth = draw(*[{1: slice(5, 15)}] * 5)
    predicted = truth.copy()
    predicted[[0, -1]] = 0
    scores = score(truth, predicted, strict=True)
    assert scores.name == "clip"
    assert scores.objects[0].frames == ("00001", "00002", "00003")
    assert scores.objects[0].j == scores.objects[0].f == (1, 1, 1)
    assert len(score(truth, predicted, ALL_FRAMES).objects[0].frames) == 5


def test_an_object_counts_from_its_first_appearance_or_from_the_beginning() -> None:
    there, gone = {1: slice(5, 15)}, {}
    truth = draw(gone, gone, gone, there, there, there)
    assert score(truth, truth).objects[0].frames == ("00003", "00004")
    assert score(truth, truth, DAVIS_RULES).objects[0].frames == ("00001", "00002", "00003", "00004")
    early = draw(gone, gone, there, there, there, there)
    assert score(truth, early).objects[0].j == (0, 1, 1)
    assert score(truth, early, DAVIS_RULES).objects[0].j == (1, 0, 1, 1)


def test_objects_of_the_truth_alone_are_reported() -> None:
    truth = draw(*[{1: slice(5, 15)}] * 4)
    predicted = draw(*[{1: slice(5, 15), 2: slice(20, 30)}] * 4)
    assert [each.object_id for each in score(truth, predicted).objects] == [1]


def test_an_object_on_frames_that_do_not_count_is_scored_by_the_rules_of_davis_alone() -> None:
    truth = draw({1: slice(5, 15), 2: slice(20, 30)}, *[{1: slice(5, 15)}] * 4)
    assert [each.object_id for each in score(truth, truth, strict=True).objects] == [1]
    later = truth.copy()
    later[2, 2:-2, 20:30] = 2
    objects = score(truth, later, DAVIS_RULES, strict=True).objects
    assert [each.object_id for each in objects] == [1, 2]
    assert objects[1].j == (1, 0, 1)


def test_void_pixels_count_in_neither() -> None:
    truth = draw(*[{1: slice(5, 15), 255: slice(15, 25)}] * 4)
    predicted = draw(*[{1: slice(5, 22)}] * 4)
    objects = score(truth, predicted, DAVIS_RULES, strict=True).objects
    assert [each.object_id for each in objects] == [1]
    assert objects[0].j == objects[0].f == (1, 1)
    appearing = replace(SAV_RULES, void_id=255)
    truth[1][truth[1] == 1] = 0
    predicted[1] = draw({1: slice(15, 25)})[0]
    assert score(truth, predicted, appearing).objects[0].frames == ("00002",)


def test_a_folder_an_object_scores_as_label_maps_do(tmp_path: Path) -> None:
    truth = draw(*[{1: slice(5, 15), 2: slice(20, 30)}] * 5)
    predicted = np.roll(truth, 2, axis=2)
    folders = [
        write_objects(
            tmp_path / name, {id_: {f"{index:05d}": map_ == id_ for index, map_ in enumerate(maps)} for id_ in (1, 2)}
        )
        for name, maps in (("truth", truth), ("found", predicted))
    ]
    maps = [write_maps(tmp_path / "maps" / name, each) for name, each in (("truth", truth), ("found", predicted))]
    expected = score_sequence("clip", *maps)
    assert len(expected.objects) == 2
    for true in (folders[0], maps[0]):
        for found in (folders[1], maps[1]):
            assert score_sequence("clip", true, found) == expected


def test_objects_that_overlap_and_the_id_0_are_fine_in_folders(tmp_path: Path) -> None:
    mask = draw({1: slice(5, 15)})[0] > 0
    frames = {f"{index:05d}": mask for index in range(4)}
    folder = write_objects(tmp_path / "clip", {0: frames, 3: frames})
    scores = score_sequence("clip", folder, folder)
    assert [(each.object_id, each.mean_jf) for each in scores.objects] == [(0, 100), (3, 100)]


def test_of_a_folder_an_object_each_has_its_own_first_and_last_frame(tmp_path: Path) -> None:
    mask = draw({1: slice(5, 15)})[0] > 0
    truth = write_objects(
        tmp_path / "truth",
        {0: {f"{index:05d}": mask for index in range(5)}, 1: {f"{index:05d}": mask for index in (2, 3, 4)}},
    )
    scores = score_sequence("clip", truth, truth)
    assert [each.frames for each in scores.objects] == [("00001", "00002", "00003"), ("00003",)]


def test_a_frame_without_a_prediction_is_named(tmp_path: Path) -> None:
    labels = draw(*[{1: slice(5, 15)}] * 5)
    truth = write_maps(tmp_path / "truth", labels)
    write_maps(tmp_path / "found", labels)
    (tmp_path / "found" / "00004.png").unlink()
    assert score_sequence("clip", truth, LabelMaps(tmp_path / "found"))  # the last one does not count
    (tmp_path / "found" / "00003.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"found/00003.png is missing: each .* 1 have none"):
        score_sequence("clip", truth, LabelMaps(tmp_path / "found"), strict=False)
    (tmp_path / "found" / "00001.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"found/00001.png is missing: each .* 2 have none"):
        score_sequence("clip", truth, LabelMaps(tmp_path / "found"))


def test_an_object_without_a_predicted_folder_or_picture_is_named(tmp_path: Path) -> None:
    mask = draw({1: slice(5, 15)})[0] > 0
    frames = {f"{index:05d}": mask for index in range(4)}
    truth = write_objects(tmp_path / "truth", {0: frames, 1: frames})
    with pytest.raises(FileNotFoundError, match=r"found/001/00001.png is missing"):
        score_sequence("clip", truth, write_objects(tmp_path / "found", {0: frames}))
    other = write_objects(tmp_path / "other", {0: frames, 1: {"00000": mask, "00001": mask}})
    with pytest.raises(FileNotFoundError, match=r"other/001/00002.png is missing"):
        score_sequence("clip", truth, other)
    short = write_objects(tmp_path / "short", {0: {"00000": mask}, 1: {"00000": mask}})
    with pytest.raises(FileNotFoundError, match=r"short has no mask of frame 00001"):
        score_sequence("clip", truth, short)


def test_pictures_of_different_sizes_are_named(tmp_path: Path) -> None:
    truth = write_maps(tmp_path / "truth", draw(*[{1: slice(5, 15)}] * 4))
    predicted = write_maps(tmp_path / "found", draw(*[{1: slice(5, 15)}] * 4, size=(10, 40)))
    with pytest.raises(
        ValueError, match=r"found/00001.png is 40 x 10 pixels, but the truth, .*truth/00001.png, is 40 x 12"
    ):
        score_sequence("clip", truth, predicted)


def test_empty_pictures_of_another_size_are_named_too(tmp_path: Path) -> None:
    labels = draw({1: slice(4, 12)}, {1: slice(4, 12)}, {1: slice(4, 12)})
    truth, small = write_maps(tmp_path / "truth", labels), write_maps(tmp_path / "small", labels[:, :6] * 0)
    with pytest.raises(ValueError, match=r"small.00001.png is 40 x 6 pixels.*truth.00001.png, is 40 x 12 .*00001"):
        score_sequence("clip", truth, small)
    with pytest.raises(ValueError, match=r"truth.00001.png is 40 x 12 pixels.*small.00001.png, is 40 x 6 .*00001"):
        score_sequence("clip", small, truth)


def test_predicted_objects_that_the_truth_never_has_are_named_if_strict(tmp_path: Path) -> None:
    labels = draw(*[{1: slice(5, 15)}] * 4)
    truth, predicted = write_maps(tmp_path / "truth", labels), write_maps(tmp_path / "found", labels * 255)
    with pytest.raises(ValueError, match=r"found/00001.png holds object 255, but the truth has object 1 .* 255 for"):
        score_sequence("clip", truth, predicted)
    assert score_sequence("clip", truth, predicted, strict=False).objects[0].j == (0, 0)


def test_predicted_objects_that_the_truth_has_elsewhere_are_fine() -> None:
    truth = draw({1: slice(5, 15), 2: slice(20, 30)}, *[{1: slice(5, 15)}] * 4)
    predicted = draw(*[{1: slice(5, 15), 2: slice(20, 30)}] * 5)
    assert [each.object_id for each in score(truth, predicted, strict=True).objects] == [1]


def test_folders_of_objects_that_the_truth_lacks_are_named_if_strict(tmp_path: Path) -> None:
    mask = draw({1: slice(5, 15)})[0] > 0
    frames = {f"{index:05d}": mask for index in range(4)}
    truth = write_objects(tmp_path / "truth", {0: frames, 4: dict.fromkeys(frames, mask & False)})
    found = write_objects(tmp_path / "found", {0: frames, 4: frames, 7: frames})
    with pytest.raises(ValueError, match="holds object 7, but the truth has object 0 "):
        score_sequence("clip", truth, found)
    assert [each.object_id for each in score_sequence("clip", truth, found, strict=False).objects] == [0]


def test_a_video_with_nothing_to_score_is_refused_if_strict(tmp_path: Path) -> None:
    short = write_maps(tmp_path / "short", draw(*[{1: slice(5, 15)}] * 2))
    with pytest.raises(ValueError, match=r"short has masks of 2 frames"):
        score_sequence("clip", short, short)
    assert score_sequence("clip", short, short, strict=False) == SequenceScores(name="clip", objects=())
    empty = write_maps(tmp_path / "empty", draw({1: slice(5, 15)}, {}, {}))
    with pytest.raises(ValueError, match=r"empty has no object in it"):
        score_sequence("clip", empty, empty)
    assert score_sequence("clip", empty, empty, strict=False).objects == ()


def test_black_and_white_masks_are_void_by_the_rules_of_davis_and_that_is_said(tmp_path: Path) -> None:
    maps = write_maps(tmp_path / "maps", draw(*[{255: slice(5, 15)}] * 4))
    assert score_sequence("clip", maps, maps).objects[0].object_id == 255
    with pytest.raises(ValueError, match=r"maps has no object in it .*\(the value 255 is void"):
        score_sequence("clip", maps, maps, DAVIS_RULES)
