import itertools
import multiprocessing
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from masklet.datasets.sequences import VideoSequence
from masklet.training.data.loader import Destination, LoaderConfig, TrainingSource, batches, plan_for
from masklet.training.data.transforms import PUBLISHED, Transforms
from masklet.training.data.videos import VideoClips
from masklet.training.data.window import WindowConfig
from masklet.training.samples import Clip, ClipBatch

SIDE = 16


class Noise:
    """Clips whose first pixel is their item; some items cannot be read."""

    def __init__(self, num_items: int, num_frames: int, broken: Sequence[int] = ()) -> None:
        self.num_items = num_items
        self.num_frames = num_frames
        self.broken = set(broken)

    def __len__(self) -> int:
        return self.num_items

    def draw(self, index: int, rng: np.random.Generator) -> Clip:
        if index in self.broken:
            raise ValueError(f"noise{index}.jpg is damaged")
        frames = rng.integers(0, 256, (self.num_frames, SIDE, SIDE, 3), dtype=np.uint8)
        frames[:, 0, 0] = index
        return Clip(frames=frames, masks=rng.random((self.num_frames, int(rng.integers(1, 4)), SIDE, SIDE)) < 0.5)


def darken(clip: Clip, rng: np.random.Generator) -> Clip:
    frames = clip.frames // 2
    frames[:, 1, 1] = rng.integers(0, 256)
    return replace(clip, frames=frames)


SOURCES = (
    TrainingSource(clips=Noise(7, 1), name="images", batch_size=3, weight=2, objects_per_clip=2, with_centres=True),
    TrainingSource(clips=Noise(5, 2), name="videos", batch_size=2, weight=1, transform=darken),
)


def take(num_steps: int, sources: Sequence[TrainingSource] = SOURCES, **settings: Any) -> list[ClipBatch]:
    config = LoaderConfig(num_workers=settings.pop("num_workers", 0))
    with closing(batches(plan_for(sources, 3), sources, config, **settings)) as made:  # pyright: ignore
        return list(itertools.islice(made, num_steps))


def assert_equal(first: Sequence[ClipBatch], second: Sequence[ClipBatch]) -> None:
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        for name in ("pixels", "masks", "clip_of_object", "centres"):
            torch.testing.assert_close(getattr(a, name), getattr(b, name), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_batches_are_the_same_with_workers_and_after_resuming(num_workers: int):
    whole = take(7)
    assert_equal(take(7, num_workers=num_workers), whole)
    assert_equal(take(3, num_workers=num_workers, start_step=4), whole[4:])


def test_batches_of_transformed_videos_are_the_same_with_workers(make_squares: Callable[..., VideoSequence]):
    clips = VideoClips([make_squares("a"), make_squares("b", every=2)], WindowConfig(num_frames=3))
    source = TrainingSource(
        clips=clips, name="squares", batch_size=2, transform=Transforms(PUBLISHED, 32), with_centres=True
    )
    assert_equal(take(4, [source], num_workers=2), take(4, [source]))


def test_sources_keep_their_settings():
    shapes = {(batch.pixels.shape[:2], batch.centres.isnan().all().item()) for batch in take(6)}
    assert shapes == {((1, 3), False), ((2, 2), True)}
    for batch in take(6):
        counts = batch.clip_of_object.bincount().tolist()
        if len(counts) == 3:
            assert counts == [2, 2, 2]
        assert batch.masks.shape[:2] == batch.centres.shape[:2] == (len(batch.pixels), sum(counts))


def test_processes_get_items_of_their_own_of_one_source():
    first, second = (take(9, destination=Destination(rank=rank, world_size=2)) for rank in (0, 1))
    for a, b in zip(first, second, strict=True):
        assert a.pixels.shape == b.pixels.shape
        assert not torch.equal(a.pixels, b.pixels)


def test_a_clip_depends_on_its_place_and_step_alone():
    twice = TrainingSource(clips=Noise(1, 1), name="one", batch_size=2)
    first, second = take(2, [twice])
    pixels = [*first.pixels[0], *second.pixels[0]]
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(pixels, 2))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_broken_item_is_replaced_by_the_next_with_a_warning(num_workers: int):
    source = TrainingSource(clips=Noise(4, 1, broken=(1, 2)), name="images", batch_size=4)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        (batch,) = take(1, [source], num_workers=num_workers)
    whole = take(1, [replace(source, clips=Noise(4, 1))])[0]
    complaints = sorted(str(warning.message) for warning in seen)
    assert len(complaints) == 3  # item 1 meets item 2 on its way
    assert complaints[0].startswith("images: item 1 is replaced by the next")
    assert complaints[0].endswith("noise1.jpg is damaged")
    items, wanted = (b.pixels[0, :, 0, 0, 0] for b in (batch, whole))
    replaced = items != wanted
    assert replaced.sum() == 2
    assert len(items[replaced].unique()) == 1


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.filterwarnings("ignore:.*item")
def test_a_source_of_which_nothing_can_be_read_is_an_error(num_workers: int):
    source = TrainingSource(clips=Noise(3, 1, broken=range(3)), name="images")
    with pytest.raises(
        ValueError, match=r"^images: 3 items in a row cannot be used. The last: noise\d\.jpg is damaged$"
    ):
        take(1, [source], num_workers=num_workers)
    many = TrainingSource(clips=Noise(300, 1, broken=range(300)), name="images")
    with pytest.raises(ValueError, match=r"^images: 100 items in a row"):
        take(1, [many], num_workers=num_workers)


