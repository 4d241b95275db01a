"""The sections of a run: what goes together, and what errors name."""

from pathlib import Path

import pytest

from masklet.training.data.images import Sa1bImagesConfig
from masklet.training.run_config import AverageConfig, ModelSection, RunConfig, RunSection
from masklet.training.sources_config import DataSection, SourceConfig


def test_data_and_length_are_enough() -> None:
    source = SourceConfig(clips=Sa1bImagesConfig(folder=Path("sa1b")))
    config = RunConfig(data=DataSection(train=(source,)), run=RunSection(steps=3))
    assert config.model.weights == "nano"
    assert config.average is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "steps is None and epochs None"),
        ({"steps": 3, "epochs": 2.0}, "exactly one"),
        ({"epochs": 0.0}, "epochs is 0.0"),
        ({"steps": 0}, "steps is 0"),
        ({"steps": 1, "accumulate": 0}, "accumulate is 0"),
        ({"steps": 1, "validate_every": -1}, "validate_every is -1"),
        ({"steps": 1, "devices": 0}, "devices is 0"),
        ({"steps": 1, "seed": -1}, "seed is -1"),
    ],
)
def test_wrong_runs_are_named(values: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RunSection(**values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"weights": None}, "preset is None"),
        ({"weights": None, "preset": "sam3"}, "'sam3'.*nano"),
        ({"preset": "nano"}, "leave it out"),
        ({"image_size": 100}, "multiple of 32"),
    ],
)
def test_wrong_models_are_named(values: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ModelSection(**values)


def test_an_average_forgets_in_the_end() -> None:
    with pytest.raises(ValueError, match="decay is 1"):
        AverageConfig(decay=1.0)
