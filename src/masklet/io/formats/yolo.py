"""YOLO segmentation, as Ultralytics trains with it: a text file a picture, a line an object.

    labels/STEM.txt     class x y x y ...: the object's outline, x and y as parts of the picture's width and height
    data.yaml           names: the labels, in the order of their numbers

A line is one ring, so holes and parts are joined by bridges of no width, as Ultralytics' own converter joins parts.
Its loader, like most, rounds corners down to pixels and fills every pixel the line goes through. So corners stand
within the outermost pixels, in the quarter nearest to their upper left: whether a tool rounds down or to the nearest,
it fills those pixels and no more. Ids and scores are not kept; of a video the frames are pictures.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import yaml
from jaxtyping import Bool, Float

from masklet.io.formats.picture import DEFAULT_LABEL, AnnotatedPicture, ObjectMask, VideoInfo
from masklet.io.formats.pictures import find_picture
from masklet.io.formats.reading import files_in, naming, one_line
from masklet.io.formats.writer import AnnotationWriter, picture_stem
from masklet.ops.masks import mask_iou
from masklet.ops.polygons import LEAST_IOU, MOST_CORNERS, TOLERANCE, mask_to_polygons
from masklet.ops.rings import cut_at_repeats, join_rings

INSET, SHIFT = 0.375, -0.2
"""Pixels by which outlines are moved inwards, and then to the left and up: of a pixel's width what is left is from
0.175 to 0.425, which is 0 rounded either way."""

DIGITS = 7
"""Decimal places: a hundredth of a pixel for pictures of up to 100000 pixels."""

OUTSIDE = 0.01
"""How far corners may lie outside a picture, in parts of its size: Ultralytics takes as much."""

FEWEST_NUMBERS = 7
"""A class and three corners."""


class YoloWriter(AnnotationWriter):
    """Writes labels/STEM.txt of each picture, and data.yaml at the end. Objects without a pixel have no line."""

    by_stem = True

    def __init__(self, folder: str | Path, *, video: VideoInfo | None = None) -> None:
        super().__init__(folder, video=video)
        self._classes: dict[str, int] = {}

    def _add(self, picture: AnnotatedPicture) -> None:
        lines = []
        for found in picture.visible:
            ring = _outline(found.mask) / (picture.width, picture.height)
            number = self._classes.setdefault(found.label, len(self._classes))
            lines.append(" ".join([str(number), *(f"{value:.{DIGITS}f}" for value in ring.ravel())]) + "\n")
        self._stage(f"labels/{picture_stem(picture.name)}.txt").write_bytes("".join(lines).encode("ascii"))

    def _finish(self) -> None:
        # No `path`, which Ultralytics would take from where it is started; without it, from where the file lies.
        names = {number: label for label, number in self._classes.items()}
        value = {"train": "images", "val": "images", "names": names}
        text = yaml.safe_dump(value, allow_unicode=True, sort_keys=False)
        self._stage("data.yaml").write_bytes(text.encode("utf-8"))


def _outline(mask: Bool[np.ndarray, "H W"]) -> Float[np.ndarray, "N 2"]:
    """One ring around all of a mask, in pixels: the largest part first."""
    rings: list[np.ndarray] = []
    for tolerance in (TOLERANCE, TOLERANCE / 2, 0.0):
        polygons = sorted(mask_to_polygons(mask, tolerance=tolerance, inset=INSET), key=lambda polygon: -polygon.area)
        rings = [np.maximum(ring + SHIFT, 0) for polygon in polygons for ring in polygon.rings]
        # Simplified lines pass other pixels than those that the outline does.
        if sum(map(len, rings)) > MOST_CORNERS or mask_iou(_draw(rings, mask.shape), mask) >= LEAST_IOU:
            break
    return join_rings(rings)


def _draw(rings: Sequence[np.ndarray], size: tuple[int, ...]) -> Bool[np.ndarray, "H W"]:
    """What tools make of rings: the pixels on them and within an odd number of them."""
    drawn = np.zeros(size, np.uint8)
    cv2.fillPoly(drawn, [np.floor(ring).astype(np.int32) for ring in rings], 1)
    return drawn.astype(bool)


def read_yolo(path: Path, *, pictures: Path) -> Iterator[AnnotatedPicture]:
    """The pictures of a folder with labels/ and data.yaml, in the order of their names; or of a folder of text files.

    pictures: the folder they are in, for their sizes. Labels without a name are called by their number, and without
    data.yaml so are all. A number at the end of a line, as predictions have it, is the score. FileNotFoundError;
    ValueError, naming the file and line, for boxes and what else is no outline.
    """
    names = _read_names(path)
    for file, folder in files_in(path / "labels" if (path / "labels").is_dir() else path, ".txt"):
        name, size = find_picture(pictures, str(PurePosixPath(folder) / file.stem))
        objects = []
        with naming(str(file)):
            lines = file.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            if line.strip():
                with naming(f"line {number} of {file}"):
                    objects.append(_read_line(line, len(objects) + 1, size, names))
        yield AnnotatedPicture(name=name, height=size[0], width=size[1], objects=tuple(objects))


def _read_names(path: Path) -> dict[int, str] | None:
    """The labels by number; None without data.yaml."""
    file = next((place for place in (path / "data.yaml", path.parent / "data.yaml") if place.is_file()), None)
    if file is None:
        return None
    with naming(str(file)):
        try:
            names = yaml.safe_load(file.read_bytes())["names"]
        except yaml.YAMLError as error:
            raise ValueError(f"it is no YAML: {error}") from error
        pairs = names.items() if isinstance(names, Mapping) else enumerate(names)
        return {int(number): one_line(label) for number, label in pairs}


def _read_line(line: str, id_: int, size: tuple[int, int], names: dict[int, str] | None) -> ObjectMask:
    values = [float(value) for value in line.split()]
    if len(values) < FEWEST_NUMBERS:
        raise ValueError(f"it has {len(values)} numbers: a class and an outline of three corners or more are expected")
    number, outline = int(values[0]), values[1:]
    score = outline.pop() if len(outline) % 2 else None
    height, width = size
    ring = np.array(outline).reshape(-1, 2) * (width, height)
    if not ((np.array(outline) >= -OUTSIDE) & (np.array(outline) <= 1 + OUTSIDE)).all():  # NaN fails too
        raise ValueError("its corners are not within 0 and 1, as parts of the picture's width and height are")
    # Without the bridges, which would be drawn a pixel wide; of lines that are no bridges nothing is drawn twice.
    rings = [part for part in cut_at_repeats(np.round(ring, 3)) if len(part) > 2]
    label = DEFAULT_LABEL if names is None and number == 0 else (names or {}).get(number, str(number))
    return ObjectMask.of_mask(_draw(rings or [ring], size), id_, label=label, score=score)
