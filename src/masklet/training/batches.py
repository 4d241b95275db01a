"""From samples to batches: as many objects of every image or clip, each with a first click, and normalised pixels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from masklet.io.images import preprocess_batch
from masklet.training.prompts import first_click
from masklet.training.scenes.clips import ClipSample
from masklet.training.scenes.synthetic import ImageSample
from masklet.training.step import PromptedBatch
from masklet.training.video_step import PromptedClips


@dataclass(frozen=True)
class CollatedBatch:
    """A `PromptedBatch` before its pixels are normalised: bytes, which are cheaper to hand between processes."""

    images: UInt8[np.ndarray, "B H W 3"]
    masks: Bool[Tensor, "BP H W"]
    clicks: Float[Tensor, "BP 2"]


class Collate:
    """Makes a batch of samples; masks of an image with fewer than `objects` are asked for more than once."""

    def __init__(self, objects: int, seed: int) -> None:
        self.objects = objects
        self.random = np.random.default_rng(seed)

    def __call__(self, samples: Sequence[ImageSample]) -> CollatedBatch:
        """The images, and `objects` masks of each with a first click, image by image."""
        masks = np.concatenate([s.masks[_choose(len(s.masks), self.objects, self.random)] for s in samples])
        clicks = np.stack([first_click(mask, self.random) for mask in masks])
        images = np.stack([sample.image for sample in samples])
        return CollatedBatch(images, torch.from_numpy(masks), torch.from_numpy(clicks))


def _choose(available: int, wanted: int, random: np.random.Generator) -> Int64[np.ndarray, "P"]:
    """As many indices as wanted, in random order; each of those available equally often, give or take one."""
    return random.permutation(np.arange(max(available, wanted)) % available)[:wanted]


@dataclass(frozen=True)
class CollatedClips:
    """`PromptedClips` before their pixels are normalised."""

    frames: UInt8[np.ndarray, "T B H W 3"]
    masks: Bool[Tensor, "T BP H W"]
    clicks: Float[Tensor, "BP 2"]


class CollateClips:
    """Makes a batch of clips; objects of a clip with fewer than `objects` are asked for more than once."""

    def __init__(self, objects: int, seed: int) -> None:
        self.objects = objects
        self.random = np.random.default_rng(seed)

    def __call__(self, samples: Sequence[ClipSample]) -> CollatedClips:
        """The clips, and `objects` objects of each with a first click on the first frame, clip by clip."""
        chosen = [s.masks[:, _choose(s.masks.shape[1], self.objects, self.random)] for s in samples]
        masks = np.concatenate(chosen, axis=1)
        clicks = np.stack([first_click(mask, self.random) for mask in masks[0]])
        frames = np.stack([sample.frames for sample in samples], axis=1)
        return CollatedClips(frames, torch.from_numpy(masks), torch.from_numpy(clicks))


def image_batches(
    dataset: IterableDataset, batch_size: int, objects: int, *, num_workers: int = 1, seed: int = 0
) -> Iterator[PromptedBatch]:
    """An endless run of batches, made ahead in `num_workers` processes."""
    for batch in _loader(dataset, batch_size, num_workers, Collate(objects, seed)):
        pixels = preprocess_batch(list(batch.images), batch.masks.shape[-1])
        yield PromptedBatch(pixels, batch.masks, batch.clicks)


def clip_batches(
    dataset: IterableDataset, batch_size: int, objects: int, *, num_workers: int = 1, seed: int = 0
) -> Iterator[PromptedClips]:
    """`image_batches` for clips."""
    for batch in _loader(dataset, batch_size, num_workers, CollateClips(objects, seed)):
        side = batch.masks.shape[-1]
        pixels = torch.stack([preprocess_batch(list(frames), side) for frames in batch.frames])
        yield PromptedClips(pixels, batch.masks, batch.clicks)


def _loader(dataset: IterableDataset, batch_size: int, num_workers: int, collate: Callable[..., Any]) -> DataLoader:
    return DataLoader(
        dataset,
        batch_size=batch_size,
        num_workers=num_workers,
        collate_fn=collate,
        multiprocessing_context="fork" if num_workers else None,
        prefetch_factor=8 if num_workers else None,
    )
