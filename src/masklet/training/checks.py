"""What settings of many sections have in common is checked in one place."""

from dataclasses import fields
from typing import Any


def check_probabilities(config: Any, *others: str) -> None:
    """ValueError naming the first field outside 0..1: of those called (..._)probability, and of others by name."""
    names = [each.name for each in fields(config) if f"_{each.name}".endswith("_probability")]
    for name in (*names, *others):
        value = getattr(config, name)
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"{name} is {value}, but it must be a probability, 0 to 1")
