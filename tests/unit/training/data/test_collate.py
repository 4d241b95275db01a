from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from masklet.io.images import preprocess
from masklet.training.data.collate import choose_objects, collate
from masklet.training.samples import Clip


def make_clip(num_objects: int, seed: int = 0, num_frames: int = 2, size: tuple[int, int] = (16, 16)) -> Clip:
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (num_frames, *size, 3), dtype=np.uint8)
    return Clip(frames=frames, masks=rng.random((num_frames, num_objects, *size)) < 0.6)


def test_a_batch_holds_the_clips_in_order():
    clips = [make_clip(3, seed=1), make_clip(1, seed=2)]
    collated = collate(clips)
    assert collated.frames.dtype == torch.uint8
    batch = collated.to_batch()
    assert batch.pixels.shape == (2, 2, 3, 16, 16)
    assert batch.clip_of_object.tolist() == [0, 0, 0, 1]
    assert batch.clip_of_object.dtype == torch.int64
    for number, clip in enumerate(clips):
        for time, frame in enumerate(clip.frames):
            torch.testing.assert_close(batch.pixels[time, number], preprocess(frame, 16), rtol=0, atol=0)
        own = batch.masks[:, batch.clip_of_object == number]
        np.testing.assert_array_equal(own.numpy(), clip.masks)
    assert batch.centres.shape == (2, 4, 2)
    assert batch.centres.isnan().all()


def innermost(mask: np.ndarray) -> tuple[int, int]:
    """By trying: of the pixels (x, y) farthest from all outside, beyond the border too, the first row by row."""
    outside = np.argwhere(~np.pad(mask, 1)) - 1
    depths = {(x, y): ((outside - (y, x)) ** 2).sum(1).min() for y, x in np.argwhere(mask).tolist()}
    return max(depths, key=lambda point: depths[point])


@pytest.fixture(params=[1, 2])
def opencv_threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """One thread, as in workers, and two: OpenCV measures distances by different code."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(request.param)
    yield
    cv2.setNumThreads(before)


@pytest.mark.usefixtures("opencv_threads")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), top=st.integers(0, 15), left=st.integers(0, 15), share=st.floats(0.8, 1))
def test_centres_are_the_innermost_points(seed: int, top: int, left: int, share: float):
    rng = np.random.default_rng(seed)
    clip = Clip(frames=np.zeros((2, 16, 16, 3), np.uint8), masks=np.zeros((2, 1, 16, 16), bool))
    clip.masks[0, 0, top:, left:] = rng.random((16 - top, 16 - left)) < share
    clip.masks[0, 0, top, left] = True
    centres = collate([clip], with_centres=True).centres
    assert tuple(centres[0, 0].tolist()) == innermost(clip.masks[0, 0])
    assert centres[1, 0].isnan().all()


@pytest.mark.usefixtures("opencv_threads")
def test_of_points_equally_far_inside_the_first_is_taken():
    rng = np.random.default_rng(0)
    clip = Clip(frames=np.zeros((1, 256, 256, 3), np.uint8), masks=np.zeros((1, 60, 256, 256), bool))
    for mask in clip.masks[0]:
        corners = rng.integers(0, 126, (8, 2)).astype(np.int32)
        quarter = cv2.fillPoly(np.zeros((128, 128), np.uint8), [corners], 1) > 0
        mask[:] = np.block([[quarter, quarter[:, ::-1]], [quarter[::-1], quarter[::-1, ::-1]]])
    # Each point has its like in all quarters, of which the upper left comes first.
    assert (collate([clip], with_centres=True).centres < 128).all()


@given(available=st.integers(1, 6), wanted=st.integers(1, 10), seed=st.integers(0, 2**32))
def test_exactly_as_many_objects_as_wanted_each_as_often(available: int, wanted: int, seed: int):
    clip = Clip(frames=np.zeros((1, 4, 4, 3), np.uint8), masks=np.zeros((1, available, 4, 4), bool))
    clip.masks[0, np.arange(available), np.arange(available) // 4, np.arange(available) % 4] = True
    chosen = choose_objects(clip, wanted, np.random.default_rng(seed))
    assert chosen.masks.shape[1] == wanted
    counts = np.bincount(chosen.masks[0].reshape(wanted, -1).argmax(1), minlength=available)
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("other", [make_clip(1, num_frames=3), make_clip(1, size=(8, 8)), make_clip(1, size=(16, 12))])
def test_clips_that_do_not_fit_together_are_named(other: Clip):
    length, height, width = other.frames.shape[:3]
    with pytest.raises(ValueError, match=rf"{length} of {width} x {height}"):
        collate([make_clip(1), other])


@pytest.mark.gpu
def test_pixels_are_normalised_on_the_gpu():
    collated = collate([make_clip(2)])
    batch = collated.pin_memory().to_batch("cuda")
    assert batch.masks.is_cuda
    torch.testing.assert_close(batch.pixels.cpu(), collated.to_batch().pixels)
