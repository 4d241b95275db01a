"""Fine-tuning the bundled model on what users bring: a few pictures of a thing that it does not know as one."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from masklet.checkpoint.convert import convert, inspect
from masklet.predictors.image import ImagePredictor
from masklet.runtime.load import load_model
from masklet.training.assemble import prepare_run
from masklet.training.run_file import read_run

SIDE = 160

CONFIG = """
model: {weights: nano, image_size: 96}
data:
  train: [{kind: image_folder, images: images, masks: masks, batch_size: 4, held_out: 0.3}]
  transforms: {affine: {degrees: 10, shear: 0}}
  loader: {num_workers: 0}
loss: {at_full_size: false}
prompts: {box_probability: 0.25, centre_click_probability: 0.5, num_corrections: 1}
optimiser: {learning_rate: 3.0e-4, rates: {}, clip_norm: 1.0}
run: {steps: 60, precision: float32, accelerator: cpu, log_every: 20, validate_every: 100, pictures_every: 100}
"""


def draw_wheel(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A wheel of eight wedges in four colours on a cloudy ground, and its mask: one sees a wedge, or the wheel."""
    cloud = rng.integers(0, 256, (5, 5, 3)).astype(np.uint8)
    picture = cv2.resize(cloud, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    radius = int(rng.integers(28, 46))
    x, y = rng.integers(radius, SIDE - radius, 2)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    mask = np.hypot(columns - x, rows - y) < radius
    wedge = (np.arctan2(rows - y, columns - x) / np.pi * 4 + rng.uniform(0, 8)).astype(int) % 4
    picture[mask] = rng.integers(0, 256, (4, 3))[wedge[mask]]
    return picture, mask


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A run's configuration beside 28 pictures of wheels with masks."""
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(28):
        picture, mask = draw_wheel(rng)
        Image.fromarray(picture).save(tmp_path / "images" / f"wheel_{number:02d}.jpg", quality=92)
        Image.fromarray(mask).save(tmp_path / "masks" / f"wheel_{number:02d}.png")
    (tmp_path / "wheels.yaml").write_text(CONFIG)
    return tmp_path / "wheels.yaml"


def validated(folder: Path) -> list[float]:
    """IoU on what was held out, from before the first step on."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["validation/chosen_iou"] for line in lines if "validation/chosen_iou" in line]


def test_a_few_pictures_teach_the_bundled_model(wheels, tmp_path):
    folder = prepare_run(read_run(wheels, output=tmp_path / "run")).train()
    before, *_, after = validated(folder)
    assert after > before + 0.15
    # The result answers as any other model does, on a picture that is new, and fits Meta's own code.
    picture, mask = draw_wheel(np.random.default_rng(99))
    centre = [tuple(np.argwhere(mask).mean(0)[::-1])]
    ious = []
    for source in ("nano", folder / "model.safetensors"):
        predictor = ImagePredictor(load_model(source, device="cpu", image_size=96))
        found = predictor.predict(predictor.encode(picture), points=centre, labels=[1]).best
        ious.append((found & mask).sum() / (found | mask).sum())
    assert ious[1] > ious[0]
    convert(folder / "model.safetensors", tmp_path / "official.pt", "official")
    assert not inspect(tmp_path / "official.pt").problems


@pytest.mark.slow
def test_more_steps_teach_it_well(wheels, tmp_path):
    settings = ["run.steps=200", "run.validate_every=50", "average={decay: 0.95}"]
    folder = prepare_run(read_run(wheels, settings, output=tmp_path / "run")).train()
    before, *_, after = validated(folder)
    assert after > before + 0.3
