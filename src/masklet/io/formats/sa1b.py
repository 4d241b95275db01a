"""SA-1B: a JSON file a picture, with how each mask was found. The data set Segment Anything was trained on has this.

    STEM.json     image: image_id, width, height, file_name
                  annotations: id, segmentation (compact RLE), bbox, area, predicted_iou, stability_score,
                  point_coords, crop_box

All that automatic mask generation tells is kept exactly, so that records can be written and read back. Objects of other
sources have no point, stability or crop, and where they have no score no predicted_iou; these fields are then left out.
A label other than "object" stands in a field of its own, `label`, which SA-1B has not.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from masklet.io.files import read_json, write_json
from masklet.io.formats.picture import DEFAULT_LABEL, AnnotatedPicture, ObjectMask
from masklet.io.formats.reading import (
    check_rle_size,
    files_in,
    naming,
    number_objects,
    one_line,
    picture_name,
    picture_size,
)
from masklet.io.formats.writer import AnnotationWriter, picture_stem
from masklet.ops.mask_record import MaskRecord
from masklet.ops.rle import RLE, decode_rle, encode_rle


class Sa1bWriter(AnnotationWriter):
    """Writes STEM.json of each picture. Objects without a pixel are left out; of a video the frames are pictures."""

    by_stem = True

    def _add(self, picture: AnnotatedPicture) -> None:
        annotations = []
        for found in picture.visible:
            entry = {"id": found.id, "segmentation": found.rle, "bbox": found.box, "area": found.area}
            if found.score is not None:
                entry["predicted_iou"] = found.score
            if found.label != DEFAULT_LABEL:
                entry["label"] = found.label
            annotations.append(entry)
        image_id = 1 + self.num_pictures
        value = {"image": _image(picture.name, picture.size, image_id), "annotations": annotations}
        write_json(self._stage(f"{picture_stem(picture.name)}.json"), value)


def write_mask_records(path: str | Path, name: str, size: tuple[int, int], records: Sequence[MaskRecord]) -> None:
    """Write what was found in one picture, whole or not at all. size: (height, width). name: the picture's file."""
    annotations = [
        {
            "id": index,
            "segmentation": record.rle,
            "bbox": record.box,
            "area": record.area,
            "predicted_iou": record.predicted_iou,
            "stability_score": record.stability_score,
            "point_coords": [record.point],
            "crop_box": record.crop_box,
        }
        for index, record in enumerate(records, start=1)
    ]
    write_json(path, {"image": _image(name, size, 1), "annotations": annotations})


def read_mask_records(path: str | Path) -> tuple[str, tuple[int, int], list[MaskRecord]]:
    """The picture's file, its (height, width) and the records, as they were written.

    FileNotFoundError; ValueError, naming the file and the annotation, for what is damaged or lacks a field.
    """
    path = Path(path)
    name, size, annotations = _read(path)
    records = []
    for index, entry in enumerate(annotations):
        with naming(f"annotation {index + 1} of {path}"):
            point_x, point_y = entry["point_coords"][0]
            records.append(
                MaskRecord(
                    rle=_mask(entry["segmentation"], size),
                    area=int(entry["area"]),
                    box=_box(entry["bbox"]),
                    predicted_iou=float(entry["predicted_iou"]),
                    stability_score=float(entry["stability_score"]),
                    point=(float(point_x), float(point_y)),
                    crop_box=_box(entry["crop_box"]),
                )
            )
    return name, size, records


def read_sa1b(path: Path) -> Iterator[AnnotatedPicture]:
    """The pictures of the JSON files in a folder and those below, in the order of their names; or of the one file."""
    return map(read_sa1b_file, [file for file, _ in files_in(path, ".json")])


def read_sa1b_file(path: Path) -> AnnotatedPicture:
    """The picture of a file; objects have the ids they have there. Errors as `read_mask_records` has them."""
    name, size, annotations = _read(path)
    with naming(str(path)):
        ids = number_objects([entry.get("id") for entry in annotations])
    objects = []
    for id_, entry in zip(ids, annotations, strict=True):
        with naming(f"annotation {entry.get('id')} of {path}"):
            objects.append(
                ObjectMask(
                    rle=_mask(entry["segmentation"], size),
                    id=id_,
                    label=one_line(entry.get("label")),
                    score=entry.get("predicted_iou"),
                )
            )
    with naming(str(path)):
        return AnnotatedPicture(name=name, height=size[0], width=size[1], objects=tuple(objects))


def _image(name: str, size: tuple[int, int], image_id: int) -> dict[str, Any]:
    return {"image_id": image_id, "width": size[1], "height": size[0], "file_name": name}


def _read(path: Path) -> tuple[str, tuple[int, int], list[dict[str, Any]]]:
    value = read_json(path, ("image", "annotations"))
    with naming(str(path)):
        image, annotations = value["image"], value["annotations"]
        if not isinstance(annotations, list) or not all(isinstance(entry, dict) for entry in annotations):
            raise ValueError("its annotations are no list of objects")
        return picture_name(image["file_name"]), picture_size(image["height"], image["width"]), annotations


def _mask(segmentation: RLE, size: tuple[int, int]) -> RLE:
    """The RLE with compact counts. ValueError where it is malformed or of another size than the picture."""
    check_rle_size(segmentation, size)
    mask = decode_rle(segmentation)
    return segmentation if isinstance(segmentation["counts"], str) else encode_rle(mask)


def _box(values: Sequence[float]) -> tuple[int, int, int, int]:
    left, top, width, height = map(int, values)
    return left, top, width, height
