import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.io.files import (
    read_json,
    read_mask_png,
    write_atomically,
    write_csv,
    write_image,
    write_json,
    write_mask_png,
)


def test_a_file_appears_whole(tmp_path: Path):
    path = tmp_path / "table.csv"
    with write_atomically(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".csv"
        temporary.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half"
    assert list(tmp_path.iterdir()) == [path]


def test_failure_leaves_what_was_there(tmp_path: Path):
    path = tmp_path / "table.csv"
    path.write_text("before")

    def fail() -> None:
        with write_atomically(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_where_nothing_can_be_written(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        write_json(tmp_path / "nowhere" / "a.json", 1)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        write_json(tmp_path, 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links_and_permissions_are_as_users_expect(tmp_path: Path):
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    write_json(tmp_path / "link.json", [1])
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text()) == [1]
    plain = tmp_path / "plain"
    plain.touch()
    assert (tmp_path / "real.json").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("shape", [(1, 1), (13, 29)])
def test_masks_survive_png(tmp_path: Path, shape: tuple[int, int]):
    mask = np.random.default_rng(0).random(shape) > 0.5
    write_mask_png(tmp_path / "mask.png", mask)
    with Image.open(tmp_path / "mask.png") as image:
        assert image.mode == "L"
        assert set(np.unique(np.asarray(image))) <= {0, 255}
    read = read_mask_png(tmp_path / "mask.png")
    assert read.dtype == bool
    np.testing.assert_array_equal(read, mask)


def test_masks_of_any_mode_are_read(tmp_path: Path):
    mask = np.array([[True, False, True], [False, False, True]])
    palette = Image.fromarray(mask.astype(np.uint8) * np.uint8(3)).convert("L")
    palette.putpalette([9, 9, 9] * 4)  # every index has a colour: only the index says what is outside
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[..., 1] = 200
    rgba[..., 3] = mask * 255
    words = Image.fromarray(mask.astype(np.uint16) * np.uint16(256))
    pictures = {
        "L": Image.fromarray(mask.astype(np.uint8)),
        "1": Image.fromarray(mask),
        "P": palette,
        "RGB": Image.fromarray(mask[..., None] * np.array([0, 0, 7], np.uint8)),
        "RGBA": Image.fromarray(rgba),
        "LA": Image.fromarray(rgba).convert("LA"),
        "I;16": words,
    }
    for mode, picture in pictures.items():
        assert picture.mode == mode
        picture.save(tmp_path / "mask.png")
        np.testing.assert_array_equal(read_mask_png(tmp_path / "mask.png"), mask, err_msg=mode)
    Image.fromarray(mask).convert("RGB").convert("CMYK").save(tmp_path / "mask.tiff")
    np.testing.assert_array_equal(read_mask_png(tmp_path / "mask.tiff"), mask)


def test_masks_refused(tmp_path: Path):
    path = tmp_path / "mask.png"
    with pytest.raises(ValueError, match="not uint8"):
        write_mask_png(path, np.zeros((3, 3), np.uint8))
    with pytest.raises(ValueError, match=r"\(1, 3, 3\)"):
        write_mask_png(path, np.zeros((1, 3, 3), bool))
    with pytest.raises(ValueError, match=r"should end in \.png"):
        write_mask_png(tmp_path / "mask.jpg", np.zeros((3, 3), bool))
    path.write_text("no picture")
    with pytest.raises(ValueError, match=r"mask\.png is not a picture"):
        read_mask_png(path)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.png"):
        read_mask_png(tmp_path / "nowhere.png")


@pytest.mark.parametrize("extension", [".png", ".jpg", ".webp", ".tiff", ".BMP"])
def test_write_image(tmp_path: Path, extension: str):
    rgb = np.full((20, 30, 3), (250, 120, 10), np.uint8)
    path = tmp_path / f"picture{extension}"
    write_image(path, rgb[:, ::-1])
    with Image.open(path) as image:
        np.testing.assert_allclose(np.asarray(image.convert("RGB")), rgb, atol=4)


def test_images_refused(tmp_path: Path):
    rgb = np.zeros((2, 2, 3), np.uint8)
    for name in ("picture", "picture.xyz", "picture.psd"):
        with pytest.raises(ValueError, match="no image format is known"):
            write_image(tmp_path / name, rgb)
    with pytest.raises(ValueError, match="not float64"):
        write_image(tmp_path / "a.png", rgb.astype(float))
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        write_image(tmp_path / "a.png", rgb[..., 0])
    assert list(tmp_path.iterdir()) == []


def test_a_jpeg_has_an_end(tmp_path: Path):
    path = tmp_path / "long.jpg"
    write_image(path, np.zeros((1, 65500, 3), np.uint8))
    with pytest.raises(ValueError, match=r"would be 1 x 65501 pixels.*at most 65500"):
        write_image(path, np.zeros((65501, 1, 3), np.uint8))
    with Image.open(path) as image:
        assert image.size == (65500, 1)


def test_json_takes_numpy_and_paths(tmp_path: Path):
    path = tmp_path / "a.json"
    write_json(path, {"n": np.int64(3), "x": np.float32(0.5), "a": np.eye(2), "p": Path("é/b"), "b": np.bool_(True)})
    assert json.loads(path.read_text("utf-8")) == {"n": 3, "x": 0.5, "a": [[1, 0], [0, 1]], "p": "é/b", "b": True}


def test_json_refuses_nan_and_strangers(tmp_path: Path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    with pytest.raises(TypeError, match="JSON has no set"):
        write_json(tmp_path / "a.json", {1})
    assert list(tmp_path.iterdir()) == []


def test_a_json_file_that_holds_an_object(tmp_path: Path):
    path = tmp_path / "meta.json"
    with pytest.raises(FileNotFoundError, match=r"no file .*meta\.json: JSON with videos"):
        read_json(path, ["videos"])
    path.write_text('{"videos": 1, "more": 2}')
    assert read_json(path, ["videos"])["videos"] == 1
    with pytest.raises(ValueError, match=r"meta\.json lacks a, b: an object with a, videos, b was expected"):
        read_json(path, ["a", "videos", "b"])
    for text in (b"[1]", b"null", b'"videos"'):
        path.write_bytes(text)
        with pytest.raises(ValueError, match=r"meta\.json lacks videos"):
            read_json(path, ["videos"])
    for text in (b'{"videos": ', b"", b"\xff\xfe\x81", b"[" * 100_000):
        path.write_bytes(text)
        with pytest.raises(ValueError, match=r"meta\.json is no JSON"):
            read_json(path, ["videos"])


def test_a_table(tmp_path: Path):
    write_csv(tmp_path / "table.csv", [("name", "J"), ("a, b", 0.5), ("ü", 1)])
    assert (tmp_path / "table.csv").read_bytes().decode() == 'name,J\n"a, b",0.5\nü,1\n'
