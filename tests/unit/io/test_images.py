import contextlib
import io
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from masklet.io import decode, images
from masklet.io.images import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    list_images,
    preprocess,
    preprocess_batch,
    read_image,
    read_image_reduced,
)


@pytest.fixture
def rgb() -> np.ndarray:
    """A smooth picture with a mark in one corner, so that every flip shows."""
    y, x = np.mgrid[0:40, 0:60]
    picture = np.stack([x * 4, y * 6, (x + y) * 2], -1).astype(np.uint8)
    picture[:10, :10] = 255
    return picture


def close(a: np.ndarray, b: np.ndarray, tolerance: float = 6) -> bool:
    return a.shape == b.shape and np.abs(a.astype(float) - b).mean() < tolerance


@pytest.mark.parametrize("extension", [".png", ".bmp", ".tiff", ".webp", ".jpg", ".gif", ".ppm"])
def test_files_of_many_formats(tmp_path: Path, rgb: np.ndarray, extension: str):
    path = tmp_path / f"picture{extension}"
    Image.fromarray(rgb).save(path)
    read = read_image(path)
    assert read.dtype == np.uint8
    assert close(read, rgb)
    np.testing.assert_array_equal(read_image(str(path)), read)


@pytest.mark.parametrize("mode", ["RGB", "YCbCr", "CMYK", "HSV", "RGBA", "RGBX", "RGBa", "LAB"])
def test_pillow_colour_modes(rgb: np.ndarray, mode: str):
    if mode == "LAB":
        from PIL import ImageCms

        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(Image.fromarray(rgb), *profiles, outputMode="LAB")
        assert image is not None
        assert read_image(image).shape == rgb.shape
        return
    image = Image.fromarray(rgb)
    image = image.convert("RGBA").convert("RGBa") if mode == "RGBa" else image.convert(mode)
    assert image.mode == mode
    assert close(read_image(image), rgb)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "La", "PA", "P", "I", "F", "I;16", "I;16B", "I;16L"])
def test_pillow_grey_modes(rgb: np.ndarray, mode: str):
    grey = rgb[..., 0] if mode != "1" else np.where(rgb[..., 0] > 127, np.uint8(255), np.uint8(0))
    image = Image.fromarray(grey)
    if mode == "La":
        image = image.convert("LA").convert("La")
    elif mode.startswith("I;16"):
        kind = "<u2" if mode != "I;16B" else ">u2"
        words = (grey.astype(np.uint16) * 257).astype(kind)
        image = Image.frombytes(mode, (60, 40), words.tobytes())
    elif mode == "PA":
        image = image.convert("P").convert("PA")
    else:
        image = image.convert(mode)
    assert image.mode == mode
    np.testing.assert_array_equal(read_image(image), np.repeat(grey[..., None], 3, -1))


def test_wide_integers_and_floats():
    words = np.array([[0, 32768, 65535]])
    expected = [0, 128, 255]
    assert read_image(Image.fromarray(words.astype(np.int32)))[0, :, 1].tolist() == expected
    assert read_image(Image.fromarray((words / 65535).astype(np.float32)))[0, :, 1].tolist() == expected
    for bad in (np.array([[0, 70000]], np.int32), np.array([[-1, 5]], np.int32)):
        with pytest.raises(ValueError, match="mode I has values from"):
            read_image(Image.fromarray(bad))
    for bad in ([[0, 256.0]], [[np.nan, 0]], [[-0.5, 0.5]]):
        with pytest.raises(ValueError, match="mode F has values from"):
            read_image(Image.fromarray(np.array(bad, np.float32)))


def test_sixteen_bit_files(tmp_path: Path):
    words = np.array([[0, 257 * 100, 65535]], dtype=np.uint16)
    dark = np.array([[0, 100, 255]], dtype=np.uint16)
    for extension in (".png", ".tiff"):
        path = tmp_path / f"grey{extension}"
        Image.fromarray(words).save(path)
        assert read_image(path)[0, :, 0].tolist() == [0, 100, 255]
        Image.fromarray(dark).save(path)
        assert read_image(path)[0, :, 0].tolist() == [0, 0, 1]


