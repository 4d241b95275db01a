"""Pixels: what images may be, resizing with bytes, and the arithmetic after it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from masklet.compat.transformers.pixels import (
    PixelArithmetic,
    as_size,
    read_label_maps,
    read_pictures,
    resize,
)

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
FIRST = torch.from_numpy(RGB.transpose(2, 0, 1).copy())


def test_every_kind_of_image_is_read(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(RGB).save(path)
    kinds = [RGB, FIRST, FIRST.numpy(), Image.fromarray(RGB), str(path), path, [RGB], [[RGB]], RGB[None], FIRST[None]]
    for kind in kinds:
        (tensor,) = read_pictures(kind)
        assert tensor.dtype == torch.uint8
        assert torch.equal(tensor, FIRST)
    assert len(read_pictures([RGB, Image.fromarray(RGB[:3]), FIRST])) == 3


def test_grey_is_repeated():
    for grey in (RGB[..., 0], RGB[..., :1], Image.fromarray(RGB[..., 0])):
        (tensor,) = read_pictures(grey)
        assert torch.equal(tensor, FIRST[:1].expand(3, -1, -1))
    (tensor,) = read_pictures(RGB[..., 0], convert_rgb=False)
    assert tensor.shape == (1, 6, 9)


def test_what_is_transparent_is_laid_over_white():
    alpha = np.zeros((6, 9, 1), dtype=np.uint8)
    alpha[:, 4:] = 255
    rgba = np.concatenate([RGB, alpha], axis=2)
    for image in (rgba, Image.fromarray(rgba), rgba / np.float32(255)):
        (tensor,) = read_pictures(image)
        white, top = (1.0, 1.0) if tensor.is_floating_point() else (255, 255.0)
        assert (tensor[:, :, :4] == white).all()
        torch.testing.assert_close(tensor[:, :, 4:].float() * (255 / top), FIRST[:, :, 4:].float())


def test_sixteen_bits_are_scaled_not_clipped():
    grey = Image.fromarray(np.array([[0, 257, 65535]], dtype=np.uint16))
    (tensor,) = read_pictures(grey)
    assert tensor[0].tolist() == [[0, 1, 255]]


def test_channels_are_told_by_their_number_or_by_name():
    ambiguous = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    assert torch.equal(read_pictures(ambiguous)[0], torch.from_numpy(ambiguous))
    (last,) = read_pictures(ambiguous, channels="channels_last")
    assert torch.equal(last, torch.from_numpy(ambiguous).permute(2, 0, 1))
    with pytest.raises(ValueError, match="'last', but must be"):
        read_pictures(RGB, channels="last")


def test_the_picture_given_is_not_shared():
    array = RGB.copy()
    (tensor,) = read_pictures(array)
    tensor.zero_()
    assert (array == RGB).all()


@pytest.mark.parametrize(
    ("images", "kind", "words"),
    [
        ([], ValueError, "no images"),
        (np.zeros((0, 3, 4, 4)), ValueError, "no images"),
        (np.zeros((5, 6, 7), np.uint8), ValueError, r"\(5, 6, 7\) has its channels neither"),
        (np.zeros((1, 2, 3, 4, 5), np.uint8), ValueError, r"the shape \(1, 2, 3, 4, 5\)"),
        (np.zeros((0, 9, 3), np.uint8), ValueError, "no pixels"),
        (np.full((2, 2, 4), 7.0, np.float32), ValueError, r"RGBA image of floats must lie in \[0, 1\]"),
        ([None], TypeError, "not NoneType"),
        (3, TypeError, "not int"),
    ],
)
def test_what_is_no_image_is_named(images, kind, words):
    with pytest.raises(kind, match=words):
        read_pictures(images)


def test_maps_of_labels_keep_their_values():
    labels = np.array([[0, 2**40], [-1, 7]])
    for maps in (labels, [labels], labels[None], torch.from_numpy(labels)):
        (tensor,) = read_label_maps(maps)
        assert torch.equal(tensor, torch.from_numpy(labels))
    resized = resize(tensor[None], (4, 4), Image.Resampling.NEAREST)[0]
    assert torch.equal(resized, tensor.repeat_interleave(2, 0).repeat_interleave(2, 1))
    with pytest.raises(ValueError, match=r"\(6, 9, 3\), but must be \(height, width\)"):
        read_label_maps(Image.fromarray(RGB))


def reference(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear with antialiasing from its definition: triangles as wide as an output pixel, axis by axis."""
    for axis, new in ((1, size[1]), (0, size[0])):
        old = plane.shape[axis]
        scale = old / new
        width = max(scale, 1.0)
        centres = (np.arange(new) + 0.5) * scale
        weights = np.clip(1 - np.abs(np.arange(old) + 0.5 - centres[:, None]) / width, 0, None)
        weights /= weights.sum(1, keepdims=True)
        plane = np.moveaxis(np.tensordot(weights, plane, axes=(1, axis)), 0, axis)
    return plane


@given(
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.integers(0, 2**32 - 1),
)
def test_bytes_are_resized_with_antialiasing_and_rounded(old, new, seed):
    plane = np.random.default_rng(seed).integers(0, 256, old, dtype=np.uint8)
    resized = resize(torch.from_numpy(plane)[None], new)
    assert resized.dtype == torch.uint8
    # Each of the two passes rounds, and its weights are fixed-point.
    assert np.abs(resized[0].numpy() - reference(plane.astype(np.float64), new)).max() <= 1.6


def test_floats_are_resized_without_rounding():
    plane = RGB[..., 0].astype(np.float64)
    resized = resize(torch.from_numpy(plane)[None], (4, 13))
    np.testing.assert_allclose(resized[0].numpy(), reference(plane, (4, 13)), atol=1e-9)


def test_what_has_the_size_already_stays():
    assert resize(FIRST, (6, 9)) is FIRST


@pytest.mark.parametrize("resample", [1, 99])
def test_filters_that_there_are_not(resample):
    with pytest.raises(ValueError, match=f"resample is {resample}"):
        resize(FIRST, (3, 3), resample)


def test_the_arithmetic_in_order():
    steps = {"size": None, "resample": 2, "rescale_factor": 1 / 255, "mean": (0.5, 0.25, 0), "std": (0.5, 0.5, 2)}
    seen = PixelArithmetic(**steps).apply(FIRST)
    expected = (FIRST / 255 - torch.tensor([0.5, 0.25, 0])[:, None, None]) / torch.tensor([0.5, 0.5, 2])[:, None, None]
    torch.testing.assert_close(seen, expected)
    assert PixelArithmetic(**steps | {"mean": None}).apply(FIRST).max() <= 1
    assert PixelArithmetic(**steps | {"mean": None, "rescale_factor": None}).apply(FIRST) is FIRST
    torch.testing.assert_close(PixelArithmetic(**steps | {"rescale_factor": None}).apply(FIRST / 255), expected)


def test_sizes():
    for size in (7, (7, 7), [7, 7], {"height": 7, "width": 7}, {"height": 7, "width": 7, "longest_edge": None}):
        assert as_size(size) == {"height": 7, "width": 7}
    for size in ({"longest_edge": 7}, {"height": 0, "width": 7}, "7", None, True, (1, 2, 3)):
        with pytest.raises(ValueError, match=r'must be \{"height"'):
            as_size(size)
