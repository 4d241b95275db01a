"""Batches: as many objects of every image, clicks inside their masks, pixels as the model takes them."""

import itertools
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from masklet.io.images import preprocess
from masklet.ops.masks import innermost_point
from masklet.training.batches import Collate, clip_batches, image_batches
from masklet.training.prompts import INNERMOST_CLICKS
from masklet.training.scenes.clips import ClipSample
from masklet.training.scenes.synthetic import ImageSample

SIDE = 32


def sample(count: int, seed: int = 0) -> ImageSample:
    """An image with masks of different sizes: mask k is a rectangle of k + 2 rows."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((count, SIDE, SIDE), bool)
    for number, mask in enumerate(masks):
        x, y = rng.integers(0, SIDE - 20, 2)
        mask[y : y + number + 2, x : x + 9] = True
    return ImageSample(image=rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8), masks=masks)


class Samples(IterableDataset):
    """Endless, each with another number of masks."""

    def __iter__(self) -> Iterator[ImageSample]:
        return (sample(1 + number % 5, number) for number in itertools.count())


def asked(masks: Tensor, of: ImageSample) -> Counter[int]:
    """How often each mask of a sample is among some masks."""
    return Counter(next(i for i, own in enumerate(of.masks) if np.array_equal(own, mask)) for mask in masks.numpy())


@pytest.mark.parametrize("objects", [1, 3, 8])
def test_as_many_objects_of_every_image(objects):
    samples = [sample(1), sample(3, 1), sample(12, 2)]
    batch = Collate(objects, seed=0)(samples)
    images, masks, clicks = batch.images, batch.masks, batch.clicks
    assert (images.shape, images.dtype) == ((3, SIDE, SIDE, 3), np.uint8)
    assert (masks.shape, masks.dtype) == ((3 * objects, SIDE, SIDE), torch.bool)
    assert (clicks.shape, clicks.dtype) == ((3 * objects, 2), torch.float32)
    for index, one in enumerate(samples):
        assert np.array_equal(images[index], one.image)
        times = asked(masks[index * objects : (index + 1) * objects], one)
        assert max(times.values()) == -(-objects // min(len(one.masks), objects)), "in turn, as far as they reach"
        assert len(times) == min(len(one.masks), objects)


def test_all_masks_have_their_turn():
    one, collate = sample(6), Collate(2, seed=0)
    times: Counter[int] = Counter()
    for _ in range(300):
        times += asked(collate([one]).masks, one)
    assert set(times) == set(range(6))
    assert min(times.values()) > 60


def test_clicks_are_inside_their_masks_half_of_them_innermost():
    one, collate = sample(5), Collate(5, seed=0)
    innermost = total = 0
    seen = set()
    for _ in range(200):
        batch = collate([one])
        for mask, (x, y) in zip(batch.masks, batch.clicks.tolist(), strict=True):
            assert mask[int(y), int(x)]
            innermost += (x, y) == innermost_point(mask.numpy())
            total += 1
            seen.add((int(mask.sum()), x, y))
    # Those that fall anywhere hit the innermost pixel, too, now and then.
    assert innermost / total == pytest.approx(INNERMOST_CLICKS, abs=0.06)
    assert len(seen) > 0.85 * one.masks.sum(), "nearly every pixel has had a click"


def test_the_same_seed_gives_the_same_batches():
    samples = [sample(4), sample(7, 1)]
    first, second, other = (Collate(3, seed)(samples) for seed in (1, 1, 2))
    names = ("images", "masks", "clicks")
    assert all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)
    assert not all(np.array_equal(getattr(first, name), getattr(other, name)) for name in names)


def test_batches_are_as_the_model_takes_them():
    found = list(itertools.islice(image_batches(Samples(), 2, 3, num_workers=0), 3))
    for number, batch in enumerate(found):
        assert batch.pixels.shape == (2, 3, SIDE, SIDE)
        assert batch.masks.shape == (6, SIDE, SIDE)
        for index in range(2):
            one = sample(1 + (2 * number + index) % 5, 2 * number + index)
            torch.testing.assert_close(batch.pixels[index], preprocess(one.image, SIDE))
            assert sum(asked(batch.masks[3 * index : 3 * index + 3], one).values()) == 3
        x, y = batch.clicks.long().unbind(-1)
        assert batch.masks[torch.arange(6), y, x].all()


class Clips(IterableDataset):
    """Endless clips of two pictures, whose objects go down by a pixel; each with another number of objects."""

    def __iter__(self) -> Iterator[ClipSample]:
        for one in Samples():
            masks = np.stack([one.masks, np.roll(one.masks, 1, axis=1)])
            yield ClipSample(frames=np.stack([one.image, 255 - one.image]), masks=masks)


def test_batches_of_clips_go_frame_by_frame():
    (batch,) = itertools.islice(clip_batches(Clips(), 2, 3, num_workers=0), 1)
    assert batch.pixels.shape == (2, 2, 3, SIDE, SIDE)
    assert batch.masks.shape == (2, 6, SIDE, SIDE)
    assert torch.equal(batch.masks[1], batch.masks[0].roll(1, dims=1)), "an object keeps its row"
    for index, clip in enumerate(itertools.islice(Clips(), 2)):
        for frame in range(2):
            torch.testing.assert_close(batch.pixels[frame, index], preprocess(clip.frames[frame], SIDE))
        one = ImageSample(image=clip.frames[0], masks=clip.masks[0])
        times = asked(batch.masks[0, 3 * index : 3 * index + 3], one)
        assert len(times) == min(len(one.masks), 3)
    x, y = batch.clicks.long().unbind(-1)
    assert batch.masks[0, torch.arange(6), y, x].all()


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_batches_made_in_another_process_are_the_same():
    here, there = (image_batches(Samples(), 2, 3, num_workers=workers, seed=5) for workers in (0, 1))
    for ours, theirs in itertools.islice(zip(here, there, strict=False), 2):
        for name in ("pixels", "masks", "clicks"):
            assert torch.equal(getattr(ours, name), getattr(theirs, name))
