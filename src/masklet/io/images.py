"""Images in: whatever a user has, as 8-bit RGB, and from there to what the model sees.

There is one preprocessing for all inputs, where upstream has four resizers: pixels do not depend on whether a picture
came as a file, an array or a video frame.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from masklet.io.decode import (
    composite_over_white,
    load_whole,
    open_picture,
    picture_to_rgb,
    unit_to_bytes,
    upright,
    upright_size,
    words_to_bytes,
)

ImageLike: TypeAlias = str | Path | Image.Image | np.ndarray | Tensor
"""What `read_image` takes: a path, a Pillow image, an array with channels last, or a tensor with channels first."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's R, G and B in [0, 1], with which SAM 2's encoder was trained."""

BAND_PIXELS = 2**24
"""Larger images are resized band by band, so that a huge scan is never held as floats (12 bytes a pixel)."""

_NOT_PICTURES = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
"""Formats that Pillow identifies but does not decode by itself."""


def read_image(source: ImageLike) -> UInt8[np.ndarray, "H W 3"]:
    """An image as 8-bit RGB (H, W, 3).

    - A path or a Pillow image: any mode, turned upright by its EXIF orientation.
    - An array: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).
    - A tensor: the same with channels first, or (H, W, 3) where the first axis cannot be channels.

    Arrays and tensors are bool, uint8, uint16, or floats in [0, 1]; channels are R, G, B and opacity, which is
    composited over white. The result may share memory with an 8-bit array.

    Raises FileNotFoundError, IsADirectoryError, or ValueError (no picture, truncated, wrong shape, dtype or range),
    each naming what was given and what to do; TypeError for another type.
    """
    if isinstance(source, str | Path):
        return picture_to_rgb(upright(open_picture(source)))
    if isinstance(source, Image.Image):
        load_whole(source, "the Pillow image")
        return picture_to_rgb(upright(source))
    if isinstance(source, Tensor):
        return _array_to_rgb(_channels_last(source))
    if isinstance(source, np.ndarray):
        return _array_to_rgb(source)
    raise TypeError(f"an image is a path, a Pillow image, an array or a tensor, not {type(source).__name__}")


def read_image_reduced(path: str | Path, least_side: int | None) -> tuple[UInt8[np.ndarray, "H W 3"], tuple[int, int]]:
    """A file as `read_image` reads it, but a JPEG smaller by a power of two, down to sides of at least `least_side`.

    The second value is the picture's own (height, width), which masks of it have. None reduces nothing.
    """
    pixels = picture_to_rgb(upright(open_picture(path, least_side)))
    return pixels, (pixels.shape[0], pixels.shape[1]) if least_side is None else upright_size(path)


def _channels_last(tensor: Tensor) -> np.ndarray:
    shape = tuple(tensor.shape)
    if tensor.ndim == 3:
        if shape[0] in (1, 3, 4):
            tensor = tensor.permute(1, 2, 0)
        elif shape[2] != 3:
            raise ValueError(f"a tensor of shape {shape} is no image: (3, H, W), (1, H, W), (4, H, W) or (H, W) is")
    elif tensor.ndim != 2:
        hint = ": give the images of a batch one at a time" if tensor.ndim == 4 else ""
        raise ValueError(f"a tensor of shape {shape} is no image of shape (3, H, W), (1, H, W) or (H, W){hint}")
    tensor = tensor.detach()
    if tensor.dtype in (torch.float16, torch.bfloat16):
        tensor = tensor.float()
    return tensor.cpu().numpy()


def _array_to_rgb(array: np.ndarray) -> np.ndarray:
    shape = array.shape
    if array.ndim not in (2, 3) or (array.ndim == 3 and shape[2] not in (1, 3, 4)):
        hint = ""
        if array.ndim == 3 and shape[0] in (1, 3, 4):
            hint = ": channels come last in an array, so transpose it with array.transpose(1, 2, 0)"
        elif array.ndim == 4:
            hint = ": give the images of a batch one at a time"
        raise ValueError(
            f"an array of shape {shape} is no image of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4){hint}"
        )
    if array.size == 0:
        raise ValueError(f"an image of shape {shape} has no pixels")
    pixels = _to_bytes(array)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[2] == 4:
        return composite_over_white(pixels)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def _to_bytes(array: np.ndarray) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        return words_to_bytes(array)
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"an image has dtype bool, uint8, uint16 or float, not {array.dtype}: try .astype(np.uint8)")
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 1):
        if not np.isfinite(array).all():
            raise ValueError("an image of floats must not hold NaN or infinity")
        hint = "divide by 255, or make it uint8" if low >= 0 and high <= 255 else "scale it to [0, 1]"
        raise ValueError(f"an image of floats must lie in [0, 1], but this lies in [{low:g}, {high:g}]: {hint}")
    return unit_to_bytes(array)


