"""How the settings of scenes are checked."""

from dataclasses import fields
from typing import Any


def check_probabilities(config: Any, *others: str) -> None:
    """ValueError naming the first field outside 0..1: of those called ..._probability, and of others by name."""
    names = [each.name for each in fields(config) if each.name.endswith("_probability")]
    for name in (*names, *others):
        if not 0.0 <= getattr(config, name) <= 1.0:
            raise ValueError(f"{name} must be a probability, 0 to 1, got {getattr(config, name)}")
