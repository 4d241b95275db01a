"""Ways of cameras and things: where they begin, how fast they are, and times away."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.training.scenes.motion import (
    Camera,
    MotionConfig,
    away,
    between,
    random_absence,
    random_camera,
    random_way,
    way_out,
)
from masklet.training.scenes.warp import Pose

SIDE = 100
STILL = MotionConfig(
    drift=0, turn=0, growth=0, yaw=0, spin=0, camera_drift=0, camera_zoom=0, camera_turn=0, shake=0,
    wave_probability=0, bend_probability=0,
)  # fmt: skip
START = Pose(40.0, 60.0, 30.0, 0.2)


def test_without_speeds_nothing_moves():
    rng = np.random.default_rng(0)
    camera = random_camera(rng, STILL, 5, SIDE, 1.0)
    assert not camera.way.any()
    way = random_way(rng, STILL, START, camera, 1.0)
    assert way.deformed(3) == ((), None)
    assert way.pose(4) == pytest.approx(START)


def test_all_begins_where_it_is():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        camera = random_camera(rng, MotionConfig(), 5, SIDE, 1.0)
        np.testing.assert_allclose(camera.matrix(0), [[1, 0, 0], [0, 1, 0]], atol=1e-12)
        assert random_way(rng, MotionConfig(), START, camera, 1.0).pose(0) == pytest.approx(START)


def test_strides_make_slow_clips_and_fast_ones():
    config = MotionConfig(min_stride=0.25, max_stride=4.0)
    strides = [config.draw_stride(np.random.default_rng(seed)) for seed in range(200)]
    assert 0.25 <= min(strides) < 0.5
    assert 2.0 < max(strides) <= 4.0
    assert 70 < sum(stride < 1.0 for stride in strides) < 130
    slow, fast = (config.walk(np.random.default_rng(3), 6, np.full(4, stride)) for stride in (0.5, 2.0))
    np.testing.assert_allclose(fast, 4 * slow)


def test_a_shaking_camera_goes_to_and_fro():
    shaky = replace(STILL, shake=0.02, shake_probability=1.0)
    way = random_camera(np.random.default_rng(0), shaky, 40, SIDE, 1.0).way
    assert not way[0].any()
    assert way[1:, :2].std() == pytest.approx(2.0, rel=0.3)
    assert abs(way[1:, 0].mean()) < 1.0
    assert way[1:, 3].std() == pytest.approx(0.02, rel=0.4)


def test_what_the_camera_does_not_follow_stays_on_the_photograph():
    moving = replace(STILL, camera_drift=0.05, camera_zoom=0.05, camera_turn=3.0, follow_probability=0.0)
    camera = random_camera(np.random.default_rng(1), moving, 4, SIDE, 1.0)
    way = random_way(np.random.default_rng(2), moving, START, camera, 1.0)
    for index in range(4):
        pose, matrix = way.pose(index), camera.matrix(index)
        assert (pose.x, pose.y) == pytest.approx(tuple(matrix @ (START.x, START.y, 1.0)))
        assert pose.side / START.side == pytest.approx(np.sqrt(np.linalg.det(matrix[:, :2])))
    followed = random_way(np.random.default_rng(2), replace(moving, follow_probability=1.0), START, camera, 1.0)
    assert followed.pose(3) == pytest.approx(START)


def test_things_deform_as_often_as_asked():
    config = MotionConfig(yaw_probability=0.3, wave_probability=0.4, bend_probability=0.2, max_bend=40.0)
    camera = random_camera(np.random.default_rng(0), config, 6, SIDE, 1.0)
    ways = [random_way(np.random.default_rng(seed), config, START, camera, 1.0) for seed in range(300)]
    assert 0.2 < np.mean([bool(way.poses[:, 4].any()) for way in ways]) < 0.4
    assert 0.13 < np.mean([bool(way.poses[:, 5].any()) for way in ways]) < 0.27
    assert 0.3 < np.mean([bool(way.waves) for way in ways]) < 0.5
    bent = [way for way in ways if way.bend is not None]
    assert 0.1 < len(bent) / 300 < 0.3
    for way in bent:
        angles = [way.deformed(index)[1].angle for index in range(6)]
        assert len(set(angles)) == 6
        assert max(map(abs, angles)) <= np.deg2rad(40.0)
    rippling = next(way for way in ways if way.waves)
    assert rippling.deformed(0)[0][0].phase != rippling.deformed(5)[0][0].phase


def test_bounds_hold_all_that_a_camera_shows():
    camera = Camera(SIDE, np.array([[0, 0, 0, 0], [10, -5, 0, 0], [0, 0, np.log(0.5), 0]], float))
    low, high = camera.bounds()
    np.testing.assert_allclose(low, -49.5)  # zoomed out by a half: half a picture more on each side
    np.testing.assert_allclose(high, 148.5)


def test_between_frames_ways_are_interpolated():
    way = np.array([[0.0], [2.0], [8.0]])
    assert [float(between(way, index)[0]) for index in (-0.5, 0, 0.25, 1.5, 2, 2.5)] == [-1.0, 0.0, 0.5, 5.0, 8.0, 11.0]
    assert between(way[:1], 0.4) == 0.0


@given(num_frames=st.integers(3, 30), seed=st.integers(0, 1000))
def test_absences_are_inside_the_clip(num_frames, seed):
    first, last = random_absence(np.random.default_rng(seed), num_frames)
    assert 1 <= first <= last <= num_frames - 2
    share = away(num_frames, (first, last))
    assert share[0] == share[-1] == 0.0
    assert (share[first : last + 1] == 1.0).all()


def test_a_way_out_leaves_the_picture():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        camera = random_camera(rng, MotionConfig(), 5, SIDE, 1.0)
        way = random_way(rng, MotionConfig(), START, camera, 1.0)
        for pose in way.moved(np.tile(way_out(way, SIDE, rng), (5, 1))).poses:
            reach = np.exp(pose[2]) / 2
            inside = (pose[:2] > -reach) & (pose[:2] < SIDE + reach)
            assert not inside.all()


@pytest.mark.parametrize("wrong", [{"min_stride": 0.0}, {"min_stride": 3.0}, {"bend_probability": 1.1}])
def test_wrong_config_is_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MotionConfig(**wrong)
