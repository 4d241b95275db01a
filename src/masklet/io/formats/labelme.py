"""LabelMe (labelme.io): beside each picture a JSON file of its name, masks as shapes of the type "mask".

    STEM.json     label, group_id (the object's id), the mask's box, and inside it the mask as PNG in base64

LabelMe 5.3 and newer show and edit such shapes, and they are exact, holes and parts and all; polygons are neither. A
file must lie beside its picture to be opened: write into the folder of the pictures, or copy the files there. The score
stands in a field of its own, which LabelMe keeps when it saves. Of a video the frames are pictures.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool

from masklet.io.files import read_json
from masklet.io.formats.picture import AnnotatedPicture, ObjectMask
from masklet.io.formats.reading import files_in, group_shapes, naming, one_line, picture_size
from masklet.io.formats.writer import AnnotationWriter, picture_stem
from masklet.ops.polygons import Polygon, polygons_to_mask

VERSION = "5.5.0"
"""A version of LabelMe that knows masks: it stands in the files, and no version minds another."""

AREAS = ("mask", "polygon")
"""The types of shapes that are read."""

Shape = tuple[int, dict[str, Any]]
"""A shape and its place in the file."""

KEYS = ("shapes", "imagePath", "imageHeight", "imageWidth")


class LabelmeWriter(AnnotationWriter):
    """Writes STEM.json of each picture. Objects without a pixel are left out."""

    by_stem = True

    def _add(self, picture: AnnotatedPicture) -> None:
        value: dict[str, Any] = {
            "version": VERSION,
            "flags": {},
            "shapes": [_shape(found) for found in picture.visible],
            "imagePath": PurePosixPath(picture.name).name,
            "imageData": None,
            "imageHeight": picture.height,
            "imageWidth": picture.width,
        }
        if picture.frame_index is not None:
            value["frame_index"] = picture.frame_index
        text = json.dumps(value, ensure_ascii=False, indent=2) + "\n"
        self._stage(f"{picture_stem(picture.name)}.json").write_bytes(text.encode("utf-8"))


def _shape(found: ObjectMask) -> dict[str, Any]:
    left, top, width, height = found.box
    crop = found.mask[top : top + height, left : left + width].astype(np.uint8)
    shape = {
        "label": found.label,
        "points": [[left, top], [left + width - 1, top + height - 1]],  # both are pixels of the box
        "group_id": found.id,
        "description": "",
        "shape_type": "mask",
        "flags": {},
        "mask": base64.b64encode(cv2.imencode(".png", crop)[1].tobytes()).decode("ascii"),
    }
    return shape if found.score is None else shape | {"score": float(found.score)}


def read_labelme(path: Path) -> Iterator[AnnotatedPicture]:
    """The pictures of LabelMe's JSON files in a folder and those below, or of one file.

    Masks and polygons are read; other shapes, which are drawn around an object or through it, are left out. Shapes of
    one label and one group_id are one object. Objects without a group_id are numbered after the others. ValueError,
    naming the file and the shape, for what cannot be read; FileNotFoundError.
    """
    for file, folder in files_in(path, ".json"):
        value = read_json(file, KEYS)
        with naming(str(file)):
            picture = _picture(value, folder)
        yield picture


def _picture(value: dict[str, Any], folder: str) -> AnnotatedPicture:
    size = picture_size(value["imageHeight"], value["imageWidth"])
    areas: list[tuple[str, object, Shape]] = []
    for index, shape in enumerate(value["shapes"]):
        with naming(f"shape {index}"):
            shape = {"shape_type": "polygon"} | shape  # which early versions did not say
            if shape["shape_type"] in AREAS:
                areas.append((one_line(shape["label"]), shape.get("group_id"), (index, shape)))
    return AnnotatedPicture(
        name=str(PurePosixPath(folder, PureWindowsPath(value["imagePath"]).name)),
        height=size[0],
        width=size[1],
        objects=tuple(_object(shapes, size, id_, label) for id_, label, shapes in group_shapes(areas)),
        frame_index=value.get("frame_index"),
    )


def _object(shapes: list[Shape], size: tuple[int, int], id_: int, label: str) -> ObjectMask:
    mask = np.zeros(size, bool)
    for index, shape in shapes:
        with naming(f"shape {index}"):
            mask |= _mask(shape, size)
    _, first = shapes[0]
    return ObjectMask.of_mask(mask, id_, label=label, score=first.get("score"))


def _mask(shape: dict[str, Any], size: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    if shape["shape_type"] == "polygon":
        return polygons_to_mask([Polygon(np.array(shape["points"], float))], size)
    code = np.frombuffer(base64.b64decode(shape["mask"]), np.uint8)
    crop = cv2.imdecode(code, cv2.IMREAD_GRAYSCALE) if len(code) else None
    if crop is None:
        raise ValueError("its mask is no PNG in base64")
    (left, top), (right, bottom) = np.array(shape["points"]).astype(int).tolist()
    mask = np.zeros(size, bool)
    place = mask[max(top, 0) : bottom + 1, max(left, 0) : right + 1]
    if place.shape != crop.shape:
        raise ValueError(f"its mask has the shape {crop.shape}, but its points leave {place.shape}")
    place[:] = crop != 0
    return mask
