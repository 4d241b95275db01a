"""The bundled model on real photographs, and what the documents say."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

import masklet
from masklet.datasets.image_data import open_image_dataset
from masklet.evaluation.image import ImageOptions, ImageScores, evaluate_images
from masklet.ops.masks import mask_iou

REPOSITORY = Path(__file__).resolve().parents[2]
COFFEE = REPOSITORY / "examples" / "media" / "coffee.jpg"


@pytest.fixture(scope="module")
def predictor() -> masklet.ImagePredictor:
    return masklet.ImagePredictor(masklet.load_model("nano", device="cpu"))


def ellipse(centre: tuple[int, int], axes: tuple[int, int]) -> np.ndarray:
    mask = np.zeros((400, 600), np.uint8)
    return cv2.ellipse(mask, centre, axes, 0, 0, 360, 1, -1).astype(bool)


def test_a_click_on_the_coffee_finds_the_coffee(predictor):
    result = predictor.predict(predictor.encode(COFFEE), points=[(290, 160)], labels=[1])
    assert max(mask_iou(mask, ellipse((287, 143), (82, 49))) for mask in result.masks) > 0.6


def test_a_box_around_the_saucer_finds_the_saucer(predictor):
    result = predictor.predict(predictor.encode(COFFEE), boxes=(76, 16, 480, 388))
    assert max(mask_iou(mask, ellipse((278, 215), (200, 172))) for mask in result.masks) > 0.6


def test_readme_examples_run(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    examples = re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    names: dict = {}
    exec("\n".join(examples), names)
    assert names["frame"].frame_index == 59
    assert names["result"].masks.shape == (3, 400, 600)
    assert names["cups"].masks.shape == (2, 1, 400, 600)


def test_guide_to_images_runs(monkeypatch, tmp_path):
    """All its examples, in order."""
    guide = (REPOSITORY / "docs" / "images.md").read_text()
    code = "\n".join(re.findall(r"```python\n(.*?)```", guide, re.DOTALL))
    code = code.replace("a.jpg", str(COFFEE)).replace("b.png", str(COFFEE.with_name("chelsea.jpg")))
    monkeypatch.chdir(REPOSITORY)
    names: dict = {}
    exec(code.replace("coffee.features", str(tmp_path / "coffee.features")), names)
    assert names["better"].masks.shape == (1, 400, 600)
    assert names["second"].masks.shape[:2] == (2, 3)


@pytest.mark.slow
def test_clicks_on_photographs(predictor, shared):
    """Above 0.56, what the best of three classical regions at the click gets (Felzenszwalb, three scales)."""
    photographs = open_image_dataset(shared / "data" / "bsds_dev")
    options = ImageOptions(prompts=("1-click",), areas=photographs.areas)
    scores = ImageScores(measures=options.measures)
    for _ in evaluate_images(predictor, photographs.images, options, scores):
        pass
    assert (len(scores.regions), scores.failures) == (335, [])
    assert scores.mean("1 click, best of three") > 0.56
