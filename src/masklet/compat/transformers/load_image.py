"""`load_image`: a picture from a URL, a path or a string of base64, as `transformers` has it."""

import base64
import binascii
import io
import urllib.request
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from masklet.checkpoint.files import first_line
from masklet.io.decode import load_whole, open_picture, picture_to_rgb, upright

_AGENT = "masklet"
"""Who is asking, as servers are told: some refuse Python's own name."""


def load_image(image: str | Path | Image.Image, timeout: float | None = None) -> Image.Image:
    """The picture, upright by its EXIF orientation, as RGB; what is transparent is laid over white.

    image: an http(s) URL, a path, "data:image/..." or base64, or a Pillow image. timeout: seconds to wait for a server,
    None for as long as it takes. FileNotFoundError or ValueError name what is no picture, ConnectionError a URL that
    cannot be had; TypeError for another type.
    """
    if isinstance(image, str):
        opened = _open(image, timeout)
    elif isinstance(image, Path):
        opened = open_picture(image)
    elif isinstance(image, Image.Image):
        load_whole(image, "the Pillow image")
        opened = image
    else:
        raise TypeError(f"an image to load is a URL, a path, base64 or a Pillow image, not {type(image).__name__}")
    return Image.fromarray(picture_to_rgb(upright(opened)))


def _open(source: str, timeout: float | None) -> Image.Image:
    if source.startswith(("http://", "https://")):
        return _decode(download(source, timeout), source)
    if source.startswith("data:"):
        return _decode(_from_base64(source.partition(",")[2]), f"{source[:40]}...")
    if not _exists(source):
        try:
            return _decode(_from_base64(source), f"{source[:40]}...")
        except ValueError:
            pass  # a path, then, of which the next line says that nothing is there
    return open_picture(source)


def _exists(source: str) -> bool:
    try:
        return Path(source).exists()
    except OSError:  # too long for a path
        return False


def download(url: str, timeout: float | None = None) -> bytes:
    """What is at an http(s) URL. timeout: as of `load_image`. ConnectionError: it cannot be had."""
    request = urllib.request.Request(url, headers={"User-Agent": _AGENT})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.read()
    except OSError as error:  # no connection, no such page, too late
        raise ConnectionError(f"{url} cannot be downloaded: {first_line(error)}") from error


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(f"{text[:40]!r}... is no base64: {error}") from error


def _decode(data: bytes, name: str) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data))
    except UnidentifiedImageError as error:
        raise ValueError(f"{name} is not a picture that can be read") from error
    load_whole(image, name)
    return image
