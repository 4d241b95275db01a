"""Probabilities of all settings of scenes are checked, whatever they are called."""

from dataclasses import fields

import pytest

from masklet.training.scenes.augment import AugmentConfig
from masklet.training.scenes.cast import CastConfig
from masklet.training.scenes.lens import LensConfig
from masklet.training.scenes.lighting import LightingConfig
from masklet.training.scenes.motion import MotionConfig
from masklet.training.scenes.moving import MovingScenesConfig
from masklet.training.scenes.still import ScenesConfig

CONFIGS = (AugmentConfig, CastConfig, LensConfig, LightingConfig, MotionConfig, MovingScenesConfig, ScenesConfig)
PROBABILITIES = [(kind, each.name) for kind in CONFIGS for each in fields(kind) if each.name.endswith("_probability")]


@pytest.mark.parametrize(
    ("kind", "name"), [*PROBABILITIES, (LensConfig, "max_exposure"), (LightingConfig, "max_shadow")]
)
@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_probabilities_are_from_0_to_1(kind: type, name: str, value: float) -> None:
    assert getattr(kind(**{name: 1.0}), name) == 1.0
    with pytest.raises(ValueError, match=f"{name} must be a probability, 0 to 1, got {value}"):
        kind(**{name: value})
