"""The training loop: steps over batches, on one device or many, with clipping, a schedule, validation and saving.

Lightning Fabric starts processes and joins their gradients; the rest is here to be read. Within a step all goes as in
the published training: losses and gradients of one batch or more, a check that they are finite, the rates of this place
in the run, clipping, the optimiser. Unlike there, a run may keep an average of its weights, and goes on from any saved
step as if it had never been stopped.

Prompts decide which parts of the model a step needs, so some parameters have no gradient in some steps; all processes
decide alike.
"""

import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from masklet.checkpoint.save import save
from masklet.model import Sam2
from masklet.training.average import WeightAverage
from masklet.training.data.loader import Destination
from masklet.training.lessons import Lessons
from masklet.training.lora import merge_lora, save_lora
from masklet.training.monitor import Means, Monitor, Progress
from masklet.training.optimise import build_optimizer, clip_gradients, set_progress
from masklet.training.pictures import draw_step
from masklet.training.run_config import RunConfig
from masklet.training.run_file import write_run
from masklet.training.samples import ClipBatch
from masklet.training.sharding import whole, whole_state
from masklet.training.state import RunState, StopSignal, settings_of
from masklet.training.step import StepLosses
from masklet.training.validate import Validator, score

CONFIG, STATE = "config.yaml", "state.pt"
WEIGHTS, AVERAGE, BEST = "model.safetensors", "average.safetensors", "best.safetensors"
"""Files of a run's folder."""

ADAPTERS = "adapters"
"""What is put to the name of a file of weights for that of the adapters alone."""

GIGABYTE = 1e9


class RunStopped(KeyboardInterrupt):
    """A run was told to stop, and did, after saving its state."""


