"""What the tests of training share: a configuration that trains in a moment, and prepared pictures for scenes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from masklet.checkpoint.save import save_model
from masklet.config import DecoderConfig, MemoryConfig, ModelConfig, TrunkConfig
from masklet.model import Sam2
from masklet.training.data.images import ImageFolderConfig
from masklet.training.data.loader import LoaderConfig
from masklet.training.losses import LossConfig
from masklet.training.optimise import OptimiserConfig
from masklet.training.prompts import PromptConfig
from masklet.training.run_config import AverageConfig, ModelSection, RunConfig, RunSection
from masklet.training.scenes.parts import write_part
from masklet.training.sources_config import DataSection, SourceConfig, ValidationConfig


@pytest.fixture(scope="session")
def model_config() -> ModelConfig:
    """A model of a few thousand weights for images of 64 pixels."""
    return ModelConfig(
        image_size=64,
        dim=16,
        trunk=TrunkConfig(embed_dim=4, stage_depths=(1, 1, 1, 1), global_blocks=(0,), window_sizes=(4, 4, 4, 2)),
        decoder=DecoderConfig(depth=1, num_heads=2, mlp_dim=16),
        memory=MemoryConfig(dim=8, attention_layers=1, attention_mlp_dim=16, fuser_layers=1),
    )


def make_disc(size: int) -> np.ndarray:
    """A red disc, uint8 (size, size, 4), colour times alpha."""
    ys, xs = np.mgrid[:size, :size] - (size - 1) / 2
    rgba = np.zeros((size, size, 4), np.uint8)
    rgba[np.hypot(ys, xs) < size / 2] = (200, 30, 30, 255)
    return rgba


@pytest.fixture
def disc() -> np.ndarray:
    """A cut-out: a red disc of 40 pixels, uint8 (40, 40, 4), colour times alpha."""
    return make_disc(40)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared pictures: one cut-out of each kind, three views of four quadrants, one without regions."""
    root = tmp_path_factory.mktemp("pictures")
    cutouts = [make_disc(size) for size in (24, 32, 40, 48, 56)]
    offsets = np.cumsum([0, *(cutout.size for cutout in cutouts)])
    index = [(int(offsets[kind]), *cutout.shape[:2], kind) for kind, cutout in enumerate(cutouts)]
    flat = np.concatenate([cutout.ravel() for cutout in cutouts])
    write_part(root, "cutouts", {"cutouts": flat, "cutouts_index": np.array(index)}, ["discs"])
    labels = np.kron(np.array([[0, 1], [2, 3]], np.uint16), np.ones((40, 40), np.uint16))
    members = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0]], bool)
    rng = np.random.default_rng(0)
    for number in range(3):
        rgb = rng.integers(0, 256, (4, 3)).astype(np.uint8)[labels]
        scores = np.array([0.9, 0.4, 0.2], np.float32) * (number < 2)
        arrays = {"rgb": rgb, "labels": labels, "members": members, "scores": scores}
        write_part(root, "views", {f"views_{name}": array[None] for name, array in arrays.items()}, [str(number)])
    return root


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `images` and `masks`: 8 pictures of 80 x 64 pixels with two bright rectangles on dark noise."""
    root = tmp_path_factory.mktemp("drawn")
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (root / part).mkdir()
    for number in range(8):
        picture, labels = rng.integers(0, 60, (64, 80, 3)).astype(np.uint8), np.zeros((64, 80), np.uint8)
        for label, left in ((1, 4), (2, 44)):
            top, x = rng.integers(4, 30), left + rng.integers(0, 8)
            labels[top : top + 24, x : x + 20] = label
            picture[labels == label] = rng.integers(140, 256, 3)
        Image.fromarray(picture).save(root / "images" / f"{number}.png")
        Image.fromarray(labels).save(root / "masks" / f"{number}.png")
    return root


@pytest.fixture
def make_run(drawn: Path, model_config: ModelConfig, tmp_path: Path) -> Callable[..., RunConfig]:
    """`make_run(**settings)`: a run of 4 steps on `drawn` with a tiny model; settings are those of its section run.

    One picture of eight is held out. Its folder is `tmp_path / "run"`.
    """
    weights = tmp_path / "weights.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_model(Sam2(model_config), weights)
    folder = ImageFolderConfig(images=drawn / "images", masks=drawn / "masks", held_out=0.3)
    data = DataSection(
        train=(SourceConfig(clips=folder, batch_size=2),),
        validation=(ValidationConfig(clips=replace(folder, part="held_out"), batch_size=2),),
        loader=LoaderConfig(num_workers=0),
    )

    def make(**settings: object) -> RunConfig:
        run = {"steps": 4, "precision": "float32", "accelerator": "cpu", "log_every": 1, "save_every": 2}
        return RunConfig(
            model=ModelSection(weights=str(weights)),
            data=data,
            prompts=PromptConfig(num_corrections=1),
            loss=LossConfig(at_full_size=False),
            optimiser=OptimiserConfig(learning_rate=1e-3, rates={}, clip_norm=1.0),
            average=AverageConfig(decay=0.9),
            run=RunSection(**{"output": tmp_path / "run", "validate_every": 4, **run, **settings}),
        )

    return make
