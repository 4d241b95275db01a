"""Who plays: twins, parts, what covers others, and how often."""

import numpy as np
import pytest

from masklet.training.scenes.cast import CastConfig, Casting, attach, hide_behind
from masklet.training.scenes.motion import MotionConfig, random_camera
from masklet.training.scenes.pictures import Pictures, PicturesConfig
from masklet.training.scenes.warp import Patch, render

SIDE = 64
NONE = dict.fromkeys([f"{name}_probability" for name in ("attach", "behind", "twin", "leave", "cover", "late")], 0.0)


def draw(pictures, count: int, **probabilities: float) -> list:
    config = CastConfig(**(NONE | {f"{name}_probability": value for name, value in probabilities.items()}))
    motion, casts = MotionConfig(), []
    casting = Casting(Pictures(PicturesConfig(root=pictures, image_size=SIDE, max_objects=3)), config, motion)
    for seed in range(count):
        rng = np.random.default_rng(seed)
        camera = random_camera(rng, motion, 8, SIDE, 1.0)
        casts.append(casting.draw(rng, camera, 1.0, np.full((SIDE, SIDE, 3), 90, np.uint8), 2))
    return casts


def shown(actor, index: int) -> bool:
    return render(actor.sprite, actor.way.pose(index), SIDE, *actor.way.deformed(index)) is not None


def test_plain_casts(pictures):
    casts = draw(pictures, 60)
    counts = [len(cast) for cast in casts]
    assert set(counts) == {0, 1, 2, 3}
    assert all(actor.behind is None and actor.sprite.part is None for cast in casts for actor in cast)


def test_twins_look_the_same_and_go_their_own_ways(pictures):
    casts = [cast for cast in draw(pictures, 40, twin=1.0) if cast]
    for cast in casts:
        sprites = [id(actor.sprite) for actor in cast]
        assert 1 <= len(sprites) - len(set(sprites)) <= 2
        same = [actor for actor in cast if sprites.count(id(actor.sprite)) > 1]
        assert not np.allclose(same[0].way.poses[:, :2], same[1].way.poses[:, :2])
        assert 0.6 < same[0].way.pose(0).side / same[1].way.pose(0).side < 1.6


def test_who_leaves_is_gone_and_returns(pictures):
    returned = left = 0
    for cast in draw(pictures, 60, leave=1.0):
        seen = [[shown(actor, index) for index in range(8)] for actor in cast]
        gone = [row for row in seen if row[0] and not all(row[1:-1])]
        left += bool(gone)
        returned += any(row[-1] for row in gone)
    assert left > 35
    assert returned > 0.7 * left


def test_who_is_late_is_not_there_at_first(pictures):
    came = 0
    for cast in draw(pictures, 40, late=1.0):
        assert not shown(cast[-1], 0)
        came += any(shown(cast[-1], index) for index in range(1, 8))
    assert came > 25


def test_parts_and_regions_come_as_often_as_asked(pictures):
    actors = [actor for cast in draw(pictures, 150, attach=0.3, behind=0.3) for actor in cast]
    assert 0.2 < np.mean([actor.sprite.part is not None for actor in actors]) < 0.4
    assert 0.2 < np.mean([actor.behind is not None for actor in actors]) < 0.4
    assert {actor.behind for actor in actors} == {None, 0, 1}


def test_what_is_attached_is_on_the_whole(disc):
    square = np.zeros((30, 30, 4), np.uint8)
    square[...] = (0, 255, 0, 255)
    for seed in range(10):
        whole, part = attach(disc, square, np.random.default_rng(seed))
        assert part.shape == whole.shape[:2]
        assert (whole[..., :3] <= whole[..., 3:]).all()
        inside = part == 255
        assert inside.any()
        np.testing.assert_array_equal(whole[inside], np.tile((0, 255, 0, 255), (inside.sum(), 1)))
        assert (whole[~inside][:, 0] > 100).any(), "something of the host is seen"


def test_behind_a_cover_nothing_is_seen():
    cover = np.zeros((SIDE, SIDE), np.uint8)
    cover[:, 20:] = 255
    (patch,) = hide_behind([Patch(np.full((10, 20, 4), 200, np.uint8), 10, 60)], cover)
    assert (patch.rgba[:, :10] == 200).all()
    assert not patch.rgba[:, 10:].any()


def test_wrong_config_is_named():
    with pytest.raises(ValueError, match="twin_probability"):
        CastConfig(twin_probability=-0.1)
