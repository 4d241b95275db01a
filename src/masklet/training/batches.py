"""From samples to batches: as many objects of every image, each with a first click, and normalised pixels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from masklet.io.images import preprocess_batch
from masklet.training.prompts import first_click
from masklet.training.step import PromptedBatch
from masklet.training.synthetic import ImageSample


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
        chosen = []
        for sample in samples:
            count = len(sample.masks)
            enough = self.random.permutation(np.arange(max(count, self.objects)) % count)[: self.objects]
            chosen.append(sample.masks[enough])
        masks = np.concatenate(chosen)
        clicks = np.stack([first_click(mask, self.random) for mask in masks])
        images = np.stack([sample.image for sample in samples])
        return CollatedBatch(images, torch.from_numpy(masks), torch.from_numpy(clicks))


def image_batches(
    dataset: IterableDataset, batch_size: int, objects: int, *, num_workers: int = 1, seed: int = 0
) -> Iterator[PromptedBatch]:
    """An endless run of batches, made ahead in `num_workers` processes."""
    loader = DataLoader(
        dataset,
        batch_size=batch_size,
        num_workers=num_workers,
        collate_fn=Collate(objects, seed),
        multiprocessing_context="fork" if num_workers else None,
        prefetch_factor=8 if num_workers else None,
    )
    for batch in loader:
        pixels = preprocess_batch(list(batch.images), batch.masks.shape[-1])
        yield PromptedBatch(pixels, batch.masks, batch.clicks)
