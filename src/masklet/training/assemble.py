"""From a configuration to a run that can begin: the model, its data, and a trainer, all opened and checked."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import nn

from masklet.checkpoint.load import load_weights
from masklet.checkpoint.recognise import variant_name
from masklet.config import preset
from masklet.model import Sam2
from masklet.training.check import CheckReport, check
from masklet.training.checkpointing import checkpoint_blocks
from masklet.training.data.images import (
    CocoImages,
    CocoImagesConfig,
    ImageFolder,
    ImageFolderConfig,
    Sa1bImages,
    Sa1bImagesConfig,
)
from masklet.training.data.loader import TrainingSource, plan_for
from masklet.training.data.transforms import SQUARE_ONLY, TransformConfig, Transforms
from masklet.training.data.videos import VideoClipsConfig, open_video_clips
from masklet.training.estimate import Estimate, estimate
from masklet.training.initialise import initialise
from masklet.training.lessons import Lessons
from masklet.training.lora import add_lora
from masklet.training.monitor import Progress
from masklet.training.optimise import freeze, trainable_summary
from masklet.training.run_config import ModelSection, RunConfig, RunSection
from masklet.training.samples import ClipSource
from masklet.training.scenes import MovingScenes, MovingScenesConfig, ScenesConfig, SyntheticScenes
from masklet.training.sharding import sharded_strategy
from masklet.training.sources_config import ClipsConfig, SourceConfig, ValidationConfig
from masklet.training.trainer import STATE, RunStopped, Trainer, lengths
from masklet.training.trial import Trial
from masklet.training.validate import FixedClips, Validator

FUSER_SCALE = 0.1
"""Of the memory encoder's residual blocks that are woken; 1e-6, as they start in the original, takes long to grow."""

SCENES = (ScenesConfig, MovingScenesConfig)
"""Clips that are made in many forms already: the transforms for all data are not for them."""

OPENERS: dict[type, Callable[[Any], ClipSource]] = {
    ImageFolderConfig: ImageFolder,
    CocoImagesConfig: CocoImages,
    Sa1bImagesConfig: Sa1bImages,
    VideoClipsConfig: open_video_clips,
    ScenesConfig: SyntheticScenes,
    MovingScenesConfig: MovingScenes,
}


@dataclass(frozen=True)
class PreparedRun:
    """A run with its model and data open. With several processes each has its own."""

    config: RunConfig
    fabric: Fabric
    model: Sam2
    lessons: Lessons
    validator: Validator | None

    def describe(self) -> list[tuple[str, str]]:
        """What the run is: pairs of a name and a value, to print."""
        run, fabric = self.config.run, self.fabric
        steps, epoch = lengths(self.config, self.lessons, fabric.world_size)
        size = self.model.config.image_size
        name = variant_name(self.model.config) or "a model of its own"
        rows = [("model", f"{name} at {size} px, from {self.config.model.weights or 'random weights'}")]
        rows.append(("trained", trainable_summary(self.model)))
        for source in self.lessons.sources:
            rows.append(("learns from", f"{source.name}: {_count(source.clips)}, {source.batch_size} a batch"))
        for source in self.validator.sources if self.validator else ():
            rows.append(("validated on", f"{source.name}: {_count(source.clips)}"))
        batches = f"{run.accumulate * fabric.world_size} batches each" if run.accumulate * fabric.world_size > 1 else ""
        rows.append(("steps", f"{steps:,}{f' of {batches}' if batches else ''}; {epoch:,} are a pass over the data"))
        rows.append(("runs on", f"{fabric.world_size} x {fabric.device.type}, {run.precision}"))
        resumed = ", where a run is resumed" if (run.output / STATE).exists() else ""
        rows.append(("output", f"{run.output}{resumed}"))
        return rows

    def estimate(self) -> Estimate:
        """How long the run takes and how much memory, measured by some steps."""
        num_steps, _ = lengths(self.config, self.lessons, self.fabric.world_size)
        return estimate(self._trial(), self.config, num_steps)

    def check(self) -> CheckReport:
        """Whether one batch can be learned by heart; a picture goes to the run's folder."""
        return check(self._trial(), self.config.run.output)

    def train(self, progress: Progress | None = None) -> Path:
        """Train to the end, from where the folder's state is if there is one. Returns the run's folder.

        progress: is told of each step. `RunStopped`, a KeyboardInterrupt, where the run was told to stop by Ctrl-C or
        SIGTERM, and has saved its state. FloatingPointError: losses are no numbers. ValueError: the folder is of
        another run.
        """
        self.fabric.launch()
        trainer = Trainer(self.fabric, self.model, self.lessons, self.config, self.validator)
        if not trainer.run(progress):
            raise RunStopped(f"stopped after step {trainer.state.step}; the same command goes on from there")
        return self.config.run.output

    def _trial(self) -> Trial:
        return Trial(self.model, self.lessons, self.config.optimiser, self.fabric.device)


