"""What a run tells while it goes on: `log.jsonl`, TensorBoard, pictures and a line of progress.

Figures are gathered on the device and fetched when they are written: a GPU is not kept waiting for numbers that nobody
reads. In the log each line is a JSON object with `step` and the figures since the last line, as means.
"""

import json
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from masklet.io.files import write_atomically, write_image

Progress: TypeAlias = Callable[[int, int, Mapping[str, float]], object]
"""Is told how many steps are done, of how many, and the figures last written, after each step and validation."""

LOG, TENSORBOARD, PICTURES = "log.jsonl", "tensorboard", "pictures"


class Means:
    """Running means of scalars that may be on a device, by name."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, figures: Mapping[str, Tensor | float]) -> None:
        """Take in figures. Of a name that is missing the mean is over fewer."""
        for name, value in figures.items():
            value = value.detach() if isinstance(value, Tensor) else torch.tensor(float(value))
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self, reduce: Callable[[Tensor], Tensor], device: torch.device) -> dict[str, float]:
        """The means, and begin anew. reduce: makes one vector of those of all processes, which all call this."""
        names = sorted(self._sums)
        if not names:
            return {}
        means = torch.stack([self._sums[name].to(device, torch.float32) / self._counts[name] for name in names])
        self._sums, self._counts = {}, {}
        return dict(zip(names, reduce(means).tolist(), strict=True))


class Monitor:
    """Writes what is told about a run to its folder; other processes than the first have none.

    start: the step that the run goes on from: what the log says of later ones, which are done again, is removed.
    """

    def __init__(self, folder: Path, num_steps: int, start: int = 0, progress: Progress | None = None) -> None:
        self.folder = folder
        self.num_steps = num_steps
        self._progress = progress
        self._figures: dict[str, float] = {}
        first = start + 1 if start else 0  # at the start validation comes before the first step
        _cut(folder / LOG, first)
        if not start:
            shutil.rmtree(folder / TENSORBOARD, ignore_errors=True)
        self._board = SummaryWriter(str(folder / TENSORBOARD), purge_step=first)

    def advance(self, step: int) -> None:
        """A step is done."""
        if self._progress:
            self._progress(step, self.num_steps, self._figures)

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Write figures of the steps up to one, into the log and for TensorBoard; there `/` in names makes groups."""
        line = json.dumps({"step": step} | {name: _short(value) for name, value in figures.items()})
        with (self.folder / LOG).open("a", encoding="utf-8") as log:
            log.write(line + "\n")
        for name, value in figures.items():
            self._board.add_scalar(name, value, step)
        self._figures |= figures
        self.advance(step)

    def show(self, step: int, picture: np.ndarray) -> None:
        """Write a picture, 8-bit RGB."""
        folder = self.folder / PICTURES
        folder.mkdir(exist_ok=True)
        write_image(folder / f"step_{step:06d}.png", picture)
        self._board.add_image("masks", picture, step, dataformats="HWC")

    def remark(self, text: str) -> None:
        """Say something that whoever started the run should know, and keep it in the log."""
        warnings.warn(text, stacklevel=2)
        with (self.folder / LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps({"remark": text}, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Finish what TensorBoard reads."""
        self._board.close()


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _cut(log: Path, first: int) -> None:
    """Remove what a log says of a step and all later ones, and a last line that is not whole."""
    if not log.exists():
        return
    kept = []
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line).get("step", 0) < first:
                kept.append(line + "\n")
        except ValueError:
            continue
    with write_atomically(log) as temporary:
        temporary.write_text("".join(kept), encoding="utf-8")
