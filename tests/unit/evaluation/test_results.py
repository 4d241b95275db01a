"""Scores as table, CSV and JSON, and the statistics of DAVIS."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.evaluation.results import (
    COLUMNS,
    STATISTICS_COLUMNS,
    decay,
    read_scores_json,
    recall,
    result_rows,
    write_results_csv,
    write_scores_json,
)
from masklet.evaluation.score_folders import score_folders
from masklet.evaluation.scores import ObjectScores, SequenceScores, VideoScores

SCORES = VideoScores(
    sequences=(
        SequenceScores(
            name="a-dog, running",
            objects=(
                ObjectScores(object_id=1, frames=("00001", "00002"), j=(1.0, 0.5), f=(0.25, 0.25)),
                ObjectScores(object_id=12, frames=("00002",), j=(1.0,), f=(1.0,)),
            ),
        ),
        SequenceScores(name="cat", objects=(ObjectScores(object_id=0, frames=("7",), j=(0.0,), f=(1 / 3,)),)),
    )
)


def test_rows_are_the_mean_and_each_object() -> None:
    assert result_rows(SCORES) == [
        ("Global score", "", "55.6", "58.3", "52.8"),
        ("a-dog, running", "001", "50.0", "75.0", "25.0"),
        ("a-dog, running", "012", "100.0", "100.0", "100.0"),
        ("cat", "000", "16.7", "0.0", "33.3"),
    ]


def test_rows_with_statistics_have_a_cell_for_each_column() -> None:
    rows = result_rows(SCORES, statistics=True)
    assert all(len(row) == len(STATISTICS_COLUMNS) for row in rows)
    assert rows[1][5:] == ("50.0", "50.0", "0.0", "0.0")
    assert rows[0][5:] == ("50.0", "16.7", "33.3", "0.0")


@pytest.mark.filterwarnings("ignore")  # the original forks
def test_the_csv_file_is_that_of_the_original(shared: Path, tmp_path: Path) -> None:
    benchmark = pytest.importorskip("vos_benchmark.benchmark")
    truth = tmp_path / "truth"
    for name in ("dog", "car-shadow"):
        (truth / name).mkdir(parents=True)
        for file in sorted((shared / "data" / "davis_dev" / "Annotations" / name).iterdir())[:5]:
            (truth / name / file.name).symlink_to(file)
    found = tmp_path / "found"
    for name, other in (("dog", "car-shadow"), ("car-shadow", "car-shadow")):  # a low score and a perfect one
        (found / name).mkdir(parents=True)
        for file, answer in zip(sorted((truth / name).iterdir()), sorted((truth / other).iterdir()), strict=True):
            (found / name / file.name).symlink_to(answer)
    benchmark.benchmark([str(truth)], [str(found)], num_processes=1, verbose=False)
    write_results_csv(tmp_path / "ours.csv", score_folders(truth, found, num_workers=1).scores)
    assert (tmp_path / "ours.csv").read_bytes() == (found / "results.csv").read_bytes()


def test_the_csv_file_is_read_by_programs(tmp_path: Path) -> None:
    write_results_csv(tmp_path / "results.csv", SCORES)
    with (tmp_path / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = [tuple(cell.strip() for cell in row) for row in csv.reader(file, skipinitialspace=True)]
    assert rows == [COLUMNS, *result_rows(SCORES)]


def test_scores_survive_json_exactly(tmp_path: Path) -> None:
    write_scores_json(tmp_path / "scores.json", SCORES)
    assert read_scores_json(tmp_path / "scores.json") == SCORES
    content = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert content["J&F"] == pytest.approx(SCORES.mean_jf)
    first = content["sequences"][0]["objects"][0]
    assert (first["J&F"], first["J recall"], first["J decay"]) == (50, 50, 50)


@pytest.mark.parametrize(
    "text", ["", "[1]", "{}", '{"format": "masklet scores 0", "sequences": []}', '{"format": "masklet scores 1"}']
)
def test_other_files_are_no_scores(text: str, tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"scores.json does not hold scores"):
        read_scores_json(tmp_path / "scores.json")
    with pytest.raises(FileNotFoundError, match=r"there is no file .*other.json of scores"):
        read_scores_json(tmp_path / "other.json")


def test_recall_is_the_share_of_frames_above_one_half() -> None:
    assert recall((0.5, 0.51, 1.0, 0.0)) == 50


def test_decay_is_how_much_the_last_quarter_lost_against_the_first() -> None:
    assert decay((1.0,)) == 0
    assert decay((1.0, 0.25)) == 75
    # Five frames: the ends of the bins are 1, 2, 3, 4, 5, and each bin has both of its ends.
    assert decay((1.0, 0.8, 0.1, 0.6, 0.4)) == pytest.approx(40)
    # Seven frames: the ends are 1, 2.5, 4, 5.5, 7, where halves are rounded up.
    assert decay((0.9, 0.9, 0.6, 0.5, 0.5, 0.4, 0.2)) == pytest.approx(100 * (0.8 - 0.3))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=400).map(tuple))
def test_statistics_stay_in_their_ranges(values: tuple[float, ...]) -> None:
    assert 0 <= recall(values) <= 100
    assert -100 <= decay(values) <= 100
    assert decay(values) == pytest.approx(100 * _decay_of_davis(np.array(values)), abs=1e-9)


def _decay_of_davis(values: np.ndarray) -> float:
    """The rule in words: four bins over frames 1 to n, each with the frames at both of its ends."""
    ends = [int(1 + quarter * (len(values) - 1) / 4 + 0.5 + 1e-10) for quarter in range(5)]
    return values[: ends[1]].mean() - values[ends[3] - 1 :].mean()
