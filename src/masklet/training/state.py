"""Where a run stands, in one file: what it goes on from after it was stopped, killed or lost its machine.

All that is random follows from the seed and the step, so weights, their average, the optimiser's moments and the number
of steps are everything. Upstream's checkpoints are pickles; these are read as tensors and plain values alone, and what
the optimiser knows is kept by the names of parameters, so that it is not given to others when rates are changed.
"""

import json
import signal
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from masklet.checkpoint.files import first_line
from masklet.io.files import write_atomically
from masklet.training.average import WeightAverage
from masklet.training.run_config import RunConfig
from masklet.training.run_file import run_to_values
from masklet.training.sharding import like, whole_state

FORMAT = 1
"""Of the file; another is not read."""

NOT_COMPARED = (
    "model.checkpoint_blocks",
    "run.output",
    "run.devices",
    "run.num_nodes",
    "run.accelerator",
    "run.strategy",
    "data.loader.",
)
"""Beginnings of settings that only say where a run goes and how fast; the number of processes is compared instead."""


class RunState:
    """What a run consists of: objects that training changes, which can be saved and restored together.

    step: how many are done. best: the best that validation has found, if it has.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer, average: WeightAverage | None) -> None:
        self.model = model
        self.optimizer = optimizer
        self.average = average
        self.step = 0
        self.best: float | None = None

    def save(self, path: Path, settings: Mapping[str, str], *, writes: bool = True) -> None:
        """Write the state, whole or not at all. All processes call it, as weights may be shared out; one writes."""
        average = None
        if self.average is not None:
            average = {"num_updates": self.average.num_updates, "weights": whole_state(self.average.weights)}
        state = {
            "format": FORMAT,
            "settings": dict(settings),
            "step": self.step,
            "best": self.best,
            "model": whole_state(self.model.state_dict()),
            "average": average,
            "optimizer": {
                name: whole_state(self.optimizer.state.get(each, {})) for name, each in self._trained().items()
            },
        }
        if writes:
            with write_atomically(path) as temporary:
                torch.save(state, temporary)

    def restore(self, path: Path, settings: Mapping[str, str]) -> list[str]:
        """Take over a saved state. Returns the settings that are not those it was saved with, a line each.

        ValueError, and nothing is changed, where the file is no state, or one of a run that this one cannot go on with.
        """
        state = _read(path)
        changes = _changes(state["settings"], settings)
        own, saved = _shapes(self.model.state_dict()), _shapes(state["model"])
        if began := [line for line in changes if line.startswith("model.")]:
            problem = f"it began with another model ({'; '.join(began)})"
        elif own != saved:
            problem = f"its model is another ({_differing(own, saved)})"
        elif self._trained().keys() != state["optimizer"].keys():
            problem = f"it trains other parameters ({_differing(self._trained(), state['optimizer'])})"
        elif (state["average"] is None) != (self.average is None):
            problem = "one of the two keeps an average of its weights, and the other does not"
        else:
            self._take_over(state)
            return changes
        raise ValueError(
            f"{path} is of another run, which this one cannot go on with: {problem}. Give another folder for the "
            "output, or remove that one to start anew"
        )

    def _take_over(self, state: Mapping[str, Any]) -> None:
        _copy(state["model"], self.model.state_dict())
        if self.average is not None:
            self.average.num_updates = state["average"]["num_updates"]
            _copy(state["average"]["weights"], self.average.weights)
        moments = {
            index: {key: value if value.ndim == 0 else like(value, each) for key, value in saved.items()}
            for index, (name, each) in enumerate(self._trained().items())
            if (saved := state["optimizer"][name])
        }
        # Rates, decay and the like are those of now.
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.step, self.best = state["step"], state["best"]

    def _trained(self) -> dict[str, nn.Parameter]:
        """The optimiser's parameters by name, in the order in which it counts them."""
        names = {parameter: name for name, parameter in self.model.named_parameters()}
        return {names[each]: each for group in self.optimizer.param_groups for each in group["params"]}


def settings_of(config: RunConfig, num_processes: int) -> dict[str, str]:
    """What a run was told, by dotted names, for comparison with what it is told when it is resumed."""
    settings = _flattened(run_to_values(config), "")
    kept = {name: value for name, value in settings.items() if not name.startswith(NOT_COMPARED)}
    return kept | {"processes": str(num_processes)}


class StopSignal:
    """Notes that the run is to stop, by Ctrl-C or SIGTERM, so that a step is finished and the state saved.

    A second signal ends the program at once. Only the main thread receives signals; in others nothing is noted.
    received: by this process. agreed: all processes know, and are at the same step; that is for them to find out.
    """

    def __init__(self) -> None:
        self.received = False
        self.agreed = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopSignal":
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._before[number] = signal.signal(number, self._note)
            except ValueError:
                break
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = True
        self.__exit__()


def _read(path: Path) -> dict[str, Any]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a damaged pickle can raise anything
        raise ValueError(
            f"{path} is no saved state of a run, or a damaged one ({first_line(error)}): remove it to start anew"
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"{path} is no state that this version of masklet can go on from: give another output folder")
    return state


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return [f"{name} was {before.get(name, 'not given')}, now {now.get(name, 'not given')}" for name in names]


def _flattened(value: object, name: str) -> dict[str, str]:
    if isinstance(value, dict | list | tuple) and value:
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        flat: dict[str, str] = {}
        for key, part in parts:
            flat |= _flattened(part, f"{name}.{key}" if name else str(key))
        return flat
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 25.0, where YAML has 25
    return {name: json.dumps(value, default=str)}


@torch.no_grad()
def _copy(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    for name, tensor in target.items():
        tensor.copy_(like(source[name], tensor))


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def _differing(one: Mapping[str, object], other: Mapping[str, object]) -> str:
    names = [name for name in {**one, **other} if name not in one or name not in other]
    names = names or [name for name in one if one[name] != other[name]]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
