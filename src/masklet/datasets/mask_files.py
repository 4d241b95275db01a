"""Masks of pictures in files: a label map, a black and white mask, or a folder with a mask for each object.

A mask has the name of its picture, with a suffix such as "_mask" where one is agreed on: beside the picture, or in a
folder of its own.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import cv2
import numpy as np
from jaxtyping import Bool

from masklet.io.files import read_mask_png
from masklet.io.images import list_images, read_image
from masklet.io.label_maps import find_values, read_labels

MaskReaders: TypeAlias = dict[str, Callable[[], Bool[np.ndarray, "H W"]]]
"""What reads or makes each mask, by the object's name."""

MaskObjects: TypeAlias = Literal["labels", "one", "components"]
"""What the objects of a mask's file are: each value but 0; all that is not black; or each connected part of that."""

WHITE = 255
MANY_GREYS = 16
"""A mask of more values, which yet is mostly white, has soft edges."""

LOSSY_EXTENSIONS = {".jpg", ".jpeg"}
"""Formats that blur edges: values of a mask in one are near black or near white at best."""


@dataclass(frozen=True, kw_only=True)
class MaskedPicture:
    """A picture, and the file or folder of its masks: where it should be, if there is none."""

    path: Path
    masks: Path


def pair_masks(images: Path, masks: Path, suffix: str = "") -> list[MaskedPicture]:
    """The pictures of a folder, in natural order, with what is called STEM + suffix in the folder `masks`.

    The folders may be one, if there is a suffix. FileNotFoundError or NotADirectoryError for no folder. ValueError for
    two pictures or two masks of one name, and for masks of no picture.
    """
    together = images.resolve() == masks.resolve()
    if together and not suffix:
        raise ValueError(f"{images} has both pictures and masks: name the suffix that tells masks, such as _mask")
    pictures = list_images(images)
    files = list_images(masks)
    folders = [child for child in sorted(masks.iterdir()) if child.is_dir() and not child.name.startswith(".")]
    found = _by_name([(path.name, path) for path in folders] + [(path.stem, path) for path in files])
    if together:
        found = {name: path for name, path in found.items() if name.endswith(suffix)}
        pictures = [path for path in pictures if not path.stem.endswith(suffix)]
    named = {stem + suffix: path for stem, path in _by_name((path.stem, path) for path in pictures).items()}
    strange = [path for name, path in found.items() if name not in named]
    if strange:
        raise ValueError(
            f"{strange[0]} is of a picture that {images} has not: a mask has the name of its picture"
            + (f" and {suffix}" if suffix else "")
        )
    return [MaskedPicture(path=path, masks=found.get(name, masks / f"{name}.png")) for name, path in named.items()]


def _by_name(paths: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for name, path in paths:
        if (twin := named.setdefault(name, path)) != path:
            raise ValueError(f"{twin} and {path} are both called {name}, but masks are found by name: keep one of them")
    return named


def open_masks(source: Path, objects: MaskObjects = "labels", ignore_value: int | None = None) -> MaskReaders:
    """The masks of a picture, in order: a file is read here, those of a folder as they are asked for.

    source: a file, of which `objects` says what the objects are; or a folder with a black and white mask for each.
    ignore_value: a label that is no object. FileNotFoundError; ValueError names the file that is wrong.
    """
    if source.is_dir():
        files = list_images(source)
        if not files:
            raise ValueError(f"{source} has no masks in it: a PNG for each object was expected")
        return {file.stem: partial(read_black_white, file) for file in files}
    if objects == "labels":
        if source.suffix.lower() in LOSSY_EXTENSIONS:
            raise ValueError(
                f"{source} is a JPEG, which blurs labels: give a PNG; or, if it is black and white, say that its "
                "objects are `one` or `components`"
            )
        labels = read_labels(source)
        values = [value for value in find_values(labels) if value not in (0, ignore_value)]
        _refuse_smooth(labels, values, source)
        return {str(value): partial(np.equal, labels, value) for value in values}
    mask = read_black_white(source)
    if objects == "one":
        return {"1": lambda: mask}
    num_parts, parts = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    return {str(part): partial(np.equal, parts, part) for part in range(1, num_parts)}


def _refuse_smooth(labels: np.ndarray, values: list[int], source: Path) -> None:
    """ValueError for a black and white mask with soft edges, of which each grey would be an object."""
    if len(values) <= MANY_GREYS or values[-1] != WHITE:
        return
    num_white = np.count_nonzero(labels == WHITE)
    num_grey = np.count_nonzero(labels) - num_white
    if num_grey < num_white / 4:
        raise ValueError(
            f"{source} has {len(values)} values, most of it {WHITE}, like a black and white mask with soft edges, of "
            "which each grey would be an object: say that its objects are `one` or `components`; or, if white is what "
            "was not annotated, that it is to be ignored"
        )


def read_black_white(file: Path) -> Bool[np.ndarray, "H W"]:
    """The mask in a picture of any kind: what is not black; of a JPEG, which blurs edges, what is nearer to white."""
    if file.suffix.lower() in LOSSY_EXTENSIONS:
        return np.asarray(cv2.cvtColor(read_image(file), cv2.COLOR_RGB2GRAY) >= 128)
    return read_mask_png(file)