def prepare_run(config: RunConfig) -> PreparedRun:
    """Open all that a run needs. ValueError, FileNotFoundError and ConnectionError say what does not fit, or is not
    there. Nothing is written."""
    model = build_model(config.model, config.run.seed)
    freeze(model, config.optimiser)
    size = model.config.image_size
    sources = tuple(_training_source(source, config, size) for source in config.data.train)
    lessons = Lessons(
        plan=plan_for(sources, config.run.seed),
        sources=sources,
        prompts=tuple(source.prompts or config.prompts for source in config.data.train),
        drift=config.drift,
        loss=config.loss,
        precision=config.run.precision,
        loader=config.data.loader,
    )
    validator = None
    if config.data.validation:
        held_out = tuple(_validation_source(source, size) for source in config.data.validation)
        validator = Validator(sources=held_out, precision=config.run.precision, loader=config.data.loader)
    return PreparedRun(config, make_fabric(config.run), model, lessons, validator)


def build_model(section: ModelSection, seed: int) -> Sam2:
    """The model that training begins with, on the CPU, adapters and all."""
    if section.weights is None:
        assert section.preset is not None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = Sam2(preset(section.preset).with_image_size(section.image_size))
            initialise(model)
    else:
        model = load_weights(section.weights, image_size=section.image_size)
    if section.wake_memory:
        for block in model.memory_encoder.fuser:
            nn.init.constant_(block.get_parameter("scale"), FUSER_SCALE)
    if section.lora:
        add_lora(model, section.lora)
    if section.checkpoint_blocks:
        checkpoint_blocks(model)
    return model


def make_fabric(run: RunSection) -> Fabric:
    """Devices and how they work together. Under `torchrun` it says how many processes there are.

    ValueError where this machine has not the GPUs that are asked for.
    """
    devices, nodes = run.devices, run.num_nodes
    if torch.distributed.is_torchelastic_launched():
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
    elif devices == "auto":
        devices = max(1, torch.cuda.device_count()) if run.accelerator in ("auto", "cuda") else 1
    num_gpus = torch.cuda.device_count()
    if run.accelerator == "cuda" and devices > num_gpus:
        raise ValueError(
            f"run.accelerator is cuda and run.devices {devices}, but this machine has {num_gpus or 'no'} "
            f"GPU{'s' * (num_gpus != 1)}: set run.devices to as many as there are, or run.accelerator=cpu with "
            "run.devices=1"
        )
    world_size = devices * nodes
    strategy: Any = "auto"
    if run.strategy == "fsdp":
        strategy = sharded_strategy(world_size)
    elif world_size > 1 or run.strategy == "ddp":
        strategy = DDPStrategy(find_unused_parameters=True, broadcast_buffers=False)  # buffers are constants
    return Fabric(accelerator=run.accelerator, devices=devices, num_nodes=nodes, strategy=strategy)


def _count(clips: ClipSource) -> str:
    return f"{len(clips):,} item{'s' * (len(clips) != 1)}"


def _training_source(source: SourceConfig, config: RunConfig, size: int) -> TrainingSource:
    prompts = source.prompts or config.prompts
    transforms = source.transforms
    if transforms is None and not isinstance(source.clips, SCENES):
        transforms = config.data.transforms
    return TrainingSource(
        clips=OPENERS[type(source.clips)](source.clips),
        name=_name(source.clips),
        batch_size=source.batch_size,
        weight=source.weight,
        transform=_transform(source.clips, transforms, size),
        objects_per_clip=source.objects_per_clip,
        with_centres=prompts.centre_click_probability > 0,
    )


def _validation_source(source: ValidationConfig, size: int) -> TrainingSource:
    clips = OPENERS[type(source.clips)](source.clips)
    return TrainingSource(
        clips=FixedClips(clips, source.num_clips, source.objects_per_clip),
        name=_name(source.clips),
        batch_size=source.batch_size,
        transform=_transform(source.clips, None, size),
        with_centres=True,
    )


def _transform(clips: ClipsConfig, config: TransformConfig | None, size: int) -> Transforms | None:
    """What brings clips to the model's size; None for scenes that are made so."""
    if config is None and isinstance(clips, SCENES) and clips.image_size == size:
        return None
    return Transforms(config or SQUARE_ONLY, size)


def _name(clips: ClipsConfig) -> str:
    """What a source is called: by where it lies."""
    places = ("folder", "annotation_file", "images", "root")
    return next(str(getattr(clips, place)) for place in places if hasattr(clips, place))
