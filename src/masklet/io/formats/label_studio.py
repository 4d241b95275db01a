"""Label Studio (labelstud.io): all pictures in one JSON, masks as brush strokes.

    label_studio.json     tasks to import: a picture, and its masks as a prediction, which Label Studio shows to be
                          corrected and accepted
    label_config.xml      the labelling interface of a project for them: Settings > Labeling Interface > Code

A task says where the picture is by its name alone: before the import, put the address in front at which your Label
Studio has the pictures ("/data/local-files/?d=" and a folder for local storage, "s3://..." for a bucket). Of a video
the frames are pictures: its tracks are of boxes alone, and have no place for masks. Masks are exact. Read back are the
masks that people have drawn or corrected, and the predictions where there are none of them.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import quoteattr

from masklet.io.formats.brush_rle import decode_brush_rle, encode_brush_rle
from masklet.io.formats.picture import DEFAULT_LABEL, AnnotatedPicture, ObjectMask, VideoInfo
from masklet.io.formats.reading import (
    naming,
    number_objects,
    one_line,
    picture_name,
    picture_size,
    read_json_list,
    single_file,
)
from masklet.io.formats.writer import AnnotationWriter

TASKS = "label_studio.json"
CONFIG = "label_config.xml"

IMAGE_TAG = "image"
LABEL_TAG = "label"
"""Names in the labelling interface, which results refer to."""

REGION_ID = re.compile(r"object-(\d+)")


class LabelStudioWriter(AnnotationWriter):
    """Writes label_studio.json and label_config.xml. Objects without a pixel are left out."""

    def __init__(self, folder: str | Path, *, video: VideoInfo | None = None) -> None:
        super().__init__(folder, video=video)
        self._labels: dict[str, None] = {}  # in the order they came
        self._tasks = self._open(TASKS)

    def _add(self, picture: AnnotatedPicture) -> None:
        self._tasks.write(("," if self.num_pictures else "[") + "\n" + json.dumps(_task(picture), ensure_ascii=False))
        self._labels |= dict.fromkeys(found.label for found in picture.visible)

    def _finish(self) -> None:
        self._tasks.write("\n]\n" if self.num_pictures else "[]\n")
        self._stage(CONFIG).write_text(labelling_interface(tuple(self._labels) or (DEFAULT_LABEL,)), encoding="utf-8")


def labelling_interface(labels: tuple[str, ...]) -> str:
    """A project's labelling interface in XML: a picture, and a brush of each label."""
    return "\n".join(
        [
            "<View>",
            f'  <Image name="{IMAGE_TAG}" value="$image" zoom="true" zoomControl="true"/>',
            f'  <BrushLabels name="{LABEL_TAG}" toName="{IMAGE_TAG}">',
            *(f"    <Label value={quoteattr(label)}/>" for label in labels),
            "  </BrushLabels>",
            "</View>\n",
        ]
    )


def _task(picture: AnnotatedPicture) -> dict[str, Any]:
    # Height and width stand with each mask, which a picture without masks has not.
    data = {"image": picture.name, "height": picture.height, "width": picture.width}
    if picture.frame_index is not None:
        data["frame_index"] = picture.frame_index
    prediction: dict[str, Any] = {"model_version": "masklet", "result": [_region(found) for found in picture.visible]}
    if scores := [found.score for found in picture.visible if found.score is not None]:
        prediction["score"] = sum(scores) / len(scores)  # tasks can be sorted by it
    return {"data": data, "predictions": [prediction]}


def _region(found: ObjectMask) -> dict[str, Any]:
    height, width = found.rle["size"]
    region = {
        "id": f"object-{found.id}",
        "type": "brushlabels",
        "from_name": LABEL_TAG,
        "to_name": IMAGE_TAG,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {"format": "rle", "rle": list(encode_brush_rle(found.mask)), "brushlabels": [found.label]},
    }
    return region if found.score is None else region | {"score": float(found.score)}


def read_label_studio(path: Path) -> Iterator[AnnotatedPicture]:
    """The pictures in label_studio.json, or in what Label Studio exports as JSON.

    Of a task, its last annotation that was not cancelled counts, or else its last prediction; of those, the regions
    drawn with a labelled brush. Regions of masklet's keep the object's id, others are numbered after them. A picture
    that has no region and of which the file does not say how large it is, is left out. ValueError, naming the file and
    the task, for what cannot be read; FileNotFoundError.
    """
    file = single_file(path, TASKS)
    for index, task in enumerate(read_json_list(file)):
        with naming(f"{file}, task {index}"):
            picture = _picture(task)
        if picture is not None:
            yield picture


def _picture(task: dict[str, Any]) -> AnnotatedPicture | None:
    data = task["data"]
    drawn = [annotation for annotation in task.get("annotations") or [] if not annotation.get("was_cancelled")]
    # A snapshot may have the numbers of predictions in their place.
    predicted = [prediction for prediction in task.get("predictions") or [] if isinstance(prediction, dict)]
    sources = drawn or predicted
    regions = [region for region in sources[-1]["result"] if region.get("type") == "brushlabels"] if sources else []
    if regions:
        size = picture_size(regions[0]["original_height"], regions[0]["original_width"])
    elif "height" in data and "width" in data:
        size = picture_size(data["height"], data["width"])
    else:
        return None
    matches = [REGION_ID.fullmatch(str(region.get("id"))) for region in regions]
    ids = number_objects([int(match[1]) if match else None for match in matches])
    return AnnotatedPicture(
        name=picture_name(_name(data["image"])),
        height=size[0],
        width=size[1],
        objects=tuple(_object(region, size, id_) for region, id_ in zip(regions, ids, strict=True)),
        frame_index=data.get("frame_index"),
    )


def _name(address: str) -> str:
    """The picture's file name: what is behind the address of a server, a bucket or Label Studio's local storage."""
    if "://" not in address and not address.startswith("/"):
        return address
    parts = urlsplit(address)
    return parse_qs(parts.query).get("d", [unquote(parts.path)])[0].lstrip("/")


def _object(region: dict[str, Any], size: tuple[int, int], id_: int) -> ObjectMask:
    with naming(f"region {region.get('id')}"):
        value = region["value"]
        mask = decode_brush_rle(value["rle"], size)
        return ObjectMask.of_mask(mask, id_, label=one_line(value["brushlabels"][0]), score=region.get("score"))
