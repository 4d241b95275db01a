"""Blur goes along the way of what moves, centred on the middle of the exposure."""

import numpy as np
import pytest

from masklet.training.scenes.lens import Lens, LensConfig, random_lens
from masklet.training.scenes.motion import Camera, Way
from masklet.training.scenes.warp import Patch

SIDE = 64


def lens(exposure: float = 0.0, ground: float = 0.0, things: float = 0.0) -> Lens:
    return Lens(exposure, np.full(3, ground), np.full(3, things))


def panning(step: float) -> Camera:
    way = np.zeros((3, 4))
    way[:, 0] = step * np.arange(3)
    return Camera(SIDE, way)


def dot() -> np.ndarray:
    ground = np.zeros((SIDE, 3 * SIDE, 3), np.uint8)
    ground[30:34, 90:94] = 240
    return ground


def extents(picture: np.ndarray) -> tuple[int, int]:
    ys, xs = np.nonzero(picture > 8)
    return int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1


def test_the_photograph_is_blurred_along_the_pan():
    origin = np.array([-SIDE, 0.0])
    sharp, blurred = (lens(exposure).ground(dot(), origin, panning(10.0), 1)[..., 0] for exposure in (0.0, 0.8))
    assert extents(sharp) == (4, 4)
    width, height = extents(blurred)
    assert height == 4
    assert 9 <= width <= 13  # eight pixels in an exposure
    middles = [(picture.sum(0) * np.arange(SIDE)).sum() / picture.sum() for picture in (sharp, blurred)]
    assert middles[0] == pytest.approx(middles[1], abs=0.3)


def test_a_camera_at_rest_does_not_blur():
    origin = np.array([-SIDE, 0.0])
    still = [lens(exposure).ground(dot(), origin, panning(0.0), 1) for exposure in (0.0, 0.8)]
    np.testing.assert_array_equal(*still)


def test_things_are_blurred_along_their_own_way():
    poses = np.zeros((3, 6))
    poses[:, :3] = (20.0, 20.0, np.log(8.0))
    poses[:, 1] += 12.0 * np.arange(3)
    patch = Patch(np.full((8, 8, 4), 255, np.uint8), 16, 28)
    seen = lens(0.5).thing(patch, Way(poses), 1, 0.0)
    width, height = extents(seen.rgba[..., 3])
    assert width == 8
    assert 12 <= height <= 15
    middle = seen.top + (seen.rgba[..., 3].sum(1) * np.arange(seen.rgba.shape[0])).sum() / seen.rgba[..., 3].sum()
    assert middle == pytest.approx(28 + 3.5, abs=0.3)
    assert lens(0.0).thing(patch, Way(poses), 1, 0.0) is patch


def test_what_is_very_quick_is_exposed_briefly():
    width, _ = extents(lens(0.7).ground(dot(), np.array([-SIDE, 0.0]), panning(60.0), 0)[..., 0])
    assert 12 < width < 26


def test_focus_blurs_photograph_or_things():
    origin = np.array([-SIDE, 0.0])
    assert extents(lens(ground=1.5).ground(dot(), origin, panning(0.0), 1)[..., 0])[1] > 6
    poses = np.tile([20.0, 20.0, np.log(8.0), 0.0, 0.0, 0.0], (3, 1))
    patch = Patch(np.full((8, 8, 4), 255, np.uint8), 16, 16)
    assert lens(things=1.5).thing(patch, Way(poses), 1, 0.0).rgba.shape[0] > 8


def test_lenses_come_as_often_as_asked():
    config = LensConfig(exposure_probability=0.3, focus_probability=0.3, max_exposure=0.5)
    drawn = [random_lens(np.random.default_rng(seed), config, 4) for seed in range(300)]
    assert 60 < sum(one.exposure > 0 for one in drawn) < 120
    assert max(one.exposure for one in drawn) <= 0.5
    assert 60 < sum(one.ground_blur.any() or one.object_blur.any() for one in drawn) < 120
    assert any(one.ground_blur[0] != one.ground_blur[-1] for one in drawn)


def test_wrong_config_is_named():
    with pytest.raises(ValueError, match="max_exposure"):
        LensConfig(max_exposure=1.5)
