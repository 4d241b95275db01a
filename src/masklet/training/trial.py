"""Steps to try things out: the model learns, and afterwards its weights are as before."""

from contextlib import closing
from dataclasses import replace

import torch

from masklet.model import Sam2
from masklet.training.data.loader import Destination, LoaderConfig
from masklet.training.lessons import Lessons
from masklet.training.optimise import OptimiserConfig, build_optimizer, clip_gradients
from masklet.training.samples import ClipBatch
from masklet.training.step import StepLosses


class Trial:
    """A model to be tried on one device, within `with`; what it learns there is undone at the end."""

    def __init__(self, model: Sam2, lessons: Lessons, config: OptimiserConfig, device: torch.device) -> None:
        self.model = model
        self.lessons = replace(lessons, loader=LoaderConfig(num_workers=0))
        self.config = config
        self.device = device

    def __enter__(self) -> "Trial":
        self.model.to(self.device).train()
        self.optimizer = build_optimizer(self.model, self.config)
        self.trained = {name: each for name, each in self.model.named_parameters() if each.requires_grad}
        # Not on the device, where they would count as memory that training needs.
        self._before = {name: parameter.detach().cpu().clone() for name, parameter in self.trained.items()}
        return self

    @torch.no_grad()
    def __exit__(self, *_: object) -> None:
        for name, parameter in self.trained.items():
            parameter.copy_(self._before[name])
            parameter.grad = None
        del self._before, self.optimizer

    def batch(self, number: int) -> ClipBatch:
        """A batch of the run, by its number."""
        with closing(self.lessons.batches(number, Destination(device=self.device))) as made:
            return next(made)

    def step(self, batch: ClipBatch, number: int) -> StepLosses:
        """Learn from a batch, with the prompts of that number."""
        self.optimizer.zero_grad(set_to_none=True)
        found = self.lessons.losses(self.model, batch, number)
        found.total.backward()
        clip_gradients(self.trained.values(), self.config.clip_norm)
        self.optimizer.step()
        return found
