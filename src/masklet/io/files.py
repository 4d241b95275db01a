"""Files out, whole or not at all: a reader never sees half a file, and a failure leaves what was there."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from jaxtyping import Bool
from PIL import Image

from masklet.io.decode import open_picture

JPEG_QUALITY = 95
JPEG_SIDE = 65500
"""Pixels along a side beyond which a JPEG cannot be written."""


@contextmanager
def write_atomically(path: str | Path) -> Iterator[Path]:
    """A temporary path in the same folder, with the same extension; on leaving it takes the place of `path`.

    If the block raises, what it wrote is removed and `path` stays as it was. A link is followed, not replaced.
    FileNotFoundError if the folder does not exist, IsADirectoryError if `path` is a folder.

        with write_atomically("masks.npz") as temporary:
            np.savez(temporary, masks=masks)
    """
    target = Path(path).resolve()
    if not target.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {target.parent} to write {target.name} to")
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder: name a file to write")
    temporary = target.with_name(f".{uuid4().hex[:12]}{target.suffix}")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)  # that of any new file: some writers make files that others cannot read
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_image(path: str | Path, rgb: np.ndarray) -> None:
    """Write 8-bit RGB (H, W, 3) in the format that the extension names; lossy ones at high quality.

    ValueError for any other array, an extension that names no format, and a picture too long for a JPEG.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"an image to write is uint8 (H, W, 3), not {rgb.dtype} {rgb.shape}")
    _write_picture(path, Image.fromarray(np.ascontiguousarray(rgb)))


def write_mask_png(path: str | Path, mask: np.ndarray) -> None:
    """Write a boolean mask (H, W) as 8-bit grey PNG: 255 inside, 0 outside."""
    if mask.dtype != np.bool_ or mask.ndim != 2:
        raise ValueError(f"a mask to write is bool (H, W), not {mask.dtype} {mask.shape}")
    if Path(path).suffix.lower() != ".png":
        raise ValueError(f"a mask is written as PNG, which loses nothing, so {path} should end in .png")
    _write_picture(path, Image.fromarray(mask.astype(np.uint8) * np.uint8(255)))


def _write_picture(path: str | Path, image: Image.Image) -> None:
    extension = Path(path).suffix.lower()
    kind = Image.registered_extensions().get(extension)
    if kind not in Image.SAVE:
        raise ValueError(f"no image format is known by the extension {extension!r} of {path}: use .png or .jpg")
    options: dict[str, Any] = {}
    if kind == "JPEG":
        if max(image.size) > JPEG_SIDE:
            raise ValueError(
                f"{path} would be {image.width} x {image.height} pixels, but a JPEG has at most {JPEG_SIDE} along a "
                "side: use .png"
            )
        options = {"quality": JPEG_QUALITY, "subsampling": 0}
    elif kind == "WEBP":
        options = {"quality": JPEG_QUALITY}
    with write_atomically(path) as temporary:
        image.save(temporary, format=kind, **options)


def read_mask_png(path: str | Path) -> Bool[np.ndarray, "H W"]:
    """The mask in a picture's file: True where it is not zero.

    Any mode: of a palette the index counts (0 is background, as in DAVIS), of colours any channel, and what is fully
    transparent is outside. Errors as `read_image` has them.
    """
    image = open_picture(path)
    if image.mode in ("RGBa", "La", "PA"):
        image = image.convert("RGBA")
    values = np.asarray(image)
    if image.mode in ("RGBA", "LA"):
        return np.asarray(values[..., :-1].any(-1) & (values[..., -1] != 0))
    if image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):  # zero is not black in these
        values = np.asarray(image.convert("RGB"))
    return np.asarray(values.any(-1) if values.ndim == 3 else values != 0)


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON, with NumPy's numbers and arrays and paths as plain ones. ValueError for NaN and infinity."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, default=_plain)
    with write_atomically(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """The object that a JSON file holds. FileNotFoundError; ValueError for another file, and where a key is lacking."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: JSON with {', '.join(keys)} was expected")
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:  # what is no JSON, no text, or nested without end
        raise ValueError(f"{path} is no JSON ({error}): copy or download it again") from error
    missing = [key for key in keys if key not in value] if isinstance(value, dict) else list(keys)
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}: an object with {', '.join(keys)} was expected")
    return value


def write_csv(path: str | Path, rows: Iterable[Sequence[object]]) -> None:
    """Write a table as CSV: UTF-8, with Unix line ends; the first row names the columns."""
    with write_atomically(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return value.as_posix()
    raise TypeError(f"JSON has no {type(value).__name__}")
