"""Probabilities of all settings are checked, whatever they are called."""

from dataclasses import fields

import pytest

from masklet.training.data.transforms import TransformConfig
from masklet.training.data.window import WindowConfig
from masklet.training.drift import DriftConfig
from masklet.training.prompts import PromptConfig
from masklet.training.scenes.augment import AugmentConfig
from masklet.training.scenes.cast import CastConfig
from masklet.training.scenes.lens import LensConfig
from masklet.training.scenes.lighting import LightingConfig
from masklet.training.scenes.motion import MotionConfig
from masklet.training.scenes.moving import MovingScenesConfig
from masklet.training.scenes.still import ScenesConfig

SCENES = (AugmentConfig, CastConfig, LensConfig, LightingConfig, MotionConfig, MovingScenesConfig, ScenesConfig)
CONFIGS = (DriftConfig, PromptConfig, TransformConfig, WindowConfig, *SCENES)
PROBABILITIES = [(kind, each.name) for kind in CONFIGS for each in fields(kind) if each.name.endswith("probability")]


@pytest.mark.parametrize(
    ("kind", "name"), [*PROBABILITIES, (LensConfig, "max_exposure"), (LightingConfig, "max_shadow")]
)
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_probabilities_are_from_0_to_1(kind: type, name: str, value: float) -> None:
    assert getattr(kind(**{name: 1.0}), name) == 1.0
    with pytest.raises(ValueError, match=f"{name} is {value}, but it must be a probability, 0 to 1"):
        kind(**{name: value})
