"""The options of `masklet everything`, and how they become those of the generator."""

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from masklet.cli.console import UsageError
from masklet.cli.everything_options import FindOptions, FollowOptions, check_formats
from masklet.predictors.generator_options import GeneratorOptions


def test_the_defaults_are_the_generators() -> None:
    assert FindOptions().to_options() == GeneratorOptions()
    assert [field.name for field in fields(FindOptions)] == [field.name for field in fields(GeneratorOptions)]


def test_every_option_reaches_the_generator() -> None:
    given = {"points_per_side": 4, "points_per_batch": 3, "pred_iou_thresh": 0.1, "stability_score_thresh": 0.2}
    given |= {"stability_score_offset": 0.3, "mask_threshold": 0.4, "box_nms_thresh": 0.5, "crop_n_layers": 1}
    given |= {"crop_nms_thresh": 0.6, "crop_overlap_ratio": 0.7, "crop_n_points_downscale_factor": 2}
    given |= {"min_mask_region_area": 9.0, "use_m2m": True, "multimask_output": False}
    assert given.keys() | {"point_grids"} == {field.name for field in fields(GeneratorOptions)}
    assert FindOptions(**given).to_options() == GeneratorOptions(**given)


def test_a_wrong_value_is_named() -> None:
    with pytest.raises(UsageError, match=r"box_nms_thresh is 1\.5"):
        FindOptions(box_nms_thresh=1.5).to_options()


def test_points_of_a_file_take_the_place_of_the_grid(tmp_path: Path) -> None:
    file = tmp_path / "grids.json"
    file.write_text("[[[0.5, 0.25]], [[0.1, 0.9], [1, 0]]]")
    find = FindOptions(point_grids=file, crop_n_layers=1)
    grids = find.to_options().grids()
    assert [grid.tolist() for grid in map(np.asarray, grids)] == [[[0.5, 0.25]], [[0.1, 0.9], [1, 0]]]
    assert json.loads(json.dumps(find.describe()))["point_grids"] == json.loads(file.read_text())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"{", "is not JSON"),
        (b"\xff\xff", "is not JSON"),
        (b'{"a": 1}', "no list of grids"),
        (b"[[0.5, 0.5]]", "shape"),
        (b"[[[0.5, 2]]]", "in \\[0, 1\\]"),
        (b"[]", "0 grids"),
    ],
)
def test_files_of_points_that_mean_nothing(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "grids.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=words):
        FindOptions(point_grids=file).to_options()


def test_what_is_said_of_a_video_wants_one() -> None:
    FollowOptions().check()
    FollowOptions(video=True, look_again=3, no_masks=True).check()
    with pytest.raises(UsageError, match="--non-overlapping is for videos"):
        FollowOptions(non_overlapping=True).check()


def test_formats_are_checked_before_any_work() -> None:
    check_formats([], video=False)
    check_formats(["sav", "coco"], video=True)
    with pytest.raises(UsageError, match=r"no annotation format 'koko': choose one of .*coco.*"):
        check_formats(["coco", "koko"], video=True)
    with pytest.raises(UsageError, match="sav is of videos alone"):
        check_formats(["sav"], video=False)
