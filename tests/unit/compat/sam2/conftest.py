"""What the tests of the video predictor share."""

import numpy as np
import pytest
import torch

from masklet.compat.sam2 import SAM2VideoPredictor
from masklet.config import ModelConfig
from masklet.model import Sam2


@pytest.fixture(scope="session")
def frames() -> np.ndarray:
    """A video of noise: 8 frames, 40 high and 56 wide."""
    return np.random.default_rng(0).integers(0, 256, (8, 40, 56, 3), dtype=np.uint8)


@pytest.fixture
def predictor(tiny: ModelConfig) -> SAM2VideoPredictor:
    """A tiny model to which every object is present, and whose masks depend on prompts and memories by whole logits."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Sam2(tiny)
    model.mask_decoder.object_head.layers[-1].bias.data += 10.0
    for mlp in model.mask_decoder.hypernetworks:
        mlp.layers[-1].weight.data *= 100.0
    for layer in model.memory_attention.layers:
        layer.cross_attention.out_projection.weight.data *= 10.0
    return SAM2VideoPredictor(model).eval()
