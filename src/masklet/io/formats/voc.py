"""Pascal VOC: label maps with a palette, one that tells the objects apart and one that tells what they are.

    SegmentationObject/STEM.png     each pixel's object id, 0 for none
    SegmentationClass/STEM.png      each pixel's label, as the line of labels.txt, counted from 0
    labels.txt                      the labels, one a line; the first is the background's

A pixel belongs to one object: where objects overlap the smaller is on top, and what it hides of the other is lost. Ids
and labels go up to 254; VOC's 255, the border that is not judged, is not written. Of a video the frames are pictures
with object ids that last: SegmentationObject is what DAVIS has as Annotations. Scores are not kept.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Int32

from masklet.io.formats.picture import DEFAULT_LABEL, AnnotatedPicture, ObjectMask, VideoInfo
from masklet.io.formats.pictures import name_picture
from masklet.io.formats.reading import files_in, naming
from masklet.io.formats.writer import AnnotationWriter, picture_stem
from masklet.io.label_maps import find_values, read_labels, write_labels

OBJECTS, CLASSES, LABELS = "SegmentationObject", "SegmentationClass", "labels.txt"

BACKGROUND = "background"
"""The first line of labels.txt."""

BORDER = 255
"""VOC's value for pixels at objects' borders, which belong to nothing."""


class VocWriter(AnnotationWriter):
    """Writes both maps of each picture, and labels.txt at the end. ValueError for ids and labels beyond 254."""

    by_stem = True

    def __init__(self, folder: str | Path, *, video: VideoInfo | None = None) -> None:
        super().__init__(folder, video=video)
        self._classes: dict[str, int] = {}

    def _add(self, picture: AnnotatedPicture) -> None:
        last = max((found.id for found in picture.objects), default=0)
        if last >= BORDER:
            raise ValueError(
                f"{picture.name} has the object {last}, and a VOC picture has room for the ids 1 to {BORDER - 1}: take "
                "the format png or coco"
            )
        known, visible = dict(self._classes), picture.visible
        for found in visible:
            known.setdefault(found.label, 1 + len(known))
        if len(known) >= BORDER:
            raise ValueError(f"with {picture.name} there are over {BORDER - 1} labels: take the format png or coco")
        self._classes = known
        objects, classes = np.zeros(picture.size, np.int32), np.zeros(picture.size, np.int32)
        for found in sorted(visible, key=lambda found: -found.area):
            mask = found.mask
            objects[mask], classes[mask] = found.id, known[found.label]
        stem = picture_stem(picture.name)
        write_labels(self._stage(f"{OBJECTS}/{stem}.png"), objects)
        write_labels(self._stage(f"{CLASSES}/{stem}.png"), classes)

    def _finish(self) -> None:
        self._stage(LABELS).write_bytes("".join(f"{label}\n" for label in (BACKGROUND, *self._classes)).encode("utf-8"))


def read_voc(path: Path, *, pictures: Path | None = None) -> Iterator[AnnotatedPicture]:
    """The pictures of a folder that has SegmentationObject, in the order of their names.

    Without `pictures` they are called STEM.png. Without SegmentationClass or labels.txt, objects are called "object".
    FileNotFoundError; ValueError names the file.
    """
    labels = _read_names(path / LABELS)
    for file, folder in files_in(path / OBJECTS, ".png"):
        stem = PurePosixPath(folder) / file.stem
        objects = _without_border(read_labels(file))
        class_file = path / CLASSES / f"{stem}.png"
        classes = _without_border(read_labels(class_file)) if class_file.is_file() else np.zeros_like(objects)
        with naming(str(class_file)):
            if classes.shape != objects.shape:
                raise ValueError(f"it is {classes.shape} pixels, and the map of objects {objects.shape}")
        found = []
        for id_ in find_values(objects):
            if id_:
                mask = objects == id_
                label = labels.get(int(np.bincount(classes[mask]).argmax()), DEFAULT_LABEL)
                found.append(ObjectMask.of_mask(mask, id_, label=label))
        height, width = objects.shape
        name = name_picture(pictures, str(stem), ".png")
        yield AnnotatedPicture(name=name, height=height, width=width, objects=tuple(found))


def _read_names(file: Path) -> dict[int, str]:
    """The labels by their value, without the background."""
    if not file.is_file():
        return {}
    with naming(str(file)):
        lines = file.read_text(encoding="utf-8").splitlines()
    return {value: line.strip() for value, line in enumerate(lines) if value and line.strip()}


def _without_border(labels: Int32[np.ndarray, "H W"]) -> Int32[np.ndarray, "H W"]:
    return np.where(labels == BORDER, 0, labels).astype(np.int32)
