"""Policies: what the released predictors do, and what makes no sense."""

import pytest

from masklet.config import preset
from masklet.tracking.policy import RELEASED_POLICY, MemoryPolicy, TrackingPolicy, suited_policy


def test_the_defaults_are_the_released_ones():
    assert (MemoryPolicy().num_memories, MemoryPolicy().max_pointers, MemoryPolicy().stride) == (7, 16, 1)
    assert MemoryPolicy().max_conditioning_frames is None
    assert TrackingPolicy(binary_prompted_memory=True, max_hole_area=8, memory_stride=1) == RELEASED_POLICY
    assert RELEASED_POLICY.max_sprinkle_area == 0
    assert not RELEASED_POLICY.exact_drawn_masks
    assert not RELEASED_POLICY.all_conditioning_pointers
    assert RELEASED_POLICY.stability is not None
    assert (RELEASED_POLICY.stability.delta, RELEASED_POLICY.stability.threshold) == (0.05, 0.98)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"memory_stride": 0}, "at least 1, not 0"),
        ({"max_conditioning_frames": 1}, "is 1, but it must be at least 2"),
        ({"max_hole_area": -0.5}, "is -0.5, but an area cannot be negative"),
        ({"max_hole_area": float("nan")}, "is nan"),
        ({"max_sprinkle_area": -1}, "max_sprinkle_area is -1, but an area cannot be negative"),
    ],
)
def test_policies_that_make_no_sense(wrong, message):
    with pytest.raises(ValueError, match=message):
        TrackingPolicy(**wrong)


def test_the_least_that_makes_sense():
    TrackingPolicy(memory_stride=1, max_conditioning_frames=2, max_hole_area=0)


def test_what_suits_a_model():
    assert suited_policy(preset("sam2.1_hiera_tiny")) == RELEASED_POLICY
    suited = suited_policy(preset("nano").with_image_size(192))
    assert suited.max_conditioning_frames == 3
    assert suited.max_sprinkle_area == pytest.approx(0.003 * 48**2)
    assert (suited.max_hole_area, suited.stability) == (RELEASED_POLICY.max_hole_area, RELEASED_POLICY.stability)
