"""The training loop: warm-up, a constant rate, a linear descent to zero; resumable, with a running average of weights.

The constant middle makes rounds cheap: a run can go on from its state for as long as it pays, and any time it is given
a descent (`decay_steps`) from there. Everything that the next step depends on is in the state file, which is replaced
atomically.

Under `torchrun` every process trains on batches of its own and gradients are averaged; the first process writes.
"""

import copy
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeAlias

import torch
import torch.distributed as dist

from masklet.io.files import write_atomically
from masklet.model import Sam2
from masklet.training.losses import Losses

LossFunction: TypeAlias = Callable[[Sam2, Any, torch.Generator], list[Losses]]
"""Losses of each decoder pass over a batch, such as `masklet.training.step.image_step` gives."""


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Optimiser and schedule."""

    steps: int
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    decay_steps: int = 0
    """The last steps of `steps`, during which the learning rate falls to zero."""
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.98)
    rates: Mapping[str, float] = field(default_factory=dict)
    """Factors of the learning rate by the beginning of parameters' names, the longest counts; 0 freezes."""
    clip_norm: float = 1.0
    average_decay: float = 0.998
    """Of the exponential moving average of the weights."""
    log_every: int = 50
    save_every: int = 250
    seed: int = 0

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        warm = min(1.0, (step + 1) / max(1, self.warmup_steps))
        left = min(1.0, (self.steps - step) / self.decay_steps) if self.decay_steps else 1.0
        return self.learning_rate * warm * left

    def factor(self, name: str) -> float:
        """What a parameter's learning rate is multiplied by."""
        prefixes = [prefix for prefix in self.rates if name.startswith(prefix)]
        return self.rates[max(prefixes, key=len)] if prefixes else 1.0


class Fit:
    """A training run in a folder: `state.pt` to go on from, `log.jsonl` to look at."""

    def __init__(
        self,
        model: Sam2,
        config: FitConfig,
        folder: Path,
        losses: LossFunction,
    ) -> None:
        self.model = model.train()
        self.config = config
        self.folder = folder
        self.losses = losses
        self.average = copy.deepcopy(model).eval().requires_grad_(False)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.step = 0
        self.optimizer = torch.optim.AdamW(_groups(model, config), config.learning_rate, config.betas)
        folder.mkdir(parents=True, exist_ok=True)
        if self.state_file.exists():
            self._resume()

    @property
    def state_file(self) -> Path:
        """Where the run's state is kept."""
        return self.folder / "state.pt"

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes files."""
        return not dist.is_initialized() or dist.get_rank() == 0

    def run(self, batches: Iterator[Any], on_save: Callable[[], object] | None = None) -> None:
        """Train to `config.steps`; `on_save` is called at every save.

        Then `model` holds the trained weights, and `average` their average, which is the better while the learning
        rate is constant; after a descent it lags behind.
        """
        reports: list[dict[str, float]] = []
        started = time.monotonic()
        while self.step < self.config.steps:
            reports.append(self._train_step(next(batches)))
            if self.step % self.config.log_every == 0:
                self._log(reports, time.monotonic() - started)
                reports, started = [], time.monotonic()
            if self.step % self.config.save_every == 0 or self.step == self.config.steps:
                self.save()
                if on_save and self.writes:
                    on_save()

    def _train_step(self, batch: Any) -> dict[str, float]:
        rate = self.config.rate(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        self.optimizer.zero_grad(set_to_none=True)
        losses = self.losses(self.model, batch, self.generator)
        total = torch.stack([loss.total for loss in losses]).sum()
        if not total.isfinite():
            raise FloatingPointError(f"the loss is {total.item()} at step {self.step}; lower learning_rate ({rate:g})")
        total.backward()
        _average_gradients(self.model)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.optimizer.step()
        self.step += 1
        self._average()
        return {"rate": rate, "gradient": norm.item(), **_report(losses)}

    def _average(self) -> None:
        # Early on the average would remember random weights: let it forget faster.
        decay = min(self.config.average_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for averaged, current in zip(self.average.parameters(), self.model.parameters(), strict=True):
                averaged.lerp_(current, 1 - decay)

    def _log(self, reports: list[dict[str, float]], seconds: float) -> None:
        if not self.writes:
            return
        names = sorted({name for report in reports for name in report})
        means: dict[str, float] = {"step": self.step, "seconds": round(seconds, 1)}
        for name in names:
            values = [report[name] for report in reports if name in report]
            means[name] = round(sum(values) / len(values), 5)
        line = json.dumps(means)
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(line + "\n")
        print(line, flush=True)

    def save(self) -> None:
        """Write the state, whole or not at all."""
        if not self.writes:
            return
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "step": self.step,
        }
        with write_atomically(self.state_file) as temporary:
            torch.save(state, temporary)

    def _resume(self) -> None:
        state = torch.load(self.state_file, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.step = state["step"]


def _average_gradients(model: Sam2) -> None:
    """Mean over the processes. All have gradients for the same parameters, as they draw the same kinds of prompts."""
    if not dist.is_initialized():
        return
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    joined = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(joined)
    parts = (joined / dist.get_world_size()).split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def _groups(model: Sam2, config: FitConfig) -> list[dict[str, object]]:
    """Matrices decay; biases, norms and free vectors do not. Parts with rates of their own are apart, or frozen."""
    groups: dict[tuple[bool, float], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        factor = config.factor(name)
        parameter.requires_grad_(factor > 0)
        if factor > 0:
            decays = parameter.ndim > 1 and min(parameter.shape) > 1
            groups.setdefault((decays, factor), []).append(parameter)
    return [
        {"params": parameters, "weight_decay": config.weight_decay * decays, "factor": factor}
        for (decays, factor), parameters in sorted(groups.items(), reverse=True, key=lambda group: group[0])
    ]


def _report(losses: list[Losses]) -> dict[str, float]:
    first, last = losses[0], losses[-1]
    report = {f.name: getattr(first, f.name).item() for f in fields(Losses)}
    if len(losses) > 1:
        report["last_iou"] = last.true_iou.item()
    return report
