"""AdamW with what fine-tuning SAM 2 needs: rates by part, rates that fall towards the image, and frozen parts.

`OptimiserConfig()` is the published fine-tuning: the image encoder learns more slowly than the rest, its trunk's early
blocks more slowly than its late ones, and biases and norms do not decay. Unlike upstream's, patterns here may overlap,
and the last that matches counts; each still has to match something.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from masklet.model import Sam2
from masklet.training.patterns import match_all
from masklet.training.schedules import ScheduleConfig

Decayed = Literal["published", "weights"]


@dataclass(frozen=True, kw_only=True)
class OptimiserConfig:
    """Learning rates, decay and clipping. The defaults are those of the published fine-tuning on MOSE."""

    learning_rate: float = 5e-6
    """Where the schedule's factor is 1."""
    rates: dict[str, float] = field(default_factory=lambda: {"trunk.*": 3e-6, "neck.*": 3e-6})
    """Learning rates by patterns over parameters' names, the last that matches counting; 0 freezes."""
    layer_decay: float = 0.9
    """The trunk's last block learns at this times its rate, the one before at the square of it, and so on down to the
    patches; the position maps learn at the whole rate. 1 for one rate throughout."""
    frozen: tuple[str, ...] = ()
    """Patterns over the names of parameters that stay as they are."""
    weight_decay: float = 0.1
    decayed: Decayed = "published"
    """What decays. "published": all but biases and the weights of norms over tokens; norms over maps, learned tokens
    and positions do decay. "weights": those of linear layers and convolutions alone."""
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float = 0.1
    """Longest that the gradient of all parameters together may be (L2); `.inf` for any length."""
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate is {self.learning_rate}, but it must be a positive number")
        for pattern, rate in self.rates.items():
            if not 0 <= rate < math.inf:
                raise ValueError(f"rates: {pattern} is {rate}, but a rate is a positive number, or 0 to freeze")
        if not 0 < self.layer_decay <= 1:
            raise ValueError(f"layer_decay is {self.layer_decay}, but it must be above 0 and at most 1")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay is {self.weight_decay}, but it must be 0 or a positive number")
        if self.decayed not in get_args(Decayed):
            raise ValueError(f"decayed is {self.decayed!r}, but it must be one of {', '.join(get_args(Decayed))}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas are {self.betas}, but each must be at least 0 and below 1")
        if not self.clip_norm > 0:
            raise ValueError(f"clip_norm is {self.clip_norm}, but it must be positive; .inf clips nothing")


class ScheduledAdamW(torch.optim.AdamW):
    """AdamW that knows its groups' learning rates at factor 1, and its schedule.

    They come from the configuration, not from saved state: a resumed run follows the configuration it is given.
    """

    def __init__(self, groups: list[dict[str, object]], config: OptimiserConfig, *, fused: bool) -> None:
        super().__init__(groups, config.learning_rate, config.betas, fused=fused)
        self.rates = tuple(group["lr"] for group in self.param_groups)
        self.schedule = config.schedule


def freeze(model: Sam2, config: OptimiserConfig) -> None:
    """Let parameters that are frozen, or have a rate of 0, ask for no gradients; those that ask for none stay so.

    Call it before anything looks at what is trained: an optimiser, an average, several processes. ValueError: a pattern
    that matches nothing, or nothing is left to train.
    """
    rates = learning_rates(model, config)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(parameter.requires_grad and rates[name] > 0)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("nothing is left to train: all parameters are frozen, or have a rate of 0")


def build_optimizer(model: Sam2, config: OptimiserConfig) -> ScheduledAdamW:
    """The optimiser, at the start of its schedule, of the parameters that `freeze` has left.

    Call it when the model is where it will be trained.
    """
    rates = learning_rates(model, config)
    decays = _weight_decays(model, config)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert rates[name] > 0, f"{name} is to be frozen first"
            groups.setdefault((rates[name], decays[name]), []).append(parameter)
    fused = all(parameter.device.type in ("cpu", "cuda") for parameter in model.parameters())
    optimizer = ScheduledAdamW(
        [{"params": group, "lr": rate, "weight_decay": decay} for (rate, decay), group in groups.items()],
        config,
        fused=fused,
    )
    set_progress(optimizer, 0.0)
    return optimizer


def set_progress(optimizer: ScheduledAdamW, where: float) -> None:
    """Set the learning rates for a place in the run, in [0, 1]: before each step, the share of steps already taken."""
    factor = optimizer.schedule.factor(where)
    for group, rate in zip(optimizer.param_groups, optimizer.rates, strict=True):
        group["lr"] = rate * factor


def clip_gradients(parameters: Iterable[Tensor], norm: float) -> Tensor:
    """Shorten the gradient of all parameters together to an L2 norm at most. Returns its norm before.

    If that is not finite, neither are the gradients afterwards: look before taking a step.
    """
    return nn.utils.clip_grad_norm_(parameters, norm)


def learning_rates(model: Sam2, config: OptimiserConfig) -> dict[str, float]:
    """The learning rate of each parameter at factor 1, by name; 0 for frozen ones."""
    names = [name for name, _ in model.named_parameters()]
    by_pattern = match_all(config.rates, names, "rates")
    frozen = match_all(config.frozen, names, "frozen")
    rates = {}
    for name in names:
        rate = config.rates[by_pattern[name]] if name in by_pattern else config.learning_rate
        scale = config.layer_decay ** _distance(name, len(model.trunk.blocks))
        rates[name] = 0.0 if name in frozen else rate * scale
    return rates


def _distance(name: str, num_blocks: int) -> int:
    """How many layers a parameter of the trunk is below its output, counted as layer decay does; 0 elsewhere."""
    if name.startswith("trunk.blocks."):
        return num_blocks - int(name.split(".")[2])
    return num_blocks + 1 if name.startswith("trunk.patch_embedding.") else 0


def _weight_decays(model: Sam2, config: OptimiserConfig) -> dict[str, float]:
    decays = {}
    for module_name, module in model.named_modules():
        for name, parameter in module.named_parameters(module_name, recurse=False):
            if config.decayed == "published":
                # The type itself: norms over maps, a subclass here and a class apart upstream, decay.
                decays_at_all = "bias" not in name and type(module) is not nn.LayerNorm
            else:
                decays_at_all = name.endswith(".weight") and parameter.ndim > 1
            decays[name] = config.weight_decay if decays_at_all else 0.0
    return decays


def trainable_summary(model: nn.Module) -> str:
    """How many parameters are trained, in all and by part, and which parts are frozen: a line to print."""
    trained: dict[str, int] = {}
    total: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        part = name.split(".")[0]
        total[part] = total.get(part, 0) + parameter.numel()
        trained[part] = trained.get(part, 0) + parameter.numel() * parameter.requires_grad
    parts = ", ".join(
        f"{part} {count:,}" if count == total[part] else f"{part} {count:,} of {total[part]:,}"
        for part, count in sorted(trained.items(), key=lambda item: -item[1])
        if count
    )
    summary = f"{sum(trained.values()):,} of {sum(total.values()):,} parameters are trained: {parts or 'none'}"
    frozen = ", ".join(part for part, count in trained.items() if not count)
    return f"{summary}; frozen: {frozen}" if frozen else summary
