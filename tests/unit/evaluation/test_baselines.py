"""Masks that stay, and masks that flow."""

import numpy as np
import pytest

from masklet.datasets import open_dataset
from masklet.evaluation.baselines import follow_baseline
from masklet.evaluation.measures import region_similarity
from masklet.evaluation.vos import VosOptions
from masklet.ops.masks import mask_iou

NUM_FRAMES = 10
LATER = VosOptions(appearing_later=True)


def test_static_masks_stay(make_squares) -> None:
    sequence = make_squares(second_from=3)
    first, third = sequence.annotations.read("00000"), sequence.annotations.read("00003")
    frames = list(follow_baseline("static", sequence, LATER))
    assert len(frames) == NUM_FRAMES
    for index, frame in enumerate(frames):
        assert (frame[1] == first[1]).all()
        assert (frame[2] == (third[2] if index >= 3 else np.zeros_like(third[2]))).all()


def test_static_masks_give_way_to_those_given_later(make_squares) -> None:
    sequence = make_squares(second_from=0, every=4)
    frames = list(follow_baseline("static", sequence, VosOptions(use_all_masks=True)))
    assert (frames[3][1] == sequence.annotations.read("00000")[1]).all()
    assert (frames[5][1] == sequence.annotations.read("00004")[1]).all()


def test_flow_carries_masks_along(make_squares) -> None:
    sequence = make_squares(second_from=3)
    static = list(follow_baseline("static", sequence, LATER))
    flow = list(follow_baseline("flow", sequence, LATER))
    assert len(flow) == NUM_FRAMES
    assert not any(frame[2].any() for frame in flow[:3])
    for object_id in (1, 2):
        truth = sequence.annotations.read("00009")[object_id]
        assert mask_iou(flow[9][object_id], truth) > mask_iou(static[9][object_id], truth) + 0.2


def test_flow_gives_masks_of_the_frames_size(make_squares) -> None:
    sequence = make_squares(second_from=0)
    for frame in follow_baseline("flow", sequence, VosOptions()):
        assert all(mask.dtype == bool and mask.shape == (40, 56) for mask in frame.values())


def test_a_baseline_begins_with_masks(make_squares) -> None:
    with pytest.raises(ValueError, match="first-click"):
        next(follow_baseline("flow", make_squares(), VosOptions(protocol="first-click")))


def test_an_unexpected_object(make_squares) -> None:
    with pytest.raises(ValueError, match="appearing-later"):
        next(follow_baseline("static", make_squares(), VosOptions()))


def test_floors_on_real_videos(shared) -> None:
    (sequence,) = open_dataset(shared / "data" / "davis_dev", sequences=["car-shadow"]).sequences
    means = {}
    for baseline in ("static", "flow"):
        frames = list(follow_baseline(baseline, sequence, VosOptions()))[1:-1]
        names = sequence.frame_names[1:-1]
        scores = [
            region_similarity(masks[1], sequence.annotations.read(name)[1])
            for name, masks in zip(names, frames, strict=True)
        ]
        means[baseline] = 100 * np.mean(scores)
    assert means["flow"] > means["static"] + 10