def test_clips_without_objects_are_replaced_and_mistakes_of_programs_are_not_hidden():
    def lose_some(clip: Clip, rng: np.random.Generator) -> Clip:
        return replace(clip, masks=clip.masks[:, : 0 if clip.frames[0, 0, 0, 0] == 1 else None])

    def fail(clip: Clip, rng: np.random.Generator) -> Clip:
        raise TypeError("a mistake")

    source = TrainingSource(clips=Noise(2, 1), name="images", batch_size=2, transform=lose_some)
    with pytest.warns(UserWarning, match="item 1 .* no object is left"):
        take(1, [source])
    with pytest.raises(TypeError, match="a mistake"):
        take(1, [replace(source, transform=fail)])


@pytest.mark.parametrize("num_workers", [0, 1])
def test_clips_of_several_sizes_are_an_error(num_workers: int):
    def crop(clip: Clip, rng: np.random.Generator) -> Clip:
        return Clip(frames=clip.frames[:, :, :9], masks=clip.masks[..., :9])

    with pytest.raises(ValueError, match="1 of 9 x 16: transforms bring them"):
        take(1, [TrainingSource(clips=Noise(2, 1), name="images", transform=crop)], num_workers=num_workers)


def test_nothing_random_outside_is_touched():
    before = torch.get_rng_state()
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    take(2)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


def test_workers_outlive_the_signals_that_reach_all_processes_and_end_with_the_batches():
    made: Iterator[ClipBatch] = batches(plan_for(SOURCES, 3), SOURCES, LoaderConfig(num_workers=2, prefetch=1))
    taken = [next(made), next(made)]  # one of each, so both have begun
    workers = multiprocessing.active_children()
    assert len(workers) == 2
    for worker in workers:
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGINT)
        os.kill(worker.pid, signal.SIGTERM)
    time.sleep(0.2)
    taken += itertools.islice(made, 4)
    assert_equal(taken, take(6))
    assert all(worker.is_alive() for worker in workers)
    made.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert not any(worker.is_alive() for worker in workers)


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match="num_workers is -1"):
        LoaderConfig(num_workers=-1)
    with pytest.raises(ValueError, match="prefetch is 0"):
        LoaderConfig(prefetch=0)
    with pytest.raises(ValueError, match="videos: num_items is 0"):
        plan_for([TrainingSource(clips=Noise(0, 1), name="videos")], 0)
