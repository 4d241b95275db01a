"""What a run learns from and is validated on, as its configuration says it.

A source is one flat mapping: `kind` says what lies where, and so which settings there are, beside those that all
sources share. Of videos the kind is the data set's.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from masklet.datasets import DATASETS
from masklet.training.data.images import CocoImagesConfig, ImageFolderConfig, Sa1bImagesConfig
from masklet.training.data.loader import LoaderConfig
from masklet.training.data.transforms import TransformConfig
from masklet.training.data.videos import VideoClipsConfig
from masklet.training.prompts import PromptConfig
from masklet.training.scenes import MovingScenesConfig, ScenesConfig

ClipsConfig: TypeAlias = (
    ImageFolderConfig | CocoImagesConfig | Sa1bImagesConfig | VideoClipsConfig | ScenesConfig | MovingScenesConfig
)

VIDEO_KINDS = {"video_folder" if kind == "folder" else kind: kind for kind in DATASETS}
"""Kinds of `VideoClipsConfig`, by the name that a configuration gives them."""

KINDS: dict[str, type] = {
    "image_folder": ImageFolderConfig,
    "coco": CocoImagesConfig,
    "sa1b": Sa1bImagesConfig,
    **dict.fromkeys(VIDEO_KINDS, VideoClipsConfig),
    "scenes": ScenesConfig,
    "moving_scenes": MovingScenesConfig,
}
"""All kinds of sources, and the class of their settings."""


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """Clips to learn from, and what becomes of them."""

    clips: ClipsConfig
    """In YAML its settings stand beside the others, with `kind`."""
    weight: float | None = None
    """How often a batch is of this source, relative to the others. None, of all sources: in proportion to their
    batches, so that all are through at the same time."""
    batch_size: int = 1
    """Clips of a batch, on each device."""
    objects_per_clip: int | None = None
    """Exactly so many objects of each clip, repeated where there are fewer; None: as many as it has."""
    transforms: TransformConfig | None = None
    """Instead of those of `data`. In YAML what is not named is as there. None: those of `data`; of scenes, which are
    changed when they are made, none at all."""
    prompts: PromptConfig | None = None
    """Instead of those of the run. In YAML what is not named is as there."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "objects_per_clip"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}, but it must be at least 1")
        if self.weight is not None and not self.weight > 0:
            raise ValueError(f"weight is {self.weight}, but it must be above 0: leave out sources not wanted")


@dataclass(frozen=True, kw_only=True)
class ValidationConfig:
    """Clips that are not learned from, by which a run is judged. Nothing about them is random: they stay the same."""

    clips: ClipsConfig
    batch_size: int = 1
    objects_per_clip: int | None = None
    """At most so many objects of each clip; None: as many as it has."""
    num_clips: int = 100
    """Clips to look at, at most."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "objects_per_clip", "num_clips"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}, but it must be at least 1")


@dataclass(frozen=True, kw_only=True)
class DataSection:
    """Section `data`."""

    train: tuple[SourceConfig, ...]
    validation: tuple[ValidationConfig, ...] = ()
    """If YAML does not say, it is the held-out parts of the sources that hold out some; [] for none."""
    transforms: TransformConfig = field(default_factory=TransformConfig)
    """Of pictures and videos to learn from; validation sees them as they are."""
    loader: LoaderConfig = field(default_factory=LoaderConfig)

    def __post_init__(self) -> None:
        if not self.train:
            raise ValueError("train is empty, but there must be at least one source to learn from")
        weighted = [source.weight is not None for source in self.train]
        if any(weighted) and not all(weighted):
            raise ValueError(
                f"{sum(weighted)} of {len(weighted)} sources of train have a weight: give one to each, or to none"
            )