def list_images(folder: str | Path) -> list[Path]:
    """The pictures of a folder, by their extensions, in natural order (frame2 before frame10); hidden files left out.

    FileNotFoundError or NotADirectoryError name what is no folder.
    """
    folder = Path(folder)
    if not folder.exists():
        raise FileNotFoundError(f"there is no folder {folder}")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, not a folder of pictures")
    extensions = {
        extension
        for extension, kind in Image.registered_extensions().items()
        if kind in Image.OPEN and kind not in _NOT_PICTURES
    }
    names = (path for path in folder.iterdir() if path.suffix.lower() in extensions and not path.name.startswith("."))
    return sorted((path for path in names if path.is_file()), key=natural_key)


def natural_key(path: Path) -> tuple[list[str | int], str]:
    """A sort key that reads runs of digits as numbers. Text and numbers alternate, so any two keys compare."""
    parts = re.split(r"([0-9]+)", path.name.casefold())
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], path.name


def preprocess(
    image: UInt8[np.ndarray, "H W 3"],
    image_size: int,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "3 S S"]:
    """What the model sees: the image squeezed to a square of side `image_size` (bilinear, antialiased), normalised.

    image: 8-bit RGB, as `read_image` gives it. The work is float32 on `device`; `dtype` is that of the result.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"preprocess takes uint8 (H, W, 3), not {image.dtype} {image.shape}: call read_image first")
    if image_size < 1:
        raise ValueError(f"image_size must be positive, not {image_size}")
    target = torch.device("cpu" if device is None else device)
    # Other accelerators lack the antialiased resize; there it is done on the CPU.
    work = target if target.type in ("cpu", "cuda") else torch.device("cpu")
    pixels = torch.from_numpy(np.require(image, requirements=["C", "W"])).to(work)
    return _normalise(_squeeze(pixels, image_size)).to(device=target, dtype=dtype)


def preprocess_float(pixels: Float[Tensor, "3 H W"], image_size: int) -> Float[Tensor, "3 S S"]:
    """`preprocess` for RGB that is float32 already, with channels first, in [0, 1]; values are not checked."""
    return _normalise(_resize(pixels, (image_size, image_size)))


def _normalise(square: Float[Tensor, "3 S S"]) -> Float[Tensor, "3 S S"]:
    mean = torch.tensor(IMAGENET_MEAN, device=square.device).view(3, 1, 1)
    std = torch.tensor(IMAGENET_STD, device=square.device).view(3, 1, 1)
    return square.sub_(mean).div_(std)


def _squeeze(pixels: UInt8[Tensor, "H W 3"], side: int) -> Float[Tensor, "3 S S"]:
    """The square in [0, 1]. Of a large image, bands of rows are narrowed first: the resize is separable."""
    height, width = pixels.shape[:2]
    rows = max(1, BAND_PIXELS // width)
    if height <= rows:
        return _resize(_unit(pixels), (side, side))
    bands = [_resize(_unit(band), (band.shape[0], side)) for band in pixels.split(rows)]
    return _resize(torch.cat(bands, dim=1), (side, side))


def _unit(pixels: UInt8[Tensor, "H W 3"]) -> Float[Tensor, "3 H W"]:
    return pixels.permute(2, 0, 1).to(torch.float32).div_(255)


def _resize(image: Float[Tensor, "3 H W"], size: tuple[int, int]) -> Float[Tensor, "3 H2 W2"]:
    return F.interpolate(image[None], size, mode="bilinear", align_corners=False, antialias=True)[0]


def preprocess_batch(
    images: Sequence[np.ndarray],
    image_size: int,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "B 3 S S"]:
    """`preprocess` of several images, which may differ in size, as one batch."""
    if len(images) == 0:
        raise ValueError("there are no images to preprocess")
    return torch.stack([preprocess(image, image_size, device, dtype) for image in images])
