"""Whether data, prompts, losses and rates fit together, before hours are spent: one batch, learned by heart.

A model that is shown the same few clips with the same prompts again and again should soon know them. Where it does not,
masks may lie elsewhere than the objects, or rates be far too high. It says nothing about clips that were not seen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from masklet.io.files import write_image
from masklet.training.optimise import OptimiserConfig, build_optimizer
from masklet.training.pictures import draw_curve, draw_step
from masklet.training.schedules import ScheduleConfig
from masklet.training.step import StepLosses
from masklet.training.trial import Trial

NUM_STEPS = 80

LEAST_RATE = 1e-4
"""Lower rates are raised, so that the fastest part learns at this one: those of fine-tuning would hardly show."""

LAST = 5
"""Steps at the end over which the loss is averaged."""

ENOUGH = 0.8
"""The loss falls if at the end it is less than this times what it was at first."""

PICTURE = "check.png"


@dataclass(frozen=True)
class CheckReport:
    """falls: whether the loss fell as it should. text: what was found, to print. losses: step by step."""

    falls: bool
    text: str
    losses: list[float]


def raised(config: OptimiserConfig, largest: float) -> tuple[OptimiserConfig, float]:
    """The same with a constant schedule and rates of at least `LEAST_RATE`; and how many times they were raised.

    largest: the rate of the part that learns fastest.
    """
    times = max(1.0, LEAST_RATE / largest)
    config = replace(
        config,
        learning_rate=config.learning_rate * times,
        rates={pattern: rate * times for pattern, rate in config.rates.items()},
        schedule=ScheduleConfig(kind="constant"),
    )
    return config, times


def check(trial: Trial, folder: Path) -> CheckReport:
    """Learn the run's first batch by heart, and draw what came of it into the folder, which is made."""
    config, times = raised(trial.config, max(build_optimizer(trial.model, trial.config).rates))
    found: list[StepLosses] = []
    with Trial(trial.model, trial.lessons, config, trial.device) as learning:
        batch = learning.batch(0)
        losses = []
        for _ in range(NUM_STEPS):
            found = [*found[:1], learning.step(batch, 0)]
            losses.append(found[-1].total.item())
            if not math.isfinite(losses[-1]):
                break
    before, after = losses[0], sum(losses[-LAST:]) / len(losses[-LAST:])
    falls = math.isfinite(after) and after < before * ENOUGH
    folder.mkdir(parents=True, exist_ok=True)
    shown = [draw_step(batch, found[-1].predictions)]
    if math.isfinite(after):
        shown.insert(0, draw_curve(losses))
    write_image(folder / PICTURE, _stacked(shown))
    text = (
        f"The first batch ({batch.pixels.shape[1]} clips with {len(batch.clip_of_object)} objects), learned "
        f"{len(losses)} times with the same prompts: the loss went from {before:.3g} to {after:.3g}"
        f"{_ious(found[0], found[-1])}."
    )
    if times > 1:
        text += f" For this the learning rates were raised {times:.3g} times."
    if falls:
        text += " Data, prompts and losses fit together."
    else:
        text += (
            " It should have fallen by a fifth at least, so something does not fit. See whether the true masks are "
            f"where the objects are, on the left of {folder / PICTURE}; whether optimiser.learning_rate is much too "
            "high or optimiser.frozen leaves too little to learn. A model that knows such objects already has not much "
            "to learn either."
        )
    return CheckReport(falls, text, losses)


def _stacked(pictures: Sequence[np.ndarray]) -> UInt8[np.ndarray, "H W 3"]:
    """Pictures one above the other, on white."""
    width = max(picture.shape[1] for picture in pictures)
    rows = [np.pad(each, ((0, 0), (0, width - each.shape[1]), (0, 0)), constant_values=255) for each in pictures]
    return np.concatenate(rows)


def _ious(before: StepLosses, after: StepLosses) -> str:
    names = {"first_iou": "first answers", "tracked_iou": "frames followed", "corrected_iou": "corrected answers"}
    changes = [
        f"that of {what} from {before.parts[name]:.2f} to {after.parts[name]:.2f}"
        for name, what in names.items()
        if name in before.parts
    ]
    return f", and of IoU {', '.join(changes)}" if changes else ""
