"""COCO annotation files as they are, and the masks of their segmentations, which LVIS and SA-1B have alike.

The file is read whole, as it is one JSON value; masks are made when they are asked for. Of the categories the names are
kept. Crowds, which are many objects in one mask, are kept apart.
"""

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from pycocotools import mask as coco_mask

from masklet.io.files import read_json
from masklet.io.formats.reading import naming, picture_size
from masklet.ops.rle import decode_rle

FEWEST_NUMBERS = 6
"""A polygon of fewer than three corners, x and y each, covers nothing."""


class CocoFile:
    """The pictures of an annotation file, by their ids, and what is annotated on each.

    contents: all that the file holds, as it has it. categories: names by id, none where the file has none.
    FileNotFoundError; ValueError, naming the file, for what is no JSON, lacks `images` or `annotations`, or annotates a
    picture that it does not list.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.contents = contents = read_json(self.path, ("images", "annotations"))
        for key in ("images", "annotations"):
            if not isinstance(contents[key], list):
                raise ValueError(f"{path} has no list {key!r}: a COCO file has images and annotations")
        self.images: dict[int, dict[str, Any]] = {}
        self._annotations: dict[int, list[dict[str, Any]]] = {}
        self._crowds: dict[int, list[dict[str, Any]]] = {}
        self.categories: dict[int, str] = {}
        with naming(f"an entry of {path}"):
            for category in contents.get("categories") or ():
                self.categories[category["id"]] = str(category["name"])
            for image in contents["images"]:
                self.images[image["id"]] = image
            for annotation in contents["annotations"]:
                self._sort_in(annotation)

    def _sort_in(self, annotation: dict[str, Any]) -> None:
        image_id = annotation["image_id"]
        if image_id not in self.images:
            raise ValueError(
                f"the image {image_id} (annotation {annotation.get('id')}) is not among the {len(self.images)} images"
            )
        kind = self._crowds if annotation.get("iscrowd") else self._annotations
        kind.setdefault(image_id, []).append(annotation)

    @property
    def all_annotations(self) -> Iterator[dict[str, Any]]:
        """What is annotated on all pictures, crowds too."""
        return chain.from_iterable((*self._annotations.values(), *self._crowds.values()))

    @property
    def num_crowds(self) -> int:
        """How many annotations are of crowds."""
        return sum(map(len, self._crowds.values()))

    @property
    def annotated(self) -> list[int]:
        """The ids of pictures that have annotations, in the order of the file."""
        return [id_ for id_ in self.images if id_ in self._annotations]

    def file_name(self, image_id: int) -> str:
        """The picture's file, relative to the folder of pictures; of LVIS, which gives addresses, the address's end."""
        image = self.images[image_id]
        name = image.get("file_name") or "/".join(str(image.get("coco_url", "")).split("/")[-2:])
        if not name:
            raise ValueError(f"{self.path} does not say which file the image {image_id} is: it has no file_name")
        return name

    def annotations(self, image_id: int) -> list[dict[str, Any]]:
        """What is annotated on a picture, as the file has it, without crowds."""
        return self._annotations.get(image_id, [])

    def crowds(self, image_id: int) -> list[dict[str, Any]]:
        """The crowds of a picture, as the file has them."""
        return self._crowds.get(image_id, [])

    def size(self, image_id: int) -> tuple[int, int] | None:
        """A picture's (height, width), if the file says it. ValueError where it is none that a picture can have."""
        image = self.images[image_id]
        if image.get("height") is None or image.get("width") is None:
            return None
        with naming(f"image {image_id} of {self.path}"):
            return picture_size(image["height"], image["width"])


def to_mask(segmentation: Any, size: tuple[int, int] | None) -> Bool[np.ndarray, "H W"]:
    """The mask of a segmentation: a list of polygons, whose union it is, or an RLE, compressed or not.

    size: (height, width) of the picture; an RLE has its own. ValueError for anything else.
    """
    if isinstance(segmentation, Mapping):
        own_size = segmentation.get("size")
        if isinstance(own_size, list | tuple) and len(own_size) == 2:
            picture_size(*own_size)  # no memory is taken for what is no picture's size
        return decode_rle(segmentation)
    if not isinstance(segmentation, list):
        raise ValueError(f"a segmentation is a list of polygons or an RLE, not {type(segmentation).__name__}")
    if size is None:
        raise ValueError("its segmentation is of polygons, but the picture's height and width are not given")
    for polygon in segmentation:
        corners = np.asarray(polygon)
        numeric = corners.dtype.kind in "iuf" and bool(np.isfinite(corners).all())
        if corners.ndim != 1 or corners.size % 2 or not (numeric or corners.size == 0):
            raise ValueError("a polygon is a list of numbers, x and y in turns")
    polygons: Any = [list(map(float, polygon)) for polygon in segmentation if len(polygon) >= FEWEST_NUMBERS]
    if not polygons:
        return np.zeros(size, bool)
    outlines: Any = coco_mask.frPyObjects(polygons, *size)  # typed for one polygon, though it takes a list of them
    merged: Any = coco_mask.merge(outlines)
    return decode_rle(merged)
