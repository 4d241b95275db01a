"""What the tests of training share: a configuration that trains in a moment, and prepared pictures for scenes."""

from pathlib import Path

import numpy as np
import pytest

from masklet.config import DecoderConfig, MemoryConfig, ModelConfig, TrunkConfig
from masklet.training.scenes.parts import write_part


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
