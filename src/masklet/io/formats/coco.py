"""COCO JSON, which most labelling and training tools read: one file for all pictures, masks as compact RLE.

    annotations.json     images, annotations, categories (the labels), and of a video videos, with video_id and frame_id
                         of each image and track_id of each annotation, as COCO-VID and TAO have them

Objects are numbered through the whole file; the id in the picture is kept of a video alone, as track_id. COCO has marks
for crowds, many objects in one mask: they are read as objects whose label ends in "(crowd)", and written as crowds
again.
"""

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from masklet.io.formats.coco_file import CocoFile, to_mask
from masklet.io.formats.picture import DEFAULT_LABEL, AnnotatedPicture, ObjectMask, VideoInfo
from masklet.io.formats.reading import (
    check_rle_size,
    naming,
    number_objects,
    one_line,
    picture_name,
    picture_size,
    single_file,
)
from masklet.io.formats.writer import AnnotationWriter

FILE = "annotations.json"

LATER = "annotations"
"""Where annotations wait for the end of the list of images, which they follow."""

CROWD = " (crowd)"
"""What is put after the label of a crowd."""

Record = dict[str, Any]
"""An image, annotation or category."""


class CocoWriter(AnnotationWriter):
    """Writes annotations.json. Objects without a pixel are left out."""

    def __init__(self, folder: str | Path, *, video: VideoInfo | None = None) -> None:
        super().__init__(folder, video=video)
        self._labels: dict[str, int] = {}
        self._num_annotations = 0
        self._file = self._open(FILE)
        self._annotations = self._open(LATER)
        self._file.write("{")
        if video is not None:
            entry = {"id": 1, "name": video.name, "width": video.width, "height": video.height}
            if video.num_frames is not None:
                entry["length"] = video.num_frames
            self._file.write(f'"videos": [{_to_json(entry)}],\n')
        self._file.write('"images": [')

    def _add(self, picture: AnnotatedPicture) -> None:
        image = coco_image(picture.name, picture.size, 1 + self.num_pictures)
        if self.video is not None:
            frame_id = self.num_pictures if picture.frame_index is None else picture.frame_index
            image |= {"video_id": 1, "frame_id": frame_id}
        visible = picture.visible  # where an RLE is malformed, before anything is written
        self._file.write(f"{',' if self.num_pictures else ''}\n{_to_json(image)}")
        for found in visible:
            category_id = self._labels.setdefault(found.label.removesuffix(CROWD), 1 + len(self._labels))
            entry = coco_annotation(found, 1 + self._num_annotations, image["id"], category_id)
            if self.video is not None:
                entry["track_id"] = found.id
            self._annotations.write(f"{',' if self._num_annotations else ''}\n{_to_json(entry)}")
            self._num_annotations += 1

    def _finish(self) -> None:
        self._file.write('],\n"annotations": [')
        self._annotations.close()
        with self._stage(LATER).open(encoding="utf-8") as later:
            shutil.copyfileobj(later, self._file)
        self._stage(LATER).unlink()
        self._file.write(f'],\n"categories": {_to_json(coco_categories(self._labels))}}}\n')


def coco_image(file_name: str, size: tuple[int, int], image_id: int) -> Record:
    """COCO's record of a picture. size: (height, width)."""
    return {"id": image_id, "file_name": file_name, "width": size[1], "height": size[0]}


def coco_annotation(found: ObjectMask, id: int, image_id: int, category_id: int = 1) -> Record:
    """COCO's record of an object. id: from 1, as evaluators take 0 for "no match". The box is XYWH in pixels."""
    entry = {
        "id": id,
        "image_id": image_id,
        "category_id": category_id,
        "segmentation": found.rle,
        "area": found.area,
        "bbox": found.box,
        "iscrowd": int(found.label.endswith(CROWD)),
    }
    return entry if found.score is None else entry | {"score": found.score}


def coco_categories(labels: Iterable[str] = (DEFAULT_LABEL,)) -> list[Record]:
    """COCO's records of labels, numbered from 1; each is in a supercategory of its own name."""
    return [{"id": index, "name": label, "supercategory": label} for index, label in enumerate(labels, start=1)]


def read_coco(path: Path) -> Iterator[AnnotatedPicture]:
    """The pictures of a file, in its order, or that of a video's frames, also those without objects.

    Polygons become masks. An object's id is its track_id, or else its place among the picture's; where a track has the
    number 0, each is one more. Names that lead out of a folder are brought into it. Pictures without a size take that
    of their first RLE. FileNotFoundError; ValueError, naming the file and the annotation, for what is damaged.
    """
    file = CocoFile(single_file(path, FILE))
    shift = 1 if any(entry.get("track_id") == 0 for entry in file.all_annotations) else 0
    for image_id, image in _in_order(file):
        annotations = file.annotations(image_id) + file.crowds(image_id)
        size = file.size(image_id)
        with naming(f"image {image_id} of {file.path}"):
            tracks = [entry.get("track_id") for entry in annotations]
            ids = number_objects([None if track is None else track + shift for track in tracks])
            if size is None:
                rles = (entry["segmentation"] for entry in annotations if isinstance(entry.get("segmentation"), dict))
                rle = next(rles, None)
                if rle is None:
                    raise ValueError("its height and width are not given")
                size = picture_size(*rle["size"])
        objects = []
        for id_, entry in zip(ids, annotations, strict=True):
            with naming(f"annotation {entry.get('id')} of {file.path}"):
                label = one_line(file.categories.get(entry.get("category_id", 0)))
                if isinstance(entry["segmentation"], dict):
                    check_rle_size(entry["segmentation"], size)
                objects.append(
                    ObjectMask.of_mask(
                        to_mask(entry["segmentation"], size),
                        id_,
                        label=label + CROWD if entry.get("iscrowd") else label,
                        score=entry.get("score"),
                    )
                )
        with naming(f"image {image_id} of {file.path}"):
            yield AnnotatedPicture(
                name=picture_name(file.file_name(image_id)),
                height=size[0],
                width=size[1],
                objects=tuple(objects),
                frame_index=image.get("frame_id"),
            )


def _in_order(file: CocoFile) -> list[tuple[int, Record]]:
    images = list(file.images.items())
    if all(isinstance(image.get("frame_id"), int) for _, image in images):
        images.sort(key=lambda item: (str(item[1].get("video_id", "")), item[1]["frame_id"]))
    return images


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
