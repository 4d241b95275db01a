"""Where pixels and masks go: together, by how much, and what becomes of objects that would vanish."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.training.data.geometry import FILL, AffineConfig, CropConfig, Placement, place, tile
from masklet.training.samples import Clip

RED = (255, 0, 0)
GREEN = (0, 255, 0)
SIZES = st.tuples(st.integers(40, 90), st.integers(40, 90))
TURNS = AffineConfig(degrees=40, shear=20, scale=(0.8, 1.2), translate=(0.1, 0.1))
CROPS = CropConfig(area=(0.3, 1.0), aspect=(0.7, 1.4))


def blot(size: tuple[int, int], centre: tuple[float, float] = (0.5, 0.5), radius: float = 0.25) -> np.ndarray:
    """A mask with a disc; centre (x, y) and radius as shares of the sides."""
    ys, xs = np.mgrid[: size[0], : size[1]]
    x, y = (xs + 0.5) / size[1] - centre[0], (ys + 0.5) / size[0] - centre[1]
    return np.hypot(x, y) < radius


def paint(*masks: np.ndarray) -> Clip:
    """A clip of one frame, with red objects on the colour that lies beyond the border."""
    frame = np.where(np.any(masks, axis=0)[..., None], np.uint8(RED), np.uint8(FILL))
    return Clip(frames=frame[None], masks=np.stack(masks)[None])


def draw_placement(size: tuple[int, int], seed: int) -> Placement:
    rng = np.random.default_rng(seed)
    window = CROPS.draw(blot(size)[None], rng)
    assert window is not None
    cropped = window[0].stop - window[0].start, window[1].stop - window[1].start
    flip, vertical_flip = (bool(value) for value in rng.integers(0, 2, 2))
    affine = TURNS.draw(cropped, rng)
    return Placement(side=64, window=window, affine=affine, flip=flip, vertical_flip=vertical_flip)


@given(SIZES, st.integers(0, 10**6))
def test_a_mask_moves_with_its_pixels(size: tuple[int, int], seed: int) -> None:
    clip = paint(blot(size))
    placed = place(clip, draw_placement(size, seed))
    redness = (placed.frames[0, ..., 0].astype(float) - FILL[0]) / (RED[0] - FILL[0])
    decided = np.abs(redness - 0.5) > 0.03
    assert decided.mean() > 0.9
    assert (placed.masks[0, 0] == (redness > 0.5))[decided].all()


@given(SIZES, st.booleans(), st.booleans(), st.integers(0, 10**6))
def test_flips_twice_are_none(size: tuple[int, int], flip: bool, vertical_flip: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    square = Placement(side=48)
    flips = replace(square, flip=flip, vertical_flip=vertical_flip)
    frames = rng.integers(0, 256, (2, *size, 3)).astype(np.uint8)
    masks = rng.random((2, 3, *size)) < 0.5
    once, once_masks = flips.place_frames(frames), flips.place_masks(masks)
    expected = square.place_frames(frames)[:, :: -1 if vertical_flip else 1, :: -1 if flip else 1]
    np.testing.assert_array_equal(once, expected)
    np.testing.assert_array_equal(flips.place_frames(once), square.place_frames(frames))
    np.testing.assert_array_equal(flips.place_masks(once_masks), square.place_masks(masks))


def test_a_clip_of_the_right_size_stays_as_it_is() -> None:
    rng = np.random.default_rng(0)
    frames, masks = rng.integers(0, 256, (2, 32, 32, 3)).astype(np.uint8), rng.random((2, 3, 32, 32)) < 0.5
    placed = place(Clip(frames=frames, masks=masks), Placement(side=32))
    np.testing.assert_array_equal(placed.frames, frames)
    np.testing.assert_array_equal(placed.masks, masks)


def test_a_shrunk_mask_is_where_half_of_a_pixel_is_inside() -> None:
    masks = np.random.default_rng(0).random((2, 64, 96)) < 0.5
    coverage = masks.reshape(2, 16, 4, 16, 6).mean((2, 4))
    decided = np.abs(coverage - 0.5) > 0.01  # coverage is in steps of 1/255
    placed = Placement(side=16).place_masks(masks)
    np.testing.assert_array_equal(placed[decided], (coverage >= 0.5)[decided])
    assert placed[coverage == 0.5].all()


def test_a_long_picture_is_shrunk_and_grown() -> None:
    stripes = np.tile(np.array([[0, 255]], np.uint8), (20, 200))[None, ..., None].repeat(3, -1)
    placed = Placement(side=40).place_frames(stripes)
    assert placed.shape == (1, 40, 40, 3)
    assert (np.abs(placed.astype(int) - 127.5) < 1).all(), "stripes finer than a pixel are grey, not noise"


def test_a_quarter_turn() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (1, 32, 32, 3)).astype(np.uint8)
    masks = rng.random((1, 1, 32, 32)) < 0.5
    quarter = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 1.0]])
    placed = place(Clip(frames=frames, masks=masks), Placement(side=32, affine=quarter))
    np.testing.assert_array_equal(placed.frames[0], np.rot90(frames[0]))
    np.testing.assert_array_equal(placed.masks[0, 0], np.rot90(masks[0, 0]))


@given(SIZES, st.integers(0, 10**6))
def test_a_turn_is_one_of_pixels_about_the_centre(size: tuple[int, int], seed: int) -> None:
    affine = AffineConfig(degrees=30, shear=10).draw(size, np.random.default_rng(seed))
    assert affine is not None
    sides = np.array(size[::-1], float)
    in_pixels = np.diag(sides) @ affine[:, :2] @ np.diag(1 / sides)
    cosine, sine = in_pixels[:, 0]
    assert cosine**2 + sine**2 == pytest.approx(1), "a horizontal line keeps its length"
    assert abs(np.rad2deg(np.arctan2(sine, cosine))) <= 30
    upright = np.array([[cosine, sine], [-sine, cosine]]) @ in_pixels
    np.testing.assert_allclose([upright[0, 0], upright[1, 0], upright[1, 1]], [1, 0, 1], atol=1e-9)
    assert abs(np.rad2deg(np.arctan(upright[0, 1]))) <= 10
    np.testing.assert_allclose(affine @ (0.5, 0.5, 1), (0.5, 0.5))


def test_what_lies_beyond_the_border_is_filled() -> None:
    green = np.full((1, 60, 60, 3), GREEN, np.uint8)
    affine = AffineConfig(scale=(0.5, 0.5)).draw((60, 60), np.random.default_rng(0))
    frame = Placement(side=60, affine=affine).place_frames(green)[0]
    assert (frame[:14] == FILL).all()
    assert FILL == (124, 116, 104)
    assert (frame[16:44, 16:44] == GREEN).all()


def test_shift_and_scale_have_their_ranges() -> None:
    rng = np.random.default_rng(0)
    config = AffineConfig(scale=(0.5, 2.0), translate=(0.2, 0.1))
    maps = np.stack([config.draw((30, 50), rng) for _ in range(500)])
    scales, centres = maps[:, 0, 0], maps @ (0.5, 0.5, 1) - 0.5
    assert 0.5 <= scales.min() < 0.55
    assert 1.9 < scales.max() <= 2
    np.testing.assert_allclose(np.abs(centres).max(0), (0.2, 0.1), rtol=0.03)


def test_nothing_turns_where_an_object_would_be_lost() -> None:
    large, corner = blot((60, 60)), blot((60, 60), centre=(0.03, 0.03), radius=0.03)
    away = Placement(side=60, affine=np.array([[1.0, 0.0, -0.2], [0.0, 1.0, 0.0]]))
    alone, both = place(paint(large), away), place(paint(large, corner), away)
    np.testing.assert_array_equal(alone.masks[0, 0, :, :-12], large[:, 12:])
    np.testing.assert_array_equal(both.masks[0], [large, corner])
    np.testing.assert_array_equal(both.frames, paint(large, corner).frames)


def test_an_object_too_small_for_the_size_does_not_keep_others_from_turning() -> None:
    large, speck = blot((64, 64)), np.zeros((64, 64), bool)
    speck[50, 50] = True
    placed = place(paint(large, speck), Placement(side=16, affine=np.array([[1.0, 0.0, -0.25], [0.0, 1.0, 0.0]])))
    assert placed.masks.shape == (1, 1, 16, 16)
    np.testing.assert_array_equal(placed.masks[0, 0, :, :-4], Placement(side=16).place_masks(large)[:, 4:])


@given(st.integers(0, 63), st.integers(0, 63), st.booleans())
def test_the_last_object_stays(row: int, column: int, flip: bool) -> None:
    mask = np.zeros((64, 64), bool)
    mask[row, column] = True
    (found,) = np.argwhere(place(paint(mask), Placement(side=16, flip=flip)).masks[0, 0])
    assert tuple(found) == (row // 4, 15 - column // 4 if flip else column // 4)


@given(SIZES, st.integers(0, 10**6))
def test_a_crop_keeps_some_of_an_object(size: tuple[int, int], seed: int) -> None:
    masks = np.stack((blot(size, (0.1, 0.1), 0.05), blot(size, (0.9, 0.9), 0.05)))
    window = CROPS.draw(masks, np.random.default_rng(seed))
    assert window is not None
    assert masks[(slice(None), *window)].any()
    share = masks[0][window].size / masks[0].size
    assert 0.25 < share <= 1
    clip = place(paint(*masks), Placement(side=64, window=window))
    assert clip.masks.any((2, 3)).all()


def test_a_mosaic_keeps_the_objects_of_one_copy() -> None:
    clip = paint(blot((64, 64)), blot((64, 64), (0.2, 0.8), 0.1))
    places = set()
    for seed in range(30):
        mosaic = tile(clip, np.random.default_rng(seed))
        assert mosaic.frames.shape == clip.frames.shape
        quarters = mosaic.frames[0].reshape(2, 32, 2, 32, 3).swapaxes(1, 2).reshape(4, 32, 32, 3)
        assert (quarters == quarters[0]).all()
        inside = mosaic.masks[0].reshape(2, 2, 32, 2, 32).any((2, 4)).reshape(2, 4)
        assert (inside.sum(1) == 1).all()
        assert (inside[0] == inside[1]).all()
        places.add(int(inside[0].argmax()))
    assert places == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("config", "values", "message"),
    [
        (AffineConfig, {"degrees": -5}, "degrees is the largest turn, 0 to 180, not -5"),
        (AffineConfig, {"shear": 90}, "shear .* not 90"),
        (AffineConfig, {"scale": (1.2, 0.8)}, "scale is a range .* not"),
        (AffineConfig, {"translate": (10, 0)}, "translate is two shares"),
        (CropConfig, {"area": (0.5, 1.5)}, "area is a range of shares"),
        (CropConfig, {"aspect": (0, 1)}, "aspect is a range of ratios"),
    ],
)
def test_ranges_that_make_no_sense(config, values, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(**values)
