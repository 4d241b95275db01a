"""What Pillow gives, as 8-bit RGB; `test_images` reads whole files."""

import numpy as np
import pytest
from PIL import Image

from masklet.io import decode


def test_words_and_units_round():
    assert decode.words_to_bytes(np.array([0, 128, 129, 257, 65535], np.uint16)).tolist() == [0, 0, 1, 1, 255]
    assert decode.unit_to_bytes(np.array([0, 0.5, 1], np.float32)).tolist() == [0, 128, 255]


def test_transparency_is_white():
    rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 51]]], np.uint8)
    assert decode.composite_over_white(rgba).tolist() == [[[10, 20, 30], [255, 255, 255], [204, 204, 204]]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_undoes_every_orientation(orientation):
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    turned = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.T,
        6: np.rot90(pixels),
        7: pixels[::-1, ::-1].T,
        8: np.rot90(pixels, -1),
    }[orientation]
    image = Image.fromarray(np.ascontiguousarray(turned))
    image.getexif()[0x0112] = orientation
    assert np.array_equal(np.asarray(decode.upright(image)), pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_known_without_the_pixels(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg", exif=exif)
    height, width = decode.upright_size(tmp_path / "a.jpg")
    assert (width, height) == decode.upright(decode.open_picture(tmp_path / "a.jpg")).size


def test_damaged_exif_turns_nothing(tmp_path):
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg", exif=b"Exif\0\0nonsense")
    assert decode.upright_size(tmp_path / "a.jpg") == (20, 30)


@pytest.mark.parametrize(
    ("least_side", "size"), [(None, (640, 400)), (400, (640, 400)), (200, (320, 200)), (1, (80, 50))]
)
def test_a_jpeg_is_decoded_smaller_where_that_is_enough(tmp_path, least_side, size):
    Image.linear_gradient("L").resize((640, 400)).convert("RGB").save(tmp_path / "a.jpg")
    image = decode.open_picture(tmp_path / "a.jpg", least_side)
    assert image.size == size
    whole = np.asarray(decode.open_picture(tmp_path / "a.jpg").resize(size, Image.Resampling.BOX), int)
    assert np.abs(np.asarray(image) - whole).max() <= 4


def test_other_formats_are_decoded_whole(tmp_path):
    Image.new("RGB", (64, 40)).save(tmp_path / "a.png")
    assert decode.open_picture(tmp_path / "a.png", 10).size == (64, 40)


def test_more_pixels_than_are_read(tmp_path, monkeypatch):
    Image.new("L", (20, 30)).save(tmp_path / "a.png")
    monkeypatch.setattr(decode, "MAX_PIXELS", 599)
    with pytest.raises(ValueError, match="20 x 30 pixels"):
        decode.open_picture(tmp_path / "a.png")


@pytest.mark.parametrize(("value", "expected"), [(0.5, 128), (200.0, 200)])
def test_floats_span_one_or_255(value, expected):
    image = Image.fromarray(np.full((2, 2), value, np.float32))
    assert (decode.picture_to_rgb(image) == expected).all()


def test_floats_out_of_range():
    with pytest.raises(ValueError, match="mode F has values"):
        decode.picture_to_rgb(Image.fromarray(np.full((2, 2), -1, np.float32)))
