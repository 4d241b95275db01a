"""`masklet evaluate image`, called as a function, on a tiny model with random weights."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.cli.console import UsageError
from masklet.cli.evaluate_image import RegionOptions, image
from masklet.cli.options import ModelOptions

SIZE = (20, 30)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures with regions of 25%, 75% and a dot."""
    folder = tmp_path / "photos"
    folder.mkdir()
    labels = np.ones((1, *SIZE), np.uint8)
    labels[:, :10, :15] = 2
    labels[:, 0, 0] = 3
    for name in "abc":
        pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
        np.savez(folder / f"{name}.npz", segmentations=labels)
    return folder


def test_everything_is_written(photos: Path, model: ModelOptions, tmp_path: Path, capsys) -> None:
    output = tmp_path / "deep" / "out"
    assert image(photos, model=model, prompts=("1-click", "box"), output=output) == 0
    known = json.loads((output / "results.json").read_text())
    assert (known["dataset"], known["image_size"], len(known["weights"])) == ("photos", 64, 64)
    assert known["num_regions"] == 3
    assert known["left_out"] == {"too large": 3, "too small": 3}
    assert len((output / "results.csv").read_text().splitlines()) == 4
    assert "Masks of photos" in (output / "report.html").read_text()
    told = capsys.readouterr()
    assert f"box\t{known['scores']['box']['mean_iou']:.3f}" in told.out
    assert "3 regions of 3 pictures" in told.err
    assert "3 regions were left out: too small" in told.err


def test_areas_and_number_of_pictures_can_be_chosen(photos: Path, model: ModelOptions, tmp_path: Path) -> None:
    regions = RegionOptions(max_area=1, limit=2)
    assert image(photos, regions=regions, model=model, prompts=("box",), output=tmp_path / "out") == 0
    known = json.loads((tmp_path / "out" / "results.json").read_text())
    assert (known["num_regions"], known["areas"], known["left_out"]) == (4, [0.01, 1], {"too small": 2})


def test_a_picture_that_fails_is_told(photos: Path, model: ModelOptions, tmp_path: Path, capsys) -> None:
    (photos / "b.png").unlink()
    assert image(photos, model=model, prompts=("box",), output=tmp_path / "out") == 1
    told = capsys.readouterr()
    assert "b.jpg" in told.err
    assert "1 of 3 pictures failed: the means are without them" in told.err
    assert json.loads((tmp_path / "out" / "results.json").read_text())["num_regions"] == 2


def test_no_regions_is_an_error(photos: Path, model: ModelOptions, tmp_path: Path) -> None:
    regions = RegionOptions(min_area=0.4)
    with pytest.raises(ValueError, match=r"no regions to measure: .*6 regions were left out: too small"):
        image(photos, regions=regions, model=model, prompts=("box",), output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_makes_no_sense_is_refused_before_the_model_is_loaded(photos: Path, tmp_path: Path) -> None:
    model = ModelOptions(model="there is no such model")
    with pytest.raises(UsageError, match=r"--min-area 0\.7 is larger"):
        image(photos, regions=RegionOptions(min_area=0.7), model=model, output=tmp_path / "out")
    with pytest.raises(UsageError, match="is a file"):
        image(photos, model=model, output=photos / "a.png")


def test_results_on_videos_are_not_written_over(photos: Path, model: ModelOptions, tmp_path: Path) -> None:
    (tmp_path / "run.json").touch()
    with pytest.raises(UsageError, match="has results of an evaluation on videos"):
        image(photos, model=model, output=tmp_path)
