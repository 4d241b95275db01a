"""From samples to batches: as many objects of every image, each with a first click, and normalised pixels."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from masklet.io.images import preprocess_batch
from masklet.ops.masks import innermost_point
from masklet.training.step import PromptedBatch
from masklet.training.synthetic import ImageSample

INNERMOST_CLICKS = 0.5
"""Share of first clicks on the object's innermost point; the others fall anywhere in it."""


class Collate:
    """Makes a batch of samples; masks of an image with fewer than `objects` are asked for more than once."""

    def __init__(self, objects: int, seed: int) -> None:
        self.objects = objects
        self.random = np.random.default_rng(seed)

    def __call__(self, samples: Sequence[ImageSample]) -> tuple[Tensor, Tensor, Tensor]:
        """Images (B, H, W, 3) uint8, masks (B*P, H, W) bool, clicks (B*P, 2) float32."""
        masks = []
        for sample in samples:
            count = len(sample.masks)
            enough = self.random.permutation(np.arange(max(count, self.objects)) % count)[: self.objects]
            masks.append(sample.masks[torch.from_numpy(enough)])
        joined = torch.cat(masks)
        clicks = np.stack([self._click(mask.numpy()) for mask in joined])
        return torch.stack([sample.image for sample in samples]), joined, torch.from_numpy(clicks)

    def _click(self, mask: np.ndarray) -> np.ndarray:
        if self.random.random() < INNERMOST_CLICKS:
            return np.array(innermost_point(mask), np.float32)
        inside = np.flatnonzero(mask)
        row, column = divmod(int(inside[self.random.integers(len(inside))]), mask.shape[1])
        return np.array((column, row), np.float32)


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
    for images, masks, clicks in loader:
        pixels = preprocess_batch([image.numpy() for image in images], masks.shape[-1])
        yield PromptedBatch(pixels, masks, clicks)