class Trainer:
    """A run: a model, what it learns from, and a folder; a state that is there is resumed.

    The model has its weights, adapters if it is to have some, and is frozen where it is not trained: what joins
    gradients looks at that here. validator: None where nothing is held out.
    """

    def __init__(
        self, fabric: Fabric, model: Sam2, lessons: Lessons, config: RunConfig, validator: Validator | None = None
    ) -> None:
        self.fabric = fabric
        self.model = model.to(fabric.device).train()
        self.lessons = lessons
        self.config = config
        self.validator = validator
        self.folder = config.run.output
        self.num_steps, self.steps_per_epoch = lengths(config, lessons, fabric.world_size)
        self.worker = fabric.setup_module(_Worker(model), move_to_device=False)
        self.optimizer = build_optimizer(model, config.optimiser)
        self.average = WeightAverage(model, config.average.decay) if config.average else None
        self.state = RunState(model, self.optimizer, self.average)
        self.means = Means()

    @property
    def destination(self) -> Destination:
        """Whom batches are for: this process."""
        fabric = self.fabric
        return Destination(rank=fabric.global_rank, world_size=fabric.world_size, device=fabric.device)

    def run(self, progress: Progress | None = None) -> bool:
        """Train to the end. False: the run was told to stop before it, and has saved its state.

        FloatingPointError: losses or gradients are no numbers. ValueError: the folder's state is of another run.
        """
        changes = []
        settings = settings_of(self.config, self.fabric.world_size)
        if self.fabric.broadcast((self.folder / STATE).exists()):  # so all have to see the folder
            changes = self.state.restore(self.folder / STATE, settings)
        monitor = None
        if self.fabric.is_global_zero:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_run(self.config, self.folder / CONFIG)
            monitor = Monitor(self.folder, self.num_steps, self.state.step, progress)
            if changes:
                monitor.remark(f"the run goes on at step {self.state.step} with other settings: {'; '.join(changes)}")
        first = self.state.step * self.config.run.accumulate
        try:
            if self.validator and not self.state.step:
                self._validate(self.validator, monitor)  # for comparison
            with (
                warnings.catch_warnings(),
                StopSignal() as stop,
                closing(self.lessons.batches(first, self.destination)) as batches,
            ):
                # DDP says it of learned vectors of one row, in which it makes no difference.
                warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
                while self.state.step < self.num_steps and not stop.agreed:
                    batch, found = self._step(batches, stop)
                    self._report(batch, found, monitor)
                    if self._is_due(self.config.run.save_every) or stop.agreed:
                        self.state.save(self.folder / STATE, settings, writes=monitor is not None)
        finally:
            if monitor:
                monitor.close()
        self._write_weights(WEIGHTS, averaged=False)
        if self.average:
            self._write_weights(AVERAGE, averaged=True)
        return self.state.step >= self.num_steps

    def _step(self, batches: Iterator[ClipBatch], stop: StopSignal) -> tuple[ClipBatch, StepLosses]:
        """Take a step. Returns its last batch and what was found on that."""
        began, waited, accumulate = time.monotonic(), 0.0, self.config.run.accumulate
        numbers = range(self.state.step * accumulate, (self.state.step + 1) * accumulate)
        set_progress(self.optimizer, self.state.step / self.num_steps)
        self.optimizer.zero_grad(set_to_none=True)
        step: list[tuple[ClipBatch, StepLosses]] = []
        for number in numbers:
            asked = time.monotonic()
            batch = next(batches)
            waited += time.monotonic() - asked
            with self.fabric.no_backward_sync(self.worker, enabled=number != numbers[-1]):
                total, found = self._forward(batch, number)
                self.fabric.backward(total / accumulate)
            step.append((batch, found))
        norm = whole(clip_gradients(self.model.parameters(), self.config.optimiser.clip_norm))
        self._agree([found for _, found in step], norm, numbers, stop)
        self.optimizer.step()
        if self.average:
            self.average.update(self.model)
        self.state.step += 1
        for _, found in step:
            self.means.add(_figures(found))
        self.means.add({"gradient_norm": norm, "step_seconds": time.monotonic() - began, "data_seconds": waited})
        return step[-1]

    def _forward(self, batch: ClipBatch, number: int) -> tuple[Tensor, StepLosses]:
        """The total that gradients are taken of, and all that was found."""
        found: list[StepLosses] = []

        def work(model: Sam2) -> Tensor:
            found.append(self.lessons.losses(model, batch, number, self.fabric.global_rank))
            return found[0].total

        return self.worker(work), found[0]

    def _agree(self, step: list[StepLosses], norm: Tensor, numbers: range, stop: StopSignal) -> None:
        """Learn, with all other processes, whether one has to stop. FloatingPointError where numbers are none."""
        broken = ~torch.stack([*(found.total.detach() for found in step), norm]).isfinite().all()
        signals = torch.stack((broken.float(), torch.full_like(norm, float(stop.received))))
        broken, stopped = self.fabric.strategy.all_reduce(signals, reduce_op="max").tolist()
        stop.agreed = bool(stopped)
        if broken:
            raise FloatingPointError(self._explain(step, norm, numbers))

    def _explain(self, step: list[StepLosses], norm: Tensor, numbers: range) -> str:
        rate = max(group["lr"] for group in self.optimizer.param_groups)
        problem = f"the gradient is {norm.item()}"
        for found, number in zip(step, numbers, strict=True):
            if not found.total.isfinite():
                parts = [name for name, value in found.parts.items() if not value.isfinite()]
                clips = self.lessons.describe(number, self.fabric.global_rank, self.fabric.world_size)
                problem = f"the loss is {found.total.item()} ({', '.join(parts)}) on {clips}"
        return (
            f"at step {self.state.step + 1} of {self.num_steps} {problem}, with a learning rate of {rate:g}: lower "
            "optimiser.learning_rate, let it rise slowly with optimiser.schedule.warmup, or look at these clips. The "
            "last saved state is as it was"
        )

    def _is_due(self, every: int | None) -> bool:
        """Whether it is time for what happens after every so many steps, and after the last."""
        return self.state.step == self.num_steps or (every is not None and self.state.step % every == 0)

    def _report(self, batch: ClipBatch, found: StepLosses, monitor: Monitor | None) -> None:
        """Whatever is due after a step, but for saving the state."""
        run, step = self.config.run, self.state.step
        if monitor:
            monitor.advance(step)
        if self._is_due(run.log_every):
            figures = self.means.take(self.fabric.strategy.all_reduce, self.fabric.device)
            figures["rate"] = max(group["lr"] for group in self.optimizer.param_groups)
            if self.fabric.device.type == "cuda":
                figures["memory_gb"] = torch.cuda.max_memory_allocated(self.fabric.device) / GIGABYTE
            if monitor:
                monitor.write(step, figures)
        validate_every = run.validate_every or self.steps_per_epoch
        if self.validator and self._is_due(validate_every):
            self._validate(self.validator, monitor)
        if monitor and self._is_due(run.pictures_every or validate_every):
            monitor.show(step, draw_step(batch, found.predictions))
        if run.keep_every and step % run.keep_every == 0:
            self._write_weights(f"weights_{step:06d}.safetensors", averaged=self.average is not None)

    def _validate(self, validator: Validator, monitor: Monitor | None) -> None:
        averaged = self.average is not None
        with self._weights(averaged):
            found = validator.measure(self.worker, self.destination)
        if monitor:
            monitor.write(self.state.step, {f"validation/{name}": value for name, value in found.items()})
        if self.state.best is None or score(found) > self.state.best:
            self.state.best = score(found)
            self._write_weights(BEST, averaged)

    def _weights(self, averaged: bool):
        return self.average.applied_to(self.model) if self.average and averaged else nullcontext()

    def _write_weights(self, name: str, averaged: bool) -> None:
        """Write the model for use, adapters merged in, and beside it the adapters alone. All processes call this."""
        path, lora, writes = self.folder / name, self.config.model.lora, self.fabric.is_global_zero
        with self._weights(averaged), torch.no_grad():
            weights = whole_state(merge_lora(self.model))
            if writes:
                save(path, weights, self.model.config)
            if lora:
                weights = whole_state(self.model.state_dict())
                if writes:
                    save_lora(path.with_stem(f"{path.stem}_{ADAPTERS}"), weights, lora)


class _Worker(nn.Module):
    """A model that does some work within its forward pass, where Fabric's strategies expect it."""

    def __init__(self, model: Sam2) -> None:
        super().__init__()
        self.model = model

    def forward(self, work: Callable[[Sam2], Tensor]) -> Tensor:
        return work(self.model)


def lengths(config: RunConfig, lessons: Lessons, world_size: int) -> tuple[int, int]:
    """Steps of the run, and of a pass over the training data."""
    epoch = lessons.plan.steps_per_epoch(world_size) / config.run.accumulate
    steps = config.run.steps or math.ceil(epoch * (config.run.epochs or 0))
    return steps, math.ceil(epoch)


def _figures(found: StepLosses) -> dict[str, Tensor]:
    """What is logged of a step's losses: in groups, as TensorBoard shows them."""
    parts = {
        f"iou/{name.removesuffix('_iou')}" if name.endswith("_iou") else f"loss/{name}": value
        for name, value in found.parts.items()
    }
    return {"loss/total": found.total.detach(), **parts}