def test_transparency_is_white(tmp_path: Path):
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[0, :, :3] = (200, 100, 0)
    rgba[0, :, 3] = (0, 128, 255)
    read = read_image(Image.fromarray(rgba))
    assert read[0].tolist() == [[255, 255, 255], [227, 177, 127], [200, 100, 0]]
    np.testing.assert_array_equal(read_image(rgba), read)
    np.testing.assert_array_equal(read_image(torch.from_numpy(rgba).permute(2, 0, 1)), read)

    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((1, 0), 1)
    for transparency in (0, b"\x00\xff"):
        palette.save(tmp_path / "palette.png", transparency=transparency)
        assert read_image(tmp_path / "palette.png").tolist() == [[[255, 255, 255], [0, 0, 255]]]
    Image.fromarray(np.array([[0, 9]], np.uint8)).save(tmp_path / "grey.png", transparency=0)
    assert read_image(tmp_path / "grey.png")[0, :, 0].tolist() == [255, 9]
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "key.png", transparency=(1, 2, 3))
    assert read_image(tmp_path / "key.png").tolist() == [[[255, 255, 255]]]


@pytest.mark.parametrize("extension", [".jpg", ".png", ".tiff", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, rgb: np.ndarray, orientation: int, extension: str):
    stored = {
        1: rgb,
        2: rgb[:, ::-1],
        3: rgb[::-1, ::-1],
        4: rgb[::-1],
        5: rgb.transpose(1, 0, 2),
        6: np.rot90(rgb),
        7: rgb[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(rgb, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned{extension}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
    assert close(read_image(path), rgb)
    with Image.open(path) as image:
        assert close(read_image(image), rgb)


def test_damaged_exif_does_not_matter(tmp_path: Path, rgb: np.ndarray):
    path = tmp_path / "odd.jpg"
    Image.fromarray(rgb).save(path, exif=b"Exif\x00\x00garbage that is no TIFF")
    assert close(read_image(path), rgb)


@pytest.mark.parametrize("extension", [".png", ".bmp", ".tiff", ".webp", ".jpg", ".gif", ".ppm"])
def test_truncated_files_are_never_half_read(tmp_path: Path, extension: str):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"whole{extension}"
    Image.fromarray(noise).save(path, **({"progressive": True} if extension == ".jpg" else {}))
    whole = read_image(path)
    data = path.read_bytes()
    cut = tmp_path / f"cut{extension}"
    for fraction in (0.02, 0.3, 0.5, 0.8, 0.95):
        cut.write_bytes(data[: int(len(data) * fraction)])
        with contextlib.suppress(ValueError):
            np.testing.assert_array_equal(read_image(cut), whole)
    cut.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="cut"):
        read_image(cut)


def test_a_truncated_pillow_image(rgb: np.ndarray):
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "png")
    half = file.getvalue()[: len(file.getvalue()) // 2]
    with (
        Image.open(io.BytesIO(half)) as image,
        pytest.raises(ValueError, match="Pillow image is truncated"),
    ):
        read_image(image)


def test_files_that_are_no_pictures(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nowhere\.png"):
        read_image(tmp_path / "nowhere.png")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        read_image(tmp_path)
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    with pytest.raises(ValueError, match=r"text\.jpg is not a picture that can be read: give a JPEG"):
        read_image(text)
    text.write_bytes(b"")
    with pytest.raises(ValueError, match=r"text\.jpg is empty"):
        read_image(text)


def test_large_pictures_pass_pillows_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "wide.png"
    Image.new("L", (20_000, 50), 7).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(path).shape == (50, 20_000, 3)
    assert Image.MAX_IMAGE_PIXELS == 1000
    monkeypatch.setattr(decode, "MAX_PIXELS", 999_999)
    with pytest.raises(ValueError, match="20000 x 50 pixels, more than the 999999"):
        read_image(path)


def test_reading_from_threads_restores_pillows_limit(tmp_path: Path, rgb: np.ndarray):
    path = tmp_path / "picture.png"
    Image.fromarray(rgb).save(path)
    limit = Image.MAX_IMAGE_PIXELS
    threads = [threading.Thread(target=lambda: [read_image(path) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert limit == Image.MAX_IMAGE_PIXELS


def test_arrays(rgb: np.ndarray):
    grey = rgb[..., 0]
    three = np.repeat(grey[..., None], 3, -1)
    np.testing.assert_array_equal(read_image(rgb), rgb)
    np.testing.assert_array_equal(read_image(rgb[:, ::-1, ::-1]), rgb[:, ::-1, ::-1])
    np.testing.assert_array_equal(read_image(grey), three)
    np.testing.assert_array_equal(read_image(grey[..., None]), three)
    np.testing.assert_array_equal(read_image(rgb.astype(np.uint16) * 257), rgb)
    np.testing.assert_array_equal(read_image(grey > 99), np.where(three > 99, 255, 0))
    for kind in (np.float32, np.float64, np.float16):
        np.testing.assert_allclose(read_image((rgb / 255).astype(kind)), rgb, atol=0 if kind != np.float16 else 1)
    assert read_image(rgb).flags.c_contiguous


def test_tensors(rgb: np.ndarray):
    tensor = torch.from_numpy(rgb)
    first = tensor.permute(2, 0, 1)
    for same in (tensor, first, first.float().div(255), first.double().div(255).requires_grad_()):
        np.testing.assert_array_equal(read_image(same), rgb)
    assert close(read_image(first.float().div(255).bfloat16()), rgb, 1)
    np.testing.assert_array_equal(read_image(first[0]), np.repeat(rgb[..., :1], 3, -1))
    np.testing.assert_array_equal(read_image(first[:1] > 99), np.where(np.repeat(rgb[..., :1], 3, -1) > 99, 255, 0))
    assert read_image(torch.zeros(3, 5, 3)).shape == (5, 3, 3)  # channels first where both are possible


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros((3, 8, 8), np.uint8), r"\(3, 8, 8\).*transpose\(1, 2, 0\)"),
        (np.zeros((8, 8, 2), np.uint8), r"shape \(8, 8, 2\)"),
        (np.zeros((1, 8, 8, 3), np.uint8), r"\(1, 8, 8, 3\).*one at a time"),
        (np.zeros(8, np.uint8), r"shape \(8,\)"),
        (np.zeros((0, 8, 3), np.uint8), r"\(0, 8, 3\) has no pixels"),
        (np.zeros((8, 8, 3), np.int64), "not int64"),
        (np.zeros((8, 8, 3), np.complex64), "not complex64"),
        (np.full((8, 8, 3), 200.0), r"lies in \[200, 200\]: divide by 255"),
        (np.full((8, 8, 3), -2.5), r"lies in \[-2.5, -2.5\]: scale"),
        (np.full((8, 8, 3), 999.0), r"lies in \[999, 999\]: scale"),
        (np.full((8, 8, 3), np.nan), "NaN"),
        (np.full((8, 8, 3), np.inf), "infinity"),
        (torch.zeros(2, 8, 8), r"tensor of shape \(2, 8, 8\)"),
        (torch.zeros(1, 3, 8, 8), r"\(1, 3, 8, 8\).*one at a time"),
        (torch.zeros(8), r"tensor of shape \(8,\)"),
        (torch.zeros(3, 0, 8), "has no pixels"),
        (torch.full((3, 8, 8), 255.0), "divide by 255"),
        (Image.new("RGB", (0, 5)), "0 x 5 pixels"),
    ],
)
def test_what_is_no_image_is_refused(source: images.ImageLike, message: str):
    with pytest.raises(ValueError, match=message):
        read_image(source)


def test_other_types_are_refused():
    with pytest.raises(TypeError):
        read_image([[1, 2], [3, 4]])  # pyright: ignore


def test_preprocess_resizes_and_normalises(rgb: np.ndarray):
    result = preprocess(rgb, 32)
    pixels = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255
    square = F.interpolate(pixels, (32, 32), mode="bilinear", antialias=True)[0]
    expected = (square - torch.tensor(IMAGENET_MEAN).view(3, 1, 1)) / torch.tensor(IMAGENET_STD).view(3, 1, 1)
    torch.testing.assert_close(result, expected)
    assert preprocess(rgb, 32, "cpu", torch.bfloat16).dtype == torch.bfloat16


def test_preprocess_does_not_write_to_its_input(rgb: np.ndarray):
    before = rgb.copy()
    preprocess(rgb, 64)
    np.testing.assert_array_equal(rgb, before)
    rgb.flags.writeable = False
    preprocess(rgb, 64)
    preprocess(rgb[::-1, ::-1], 64)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (7, 5)])
def test_preprocess_of_thin_images(shape: tuple[int, int]):
    result = preprocess(np.full((*shape, 3), 255, np.uint8), 64)
    white = (1 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    torch.testing.assert_close(result, white.view(3, 1, 1).expand(3, 64, 64))


def test_bands_change_nothing(monkeypatch: pytest.MonkeyPatch):
    noise = np.random.default_rng(0).integers(0, 256, (123, 457, 3), dtype=np.uint8)
    at_once = preprocess(noise, 96)
    for pixels in (1, 5000, 457 * 100):
        monkeypatch.setattr(images, "BAND_PIXELS", pixels)
        torch.testing.assert_close(preprocess(noise, 96), at_once, rtol=0, atol=1e-5)


def test_preprocess_batch_mixes_sizes(rgb: np.ndarray):
    batch = preprocess_batch([rgb, rgb[:7, :5]], 32)
    assert batch.shape == (2, 3, 32, 32)
    assert torch.equal(batch[1], preprocess(rgb[:7, :5], 32))
    with pytest.raises(ValueError, match="no images"):
        preprocess_batch([], 32)


def test_preprocess_refuses_what_was_not_read(rgb: np.ndarray):
    with pytest.raises(ValueError, match="image_size must be positive, not 0"):
        preprocess(rgb, 0)


def test_list_images_in_natural_order(tmp_path: Path):
    names = ["frame10.png", "frame2.PNG", "frame1.jpg", "Frame3.webp", "7.tif", "a.jpeg"]
    for name in [*names, "notes.txt", ".hidden.png", "clip.mpg", "page.pdf", "mask"]:
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    listed = [path.name for path in list_images(tmp_path)]
    assert listed == ["7.tif", "a.jpeg", "frame1.jpg", "frame2.PNG", "Frame3.webp", "frame10.png"]
    assert list_images(str(tmp_path / "folder.png")) == []
    with pytest.raises(NotADirectoryError, match=r"7\.tif is a file"):
        list_images(tmp_path / "7.tif")
    with pytest.raises(FileNotFoundError, match="no folder"):
        list_images(tmp_path / "nowhere")


def test_a_reduced_image_knows_its_own_size(tmp_path: Path, rgb: np.ndarray):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.ascontiguousarray(np.rot90(rgb))).save(tmp_path / "a.jpg", exif=exif, quality=95)
    for least_side, size in ((None, (40, 60)), (20, (20, 30)), (21, (40, 60))):
        pixels, own = read_image_reduced(tmp_path / "a.jpg", least_side)
        assert own == (40, 60)
        assert close(pixels, np.asarray(Image.fromarray(rgb).resize(size[::-1], Image.Resampling.BOX)))
