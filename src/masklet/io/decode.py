"""Pictures through Pillow: opening a file completely or not at all, and turning any mode into 8-bit RGB."""

import threading
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

MAX_PIXELS = 2**30
"""A file that claims more pixels than this (32768 x 32768) is refused before it is decoded."""

_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation. Pillow's own `exif_transpose` fails on damaged EXIF, which hurts no pixel."""

_pixel_limit = threading.Lock()


def open_picture(path: str | Path, least_side: int | None = None) -> Image.Image:
    """A picture's file, fully decoded, in the mode it has; of an animation, the first frame.

    least_side: a JPEG is decoded at a half, a quarter or an eighth of its size, which is quicker, as long as its sides
    stay this long. None: at full size.

    FileNotFoundError or IsADirectoryError name the path. ValueError, naming it too, where the file is no picture, is
    truncated or damaged, or claims more than MAX_PIXELS.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a picture: name a file in it")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    with path.open("rb") as file:
        try:
            image = _identify(file)
        except UnidentifiedImageError as error:
            what = "is empty" if path.stat().st_size == 0 else "is not a picture that can be read"
            raise ValueError(f"{path} {what}: give a JPEG, PNG, WebP, TIFF or other common image file") from error
        except MemoryError:
            raise
        except Exception as error:  # Pillow's plugins raise nearly anything on damaged headers
            raise ValueError(f"{path} is damaged: {error}. Copy or export the picture again") from error
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(
                f"{path} is {image.width} x {image.height} pixels, more than the {MAX_PIXELS} that are read: "
                "make it smaller first"
            )
        if least_side is not None:
            image.draft(None, (least_side, least_side))
        load_whole(image, str(path))
    return image


def load_whole(image: Image.Image, name: str) -> None:
    """Decode the pixels of a picture that was only identified. ValueError with its name if they are not all there."""
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(
            f"{name} is truncated or damaged ({error}), so it cannot be read whole: copy or export it again"
        ) from error


def _identify(file: BinaryIO) -> Image.Image:
    """Open without Pillow's limit on the number of pixels, which refuses large scans; ours is checked after."""
    with _pixel_limit:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def upright(image: Image.Image) -> Image.Image:
    """The picture as its EXIF orientation wants it seen."""
    orientation = _orientation(image)
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def upright_size(path: str | Path) -> tuple[int, int]:
    """(height, width) of the picture in a file as it is seen upright, from the file's head alone."""
    with Path(path).open("rb") as file:
        image = _identify(file)
        sideways = _orientation(image) in (5, 6, 7, 8)
        width, height = image.size
        return (width, height) if sideways else (height, width)


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # damaged EXIF says nothing about the orientation
        return 1


def picture_to_rgb(image: Image.Image) -> np.ndarray:
    """8-bit RGB (H, W, 3) of a picture in any of Pillow's modes; transparency is composited over white.

    16-bit grey is scaled (65535 is white). 32-bit integers ("I") are 16-bit grey, or 8-bit where none exceeds 255 and
    the file is no PNG (Pillow read 16-bit PNG so). Floats ("F") span 0 to 1, or 0 to 255 where one exceeds 1.
    ValueError for values outside.
    """
    if image.width == 0 or image.height == 0:
        raise ValueError(f"a picture of {image.width} x {image.height} pixels is empty")
    if image.mode.startswith("I") or image.mode == "F":
        grey = _wide_grey_to_bytes(image)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        return composite_over_white(np.array(image.convert("RGBA")))
    return np.array(image.convert("RGB"))


def _wide_grey_to_bytes(image: Image.Image) -> np.ndarray:
    """8-bit grey (H, W) of the modes I, I;16 (any byte order) and F."""
    values = np.asarray(image)
    low, high = values.min(), values.max()
    if image.mode == "F":
        top = 1.0 if high <= 1 else 255.0
    else:
        top = 255 if image.mode == "I" and high <= 255 and image.format != "PNG" else 65535
    if not (low >= 0 and high <= top):  # NaN fails too
        raise ValueError(
            f"a picture of Pillow's mode {image.mode} has values from {low} to {high}, and 0 to {top:g} was expected: "
            "scale it to 8 bits first"
        )
    if top == 255:
        return np.rint(values).astype(np.uint8)
    return unit_to_bytes(values) if top == 1 else words_to_bytes(values)


def unit_to_bytes(values: np.ndarray) -> np.ndarray:
    """0.0..1.0 as 0..255, rounded."""
    return np.rint(values * np.float32(255)).astype(np.uint8)


def words_to_bytes(values: np.ndarray) -> np.ndarray:
    """0..65535 as 0..255, rounded (65535 is 255 * 257)."""
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def composite_over_white(rgba: np.ndarray) -> np.ndarray:
    """8-bit RGBA (H, W, 4) as RGB on a white ground."""
    colour, alpha = rgba[..., :3], rgba[..., 3:]
    if (alpha == 255).all():
        return np.ascontiguousarray(colour)
    mixed = colour.astype(np.uint32) * alpha + np.uint32(255) * (255 - alpha.astype(np.uint32))
    return ((mixed + 127) // 255).astype(np.uint8)
