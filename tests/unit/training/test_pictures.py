"""Pictures of a batch and of what was found, and curves."""

import numpy as np
import pytest
import torch

from masklet.io.images import preprocess
from masklet.training.pictures import CELL_SIDE, MAX_CLIPS, MAX_FRAMES, MAX_OBJECTS, draw_curve, draw_step, to_picture
from masklet.training.samples import ClipBatch
from masklet.training.step import FramePrediction
from masklet.types import PointLabel, Points

SIDE = 64


def make_batch(num_frames: int, num_clips: int, num_objects: int) -> ClipBatch:
    masks = torch.zeros(num_frames, num_clips * num_objects, SIDE, SIDE, dtype=torch.bool)
    masks[:, :, 16:48, 16:48] = True
    return ClipBatch(
        torch.zeros(num_frames, num_clips, 3, SIDE, SIDE),
        masks,
        torch.arange(num_clips).repeat_interleave(num_objects),
        torch.full((num_frames, num_clips * num_objects, 2), 32.0),
    )


def found(batch: ClipBatch, points: Points | None = None) -> tuple[FramePrediction, ...]:
    logits = torch.full((len(batch.clip_of_object), 1, SIDE // 4, SIDE // 4), -5.0)
    logits[:, :, :8] = 5.0
    return (FramePrediction(logits, None if points is None else "click", points),) * len(batch.pixels)


def test_pixels_come_back_as_they_were():
    rgb = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
    assert np.array_equal(to_picture(preprocess(rgb, SIDE)), rgb)


@pytest.mark.parametrize(
    ("frames", "clips", "cells"), [(1, 1, 2), (1, 2 * MAX_CLIPS, 2 * MAX_CLIPS), (9, 1, 2 * MAX_FRAMES)]
)
def test_shows_some_clips_and_frames(frames, clips, cells):
    batch = make_batch(frames, clips, 1)
    picture = draw_step(batch, found(batch))
    side = SIDE * (CELL_SIDE // SIDE)
    assert picture.shape[0] * picture.shape[1] >= cells * side**2
    assert picture.shape[0] * picture.shape[1] < 1.2 * cells * (side + 12) ** 2


def test_truth_and_what_was_found_differ():
    batch = make_batch(1, 1, 1)
    picture = draw_step(batch, found(batch)).astype(int)
    half = picture.shape[1] // 2
    left, right = picture[:, :half], picture[:, half:]
    top = slice(20, 60)  # outside of the true mask, inside of what was found
    assert not np.ptp(left[top, 60:-60], axis=(0, 1)).any()
    assert np.abs(right[top, 60:-60] - left[top, 60:-60]).max() > 20


def test_clicks_and_boxes_are_drawn_where_they_are():
    batch = make_batch(1, 1, 1)
    click = Points(torch.tensor([[[32.0, 56.0]]]), torch.tensor([[int(PointLabel.NEGATIVE)]]))
    box = Points.of_boxes(torch.tensor([[[8.0, 50.0], [56.0, 60.0]]]))
    plain = draw_step(batch, found(batch))
    scale = CELL_SIDE // SIDE
    for points, (x, y) in ((click, (32, 56)), (box, (30, 60)), (box.join(click), (32, 56))):
        changed = (draw_step(batch, found(batch, points)) != plain).any(-1)
        rows, columns = np.nonzero(changed)
        assert (columns > plain.shape[1] // 2).all()
        near = np.hypot(rows - (6 + (y + 0.5) * scale), columns - (plain.shape[1] // 2 + 3 + (x + 0.5) * scale))
        assert near.min() < 6


def test_not_more_objects_than_can_be_told_apart():
    batch = make_batch(1, 1, MAX_OBJECTS + 3)
    few = make_batch(1, 1, MAX_OBJECTS)
    assert np.array_equal(draw_step(batch, found(batch)), draw_step(few, found(few)))


def test_a_curve_goes_down_where_values_do():
    picture = draw_curve([3.0, 2.0, 1.0, 0.5])
    blue = picture[..., 2].astype(int) - picture[..., 0] > 100
    heights = [np.flatnonzero(column).mean() for column in blue.T if column.any()]
    assert heights[-1] - heights[0] > 100
    assert np.diff(heights).min() > -2


def test_a_curve_of_zeros_is_drawn():
    assert draw_curve([0.0, 0.0]).shape[2] == 3
