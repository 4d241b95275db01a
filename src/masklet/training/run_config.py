"""A whole training run as values: what `masklet train` reads from YAML, and what a run is assembled from.

Each section is a dataclass that lives with the part it is of. Upstream has Hydra build classes that a
configuration names; here there are values alone, all of them checked before anything starts.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from masklet.config import PRESETS
from masklet.training.drift import DriftConfig
from masklet.training.lora import LoraConfig
from masklet.training.losses import LossConfig
from masklet.training.optimise import OptimiserConfig
from masklet.training.precision import Precision
from masklet.training.prompts import PromptConfig
from masklet.training.sources_config import DataSection

Accelerator: TypeAlias = Literal["auto", "cpu", "cuda", "mps"]
Strategy: TypeAlias = Literal["auto", "ddp", "fsdp"]


@dataclass(frozen=True, kw_only=True)
class ModelSection:
    """Section `model`: what training begins with. What of it is frozen is the optimiser's to say."""

    weights: str | None = "nano"
    """A name of `masklet models list`, a repository id, or the path of a checkpoint; null: random ones to train from
    scratch."""
    preset: str | None = None
    """The model to train from scratch, by its name; with `weights` null alone."""
    image_size: int | None = None
    """Side in pixels of the square that the model sees, a multiple of 32; null: the weights' own."""
    lora: LoraConfig | None = None
    """Train small adapters beside frozen layers instead of all weights; null: no adapters."""
    checkpoint_blocks: bool = False
    """Compute parts anew in the backward pass rather than keep what they found: less memory, a third more time."""
    wake_memory: bool = False
    """Let the memory encoder's blocks take part from the start, in a model whose memory was never trained."""

    def __post_init__(self) -> None:
        if self.weights is None and self.preset not in PRESETS:
            raise ValueError(
                f"preset is {self.preset!r}, but without weights it must say which model to train: one of "
                f"{', '.join(PRESETS)}"
            )
        if self.weights is not None and self.preset is not None:
            raise ValueError(
                f"preset is {self.preset!r}, but the weights {self.weights} say which model they are of: leave it out, "
                "or set weights to null to train from scratch"
            )
        if self.image_size is not None and (self.image_size < 32 or self.image_size % 32):
            raise ValueError(f"image_size is {self.image_size}, but it must be a positive multiple of 32")


@dataclass(frozen=True, kw_only=True)
class AverageConfig:
    """Section `average`: a running average of the weights, which is validated and written beside them."""

    decay: float = 0.999
    """How much of the average each step keeps."""

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay is {self.decay}, but it must be at least 0 and below 1")


@dataclass(frozen=True, kw_only=True)
class RunSection:
    """Section `run`: how long, where, and what is written when. Steps are those of the optimiser."""

    steps: int | None = None
    """Steps in all; either this or `epochs`."""
    epochs: float | None = None
    """Passes over the training data in all; either this or `steps`."""
    seed: int = 0
    """All that is random follows from it and the step."""
    precision: Precision = "bf16-mixed"
    """What the forward pass is computed in. float32 is exact, bf16-mixed twice as fast on GPUs that know it."""
    accumulate: int = 1
    """Batches whose gradients are added up for one step: a larger batch without more memory."""
    accelerator: Accelerator = "auto"
    """auto: the fastest there is."""
    devices: int | Literal["auto"] = "auto"
    """How many GPUs, or processes on a CPU; auto: all GPUs, or one process on a CPU. torchrun says it itself."""
    num_nodes: int = 1
    """Machines that train together."""
    strategy: Strategy = "auto"
    """How several devices share the work. auto: ddp where there are several; fsdp: weights are shared out, too."""
    log_every: int = 10
    """Steps between lines in the log."""
    save_every: int = 500
    """Steps between saved states, from which a stopped run goes on; at its end there is always one."""
    keep_every: int | None = None
    """Steps between weights that are kept for good, as weights_STEP.safetensors; null: the last and the best alone."""
    validate_every: int | None = None
    """Steps between validations; null: once at the end of each pass over the training data. Never without data."""
    pictures_every: int | None = None
    """Steps between pictures of masks; null: with each validation."""
    output: Path = Path("run")
    """Folder of the run. If YAML does not say, runs/NAME in the working directory, NAME being the configuration's."""

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError(f"steps is {self.steps} and epochs {self.epochs}, but exactly one of them says how long")
        if self.epochs is not None and not 0 < self.epochs < math.inf:
            raise ValueError(f"epochs is {self.epochs}, but it must be a number above 0")
        counts = ("steps", "accumulate", "devices", "num_nodes", "log_every", "save_every", "keep_every")
        for name in (*counts, "validate_every", "pictures_every"):
            value = getattr(self, name)
            if isinstance(value, int) and value < 1:
                raise ValueError(f"{name} is {value}, but it must be at least 1")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}, but it must be 0 or more")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A training run. Of paths, those in a configuration that was read are absolute."""

    model: ModelSection = field(default_factory=ModelSection)
    data: DataSection
    prompts: PromptConfig = field(default_factory=PromptConfig)
    drift: DriftConfig = field(default_factory=DriftConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    average: AverageConfig | None = None
    """null: none is kept."""
    run: RunSection
