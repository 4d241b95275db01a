"""Pictures from paths, URLs and strings."""

import base64
import functools
import http.server
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.compat.transformers.load_image import load_image

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 18, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.fromarray(PIXELS).save(tmp_path / "picture.png")
    (tmp_path / "note.txt").write_text("no picture")
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def same(image: Image.Image) -> bool:
    return image.mode == "RGB" and bool((np.asarray(image) == PIXELS).all())


def test_paths_and_pillow_images(folder):
    assert same(load_image(folder / "picture.png"))
    assert same(load_image(str(folder / "picture.png")))
    assert same(load_image(Image.fromarray(PIXELS)))


def test_base64_with_and_without_a_head():
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG")
    text = base64.encodebytes(file.getvalue()).decode()
    assert len(text) > 300  # more than a name in a folder can have
    assert same(load_image(text))
    assert same(load_image(f"data:image/png;base64,{text}"))


def test_urls(server):
    assert same(load_image(f"{server}/picture.png", timeout=10))
    with pytest.raises(ConnectionError, match=r"nothing\.png cannot be downloaded: .*404"):
        load_image(f"{server}/nothing.png", timeout=10)
    with pytest.raises(ValueError, match=r"note\.txt is not a picture"):
        load_image(f"{server}/note.txt", timeout=10)


def test_a_server_that_is_not_there():
    with pytest.raises(ConnectionError, match="cannot be downloaded"):
        load_image("http://127.0.0.1:9/picture.png", timeout=5)


def test_pictures_are_turned_upright():
    image = Image.fromarray(PIXELS)
    image.getexif()[0x0112] = 6
    assert load_image(image).size == (12, 18)


def test_what_is_no_picture(folder):
    with pytest.raises(FileNotFoundError, match="there is no file lorry"):
        load_image("lorry")
    with pytest.raises(ValueError, match=r"note\.txt is not a picture"):
        load_image(str(folder / "note.txt"))
    with pytest.raises(ValueError, match="is no base64"):
        load_image("data:image/png;base64,!")
    with pytest.raises(TypeError, match="not int"):
        load_image(3)  # pyright: ignore[reportArgumentType]
