"""Clips from tiny made-up pictures: bounds, determinism, and masks that are exactly what is seen."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from masklet.training.samples import Clip
from masklet.training.scenes.augment import AugmentConfig
from masklet.training.scenes.cast import CastConfig
from masklet.training.scenes.compose import Look
from masklet.training.scenes.lens import LensConfig
from masklet.training.scenes.lighting import LightingConfig
from masklet.training.scenes.motion import MotionConfig
from masklet.training.scenes.moving import MovingScenes, MovingScenesConfig
from masklet.training.scenes.parts import write_part

SIDE = 64
PLAIN_CAST = CastConfig(
    attach_probability=0, behind_probability=0, twin_probability=0, leave_probability=0, cover_probability=0,
    late_probability=0,
)  # fmt: skip
PLAIN = {
    "augment": AugmentConfig(
        tone_probability=0.0, saturation_probability=0.0, grayscale_probability=0.0, blur_probability=0.0,
        noise_probability=0.0, jpeg_probability=0.0,
    ),
    "lens": LensConfig(exposure_probability=0.0, focus_probability=0.0),
    "lighting": LightingConfig(change_probability=0.0, shadow_probability=0.0),
    "cast": PLAIN_CAST,
}  # fmt: skip


@pytest.fixture
def config(pictures) -> MovingScenesConfig:
    return MovingScenesConfig(root=pictures, image_size=SIDE, num_frames=5)


@pytest.fixture
def plain(config) -> MovingScenesConfig:
    return replace(config, **PLAIN)


def draw(config: MovingScenesConfig, count: int, seed: int = 0) -> list[Clip]:
    source = MovingScenes(config)
    return [source.draw(index, np.random.default_rng([seed, index])) for index in range(count)]


def test_every_object_is_seen_first(config):
    for clip in draw(config, 25):
        assert clip.frames.shape == (5, SIDE, SIDE, 3)
        assert clip.frames.dtype == np.uint8
        assert clip.masks.shape[0] == 5
        assert clip.masks.shape[2:] == (SIDE, SIDE)
        assert clip.masks.dtype == np.bool_
        areas = clip.masks[0].mean((1, 2))
        assert 1 <= len(areas) <= config.max_masks
        assert areas.min() >= config.min_mask_area
        assert areas.max() <= config.max_mask_area


def test_the_same_state_gives_the_same_clip_whatever_the_index(config):
    source = MovingScenes(config)
    assert len(source) == config.nominal_length
    packed = pickle.dumps(source)
    assert len(packed) < 10_000
    again = pickle.loads(packed)
    for seed in range(4):
        first, second = source.draw(0, np.random.default_rng(seed)), again.draw(9, np.random.default_rng(seed))
        np.testing.assert_array_equal(first.frames, second.frames)
        np.testing.assert_array_equal(first.masks, second.masks)
    assert not np.array_equal(first.frames, source.draw(0, np.random.default_rng(99)).frames)


@pytest.mark.parametrize("num_frames", [1, 2, 3])
def test_short_clips(config, num_frames):
    everything = CastConfig(leave_probability=1, cover_probability=1, late_probability=1, twin_probability=1)
    for clip in draw(replace(config, num_frames=num_frames, cast=everything), 10):
        assert len(clip.frames) == len(clip.masks) == num_frames


def test_without_speeds_nothing_moves(plain):
    still = MotionConfig(
        drift=0, turn=0, growth=0, yaw=0, camera_drift=0, camera_zoom=0, camera_turn=0, shake=0,
        wave_probability=0, bend_probability=0, spin=0,
    )  # fmt: skip
    for clip in draw(replace(plain, motion=still), 8):
        assert (clip.frames == clip.frames[:1]).all()
        assert (clip.masks == clip.masks[:1]).all()


def test_things_move(config):
    clips = draw(config, 5)
    assert any((clip.masks[0] != clip.masks[-1]).any() for clip in clips)
    assert all((clip.frames[0] != clip.frames[-1]).any() for clip in clips)


def test_regions_follow_the_pixels(plain):
    """A region of the pictures has one colour or two, and what its mask covers later has the same ones."""
    followed = 0
    for clip in draw(replace(plain, max_objects=0), 30):
        for masks in clip.masks.transpose(1, 0, 2, 3):
            colours, counts = np.unique(clip.frames[0][masks[0]], axis=0, return_counts=True)
            common = colours[np.argsort(-counts)[:2]].astype(int)
            for frame, mask in zip(clip.frames[1:], masks[1:], strict=True):
                if mask.sum() > 40:
                    apart = np.abs(frame[mask].astype(int)[:, None] - common).max(-1).min(-1)
                    assert (apart < 12).mean() > 0.8
                    followed += 1
    assert followed > 30


DEFORMED = ("wave_probability", "bend_probability", "yaw_probability", "spin_probability")


def paint(tmp_path, plain, monkeypatch, **cast: float) -> list[Clip]:
    """Clips of white cut-outs on black photographs, without effects but all the ways of moving."""
    ys, xs = np.mgrid[:60, :60] - 29.5
    white = np.zeros((60, 60, 4), np.uint8)
    white[(np.hypot(ys, xs) < 29) & ((ys > -8) | (np.abs(xs) < 9))] = 255
    write_part(tmp_path, "cutouts", {"cutouts": white.ravel(), "cutouts_index": np.array([[0, 60, 60, 0]])}, ["white"])
    views = {"rgb": np.zeros((1, 80, 80, 3), np.uint8), "labels": np.zeros((1, 80, 80), np.uint16)}
    views["labels"][0, 40:] = 1
    views |= {"members": np.array([[[False, True]]]), "scores": np.ones((1, 1), np.float32)}
    write_part(tmp_path, "views", {f"views_{name}": array for name, array in views.items()}, ["black"])
    monkeypatch.setattr("masklet.training.scenes.cast.random_look", lambda rng, blur: Look())
    moves = MotionConfig(**dict.fromkeys(DEFORMED, 0.6), shake_probability=0.5)
    config = replace(plain, root=tmp_path, blob_probability=0.0, motion=moves, cast=replace(PLAIN_CAST, **cast))
    return draw(config, 60)


def test_a_painted_object_has_its_colour_exactly_in_its_mask(tmp_path, plain, monkeypatch):
    clips = paint(tmp_path, replace(plain, max_objects=1, max_regions=0), monkeypatch)
    assert sum(clip.masks.any((1, 2, 3)).sum() for clip in clips) > 250
    for clip in clips:
        assert clip.masks.shape[1] == 1
        np.testing.assert_array_equal(clip.masks[:, 0], clip.frames[..., 0] > 127)


def test_behind_a_region_masks_are_exact_too(tmp_path, plain, monkeypatch):
    clips = paint(tmp_path, replace(plain, max_objects=1, max_regions=1), monkeypatch, behind_probability=1.0)
    checked = 0
    for clip in clips:
        white = clip.frames[..., 0] > 127
        inside = [number for number, mask in enumerate(clip.masks[0]) if (mask & white[0]).any()]
        for number in inside:
            np.testing.assert_array_equal(clip.masks[:, number], white)
            checked += 1
        for number in set(range(clip.masks.shape[1])) - set(inside):
            assert not (clip.masks[:, number] & white).any(), "a region is never under what is behind it"
    assert checked > 10


def test_wholes_are_parts_and_the_rest(plain):
    found = 0
    for clip in draw(replace(plain, cast=replace(PLAIN_CAST, attach_probability=1.0), max_regions=0), 30):
        masks = clip.masks.transpose(1, 0, 2, 3)
        for whole in masks:
            inner = [mask for mask in masks if mask is not whole and not (mask & ~whole).any()]
            found += any(
                np.array_equal(one | other, whole) and not (one & other).any() for one in inner for other in inner
            )
    assert found > 15


def share_that_returns(config: MovingScenesConfig, count: int) -> float:
    """The share of clips in which an object is gone for a time and is seen again."""
    returned = 0
    for clip in draw(config, count):
        seen = clip.masks.any((2, 3))
        gone = ~seen & (np.cumsum(seen[::-1], axis=0)[::-1] > 0)
        returned += bool(gone.any())
    return returned / count


def test_objects_disappear_and_return(plain):
    few = replace(plain, max_regions=0, max_objects=2, num_frames=8)
    probabilities = {"never": {}, "leave": {"leave_probability": 1.0}, "cover": {"cover_probability": 1.0}}
    shares = {
        name: share_that_returns(replace(few, cast=replace(PLAIN_CAST, **probability)), 50)
        for name, probability in probabilities.items()
    }
    assert shares["never"] < 0.2
    assert shares["leave"] > 0.5
    assert shares["cover"] > 0.3


def test_blur_and_light_leave_masks_alone(plain):
    effects = {
        "lens": LensConfig(exposure_probability=1.0, focus_probability=1.0),
        "lighting": LightingConfig(change_probability=1.0, shadow_probability=1.0),
    }
    sharp = draw(plain, 12)
    for name, effect in effects.items():
        changed = 0
        for one, other in zip(sharp, draw(replace(plain, **{name: effect}), 12), strict=True):
            np.testing.assert_array_equal(one.masks, other.masks)
            changed += not np.array_equal(one.frames, other.frames)
        assert changed >= 10


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_frames": 0}, "num_frames"),
        ({"max_regions": 9}, "max_regions"),
        ({"max_regions": 0, "max_objects": 0}, "nothing to follow"),
        ({"image_size": 8}, "image_size"),
    ],
)
def test_wrong_config_is_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        MovingScenesConfig(**wrong)


def test_settings_without_any_object_are_named(config, monkeypatch):
    monkeypatch.setattr("masklet.training.scenes.moving.MAX_TRIES", 10)
    with pytest.raises(ValueError, match="max_objects is 0"):
        draw(replace(config, min_mask_area=0.0001, max_mask_area=0.0002, max_objects=0, num_frames=1), 1)


def test_missing_pictures_are_named(tmp_path):
    with pytest.raises(ValueError, match=str(tmp_path)):
        MovingScenes(MovingScenesConfig(root=tmp_path))
