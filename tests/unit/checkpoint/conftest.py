"""Small models as tensors, of each kind that checkpoints know."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from masklet.checkpoint.layouts import State
from masklet.config import DecoderConfig, MemoryConfig, ModelConfig, TrunkConfig
from masklet.model import Sam2

SMALL = ModelConfig(
    image_size=64,
    dim=64,
    trunk=TrunkConfig(
        embed_dim=16,
        num_heads=2,
        stage_depths=(1, 2, 3, 1),
        window_sizes=(8, 4, 4, 2),
        global_blocks=(4, 5),
        position_grid=(4, 4),
    ),
    decoder=DecoderConfig(num_heads=4, mlp_dim=64),
    memory=MemoryConfig(attention_layers=2, attention_mlp_dim=64),
)


@pytest.fixture
def config() -> ModelConfig:
    """A small configuration that is none of the presets."""
    return SMALL


@pytest.fixture
def make_state() -> Callable[..., State]:
    """`make_state(config)`: the tensors of a model with random weights, none of them constant."""

    def make(config: ModelConfig, dtype: torch.dtype = torch.float32) -> State:
        with torch.device("meta"):
            shapes = Sam2(config).state_dict()
        generator = torch.Generator().manual_seed(0)
        return {name: torch.randn(t.shape, generator=generator).to(dtype) for name, t in shapes.items()}

    return make


@pytest.fixture
def meta_state() -> Callable[[ModelConfig], State]:
    """`meta_state(config)`: a model's tensors without storage."""

    def make(config: ModelConfig) -> State:
        with torch.device("meta"):
            return Sam2(config).state_dict()

    return make


@pytest.fixture
def config_2_0(config: ModelConfig) -> ModelConfig:
    """The small configuration without SAM 2.1's additions."""
    return replace(config, pointer_time_encoding=False, absence_embedding=False)
