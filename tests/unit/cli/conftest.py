"""A model for commands."""

from pathlib import Path

import pytest

from masklet.cli.options import ModelOptions


@pytest.fixture
def model(tiny_checkpoint: Path) -> ModelOptions:
    """A tiny model with random weights, on the CPU."""
    return ModelOptions(model=str(tiny_checkpoint), device="cpu")
