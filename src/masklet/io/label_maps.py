"""Label maps: a picture a frame whose values are object ids, 0 being none. How DAVIS and most data sets keep masks."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Int32
from PIL import Image

from masklet.io.decode import open_picture
from masklet.io.files import write_atomically

MAX_LABEL = 255
"""A palette has 256 colours, the first of which is no object."""


def davis_palette() -> list[int]:
    """The 256 colours (R, G, B, R, ...) of DAVIS and VOC: the id's bits, dealt to the channels from the top down."""
    colours = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            shift = 3 * bit + channel
            if shift < 8:
                colours[:, channel] |= (((np.arange(256) >> shift) & 1) << (7 - bit)).astype(np.uint8)
    return colours.ravel().tolist()


def read_labels(path: str | Path) -> Int32[np.ndarray, "H W"]:
    """Object ids of a picture's pixels. Of a palette the index counts; grey values count as they are, in RGB too.

    FileNotFoundError; ValueError, naming the file, for what is no picture, and for one in colours, which has no ids.
    """
    image = open_picture(path)
    if image.mode == "RGB":
        red, green, blue = image.split()
        if red == green == blue:
            image = red
    if image.mode not in ("P", "L", "1", "I;16", "I"):
        raise ValueError(
            f"{path} is a picture of mode {image.mode}, whose pixels are colours, not object ids: a label map is a PNG "
            "with a palette, or a grey one"
        )
    return np.asarray(image).astype(np.int32)


def find_values(labels: np.ndarray) -> list[int]:
    """The values of a label map (H, W), in order, 0 included: quickly, since only where the value changes is looked."""
    flat = labels.ravel()
    return np.union1d(flat[:1], flat[1:][flat[1:] != flat[:-1]]).tolist()


def read_palette(path: str | Path) -> list[int] | None:
    """The colours (R, G, B, R, ...) of a picture with a palette; None of one without."""
    return open_picture(path).getpalette()


def to_labels(masks: Mapping[int, np.ndarray], size: tuple[int, int]) -> Int32[np.ndarray, "H W"]:
    """A label map of boolean masks (H, W) by object id. Where they overlap the lowest id wins, as upstream's does."""
    labels = np.zeros(size, np.int32)
    for id_ in sorted(masks, reverse=True):
        labels[masks[id_]] = id_
    return labels


def write_labels(path: str | Path, labels: np.ndarray, palette: list[int] | None = None) -> None:
    """Write a label map (H, W) as PNG with a palette; None: that of DAVIS. ValueError for ids that no palette has."""
    low, high = int(labels.min(initial=0)), int(labels.max(initial=0))
    if low < 0 or high > MAX_LABEL:
        wrong = low if low < 0 else high
        raise ValueError(
            f"{path} cannot hold the object {wrong}, since a palette has ids 1 to {MAX_LABEL}: write pictures by object"
        )
    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette(palette or davis_palette())
    with write_atomically(path) as temporary:
        image.save(temporary, format="PNG")
