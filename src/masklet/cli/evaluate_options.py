"""Options that the commands of `masklet evaluate` share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

from masklet.cli.console import UsageError
from masklet.cli.options import ModelOptions
from masklet.datasets import DATASETS, open_dataset
from masklet.datasets.sequences import VideoDataset
from masklet.evaluation.model_choice import ModelChoice, Precision


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SequenceOptions:
    """Which videos."""

    kind: str | None = None
    """What the data is. If not given, it is recognised."""

    split: str | None = None
    """As the data set calls it. If not given, the one that results are mostly published on."""

    sequences: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="", show_default=False)] = ()
    """Names of those to take, or a text file of names, one a line. If not given, all."""

    def open(self, path: Path) -> VideoDataset:
        """The data set, or a part of it. UsageError for a kind that is not known."""
        if self.kind is not None and self.kind not in DATASETS:
            raise UsageError(f"--kind {self.kind} is not known: the kinds are {', '.join(DATASETS)}")
        names: tuple[str, ...] | Path | None = self.sequences or None
        if len(self.sequences) == 1 and Path(self.sequences[0]).is_file():
            names = Path(self.sequences[0])
        return open_dataset(path, self.kind, split=self.split, sequences=names)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How, and where to."""

    workers: Annotated[int, Parameter(validator=validators.Number(gte=1))] = 1
    """Processes that share the work. Where there are several GPUs and --device names none, they take turns on them."""

    output: Path = Path("out")
    """Folder for what is written; made if it is not there. What a run of the same kind has done in it stays."""

    overwrite: Annotated[bool, Parameter(negative="", show_default=False)] = False
    """Begin anew, and remove what another run has left there."""


def choose_model(model: ModelOptions, dtype: Precision = "float32", *, compile: bool = False) -> ModelChoice:
    """The model, for several processes. UsageError for a device that is not here."""
    choice = ModelChoice(
        source=model.model, device=model.device, image_size=model.image_size, dtype=dtype, compile=compile
    )
    try:
        choice.device_of(0)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return choice
