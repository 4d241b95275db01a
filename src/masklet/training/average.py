"""A running average of the weights (exponential, EMA), which is steadier than the weights of any one step.

Only what is trained is averaged: frozen weights and buffers are the model's own, so beside a few adapters the average
costs next to nothing. Upstream has none; published models are the weights of the last step.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """The average of a model's trained parameters over its steps, on the model's device.

    decay: how much of the average each step keeps, in [0, 1). Make it after freezing, when the model is where it will
    be trained. weights, by name, and num_updates are its state. ValueError: a decay that cannot be.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"the decay of the average is {decay}, but it must be at least 0 and below 1, like 0.999")
        self.decay = decay
        self.num_updates = 0
        self.weights = {name: parameter.detach().clone() for name, parameter in _trained(model).items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take the model's weights after a step into the average."""
        self.num_updates += 1
        # Early on the average would remember the weights of the start: let it forget faster.
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        parameters = dict(model.named_parameters())
        take_in = get_ema_multi_avg_fn(decay)
        take_in(list(self.weights.values()), [parameters[name] for name in self.weights], self.num_updates)

    @contextmanager
    def applied_to(self, model: nn.Module) -> Iterator[None]:
        """Inside, the model has the averaged weights; afterwards its own, bit for bit.

        The two are exchanged in place, one tensor at a time, so there is no third copy of the weights; do not call
        `update` inside.
        """
        self._exchange(model)
        try:
            yield
        finally:
            self._exchange(model)

    @torch.no_grad()
    def _exchange(self, model: nn.Module) -> None:
        parameters = dict(model.named_parameters())
        for name, average in self.weights.items():
            own = parameters[name].clone()
            parameters[name].copy_(average)
            average.copy_(own)


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
