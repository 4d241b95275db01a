"""How the learning rate goes through a run: warm-up, then constant, linear or cosine, and for a constant one a descent.

A schedule is a function of progress, the share of the run that is done, so a run of any length takes the same course.
The published one is a cosine from 1 down to a tenth.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["constant", "linear", "cosine"]


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """What the learning rate is multiplied by on the way. The defaults are the published ones."""

    kind: Kind = "cosine"
    end: float = 0.1
    """The factor at the end of a linear or cosine schedule, in [0, 1]."""
    warmup: float = 0.0
    """Share of the run over which the factor rises from 0 to 1: 0.01 is 200 of 20,000 steps."""
    descent: float = 0.0
    """Share at the end of a constant schedule over which the factor falls to 0."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind is {self.kind!r}, but the kinds of schedule are {', '.join(get_args(Kind))}")
        if not 0 <= self.end <= 1:
            raise ValueError(f"end is {self.end}, but the factor at the end is from 0 to 1")
        for name in ("warmup", "descent"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"{name} is {getattr(self, name)}, but it is a share of the run, at least 0 and below 1: for a "
                    f"number of steps, divide it by those of the run"
                )
        if self.descent and self.kind != "constant":
            raise ValueError(
                f"descent is {self.descent}, but it belongs to a constant schedule: a {self.kind} one falls all the "
                "way, to `end`"
            )
        if self.warmup + self.descent > 1:
            raise ValueError(f"warmup {self.warmup} and descent {self.descent} are more than the whole run")

    def factor(self, where: float) -> float:
        """The factor at a place in the run, from 0 at its start to 1 at its end."""
        if where < self.warmup:
            return where / self.warmup
        if self.kind == "constant":
            return min(1.0, (1 - where) / self.descent) if self.descent else 1.0
        done = (where - self.warmup) / (1 - self.warmup)
        left = 1 - done if self.kind == "linear" else (1 + math.cos(math.pi * done)) / 2
        return self.end + (1 - self.end) * left
