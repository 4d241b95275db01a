"""Objects as `supervision.Detections`, which Roboflow's tools draw, count, filter and save; and back.

The package supervision is imported when it is needed: `pip install 'masklet[export]'`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from masklet.io.formats.picture import DEFAULT_LABEL, AnnotatedPicture, ObjectMask
from masklet.ops.mask_record import MaskRecord
from masklet.ops.rle import RLE, decode_rle, encode_rle, rle_area, rle_box
from masklet.types import FrameMasks

if TYPE_CHECKING:
    from supervision import Detections

CLASS_NAME = "class_name"
"""Where supervision's own readers and drawers have the labels."""

Objects = AnnotatedPicture | FrameMasks | Sequence[ObjectMask] | Sequence[MaskRecord]


class _Found(NamedTuple):
    """What is common to an object, a record, and an object of a frame, whose id may be 0."""

    rle: RLE
    id: int | None
    label: str
    score: float | None


def to_detections(objects: Objects) -> "Detections":
    """The objects of a picture, of a video's frame, or found by a mask generator. Those without a pixel are left out.

    xyxy: edges of the boxes in pixels, float32: right less left is the width. mask: bool (N, H, W). confidence: the
    scores, or None unless all have one. class_id: the label's place among those of these objects, sorted;
    data["class_name"]: the labels. tracker_id: the objects' ids, None for what a mask generator found, which has none.
    ImportError, naming what to install, without supervision.
    """
    detections = _detections_class()
    listed = [found for found in _listed(objects) if rle_area(found.rle)]
    if not listed:
        return detections.empty()
    boxes = np.array([rle_box(found.rle) for found in listed], np.float32)
    boxes[:, 2:] += boxes[:, :2]
    scores = [found.score for found in listed if found.score is not None]
    ids = [found.id for found in listed if found.id is not None]
    labels = np.array([found.label for found in listed])
    return detections(
        xyxy=boxes,
        mask=np.stack([decode_rle(found.rle) for found in listed]),
        confidence=np.array(scores, np.float32) if len(scores) == len(listed) else None,
        class_id=np.unique(labels, return_inverse=True)[1],
        tracker_id=np.array(ids) if len(ids) == len(listed) else None,
        data={CLASS_NAME: labels},
    )


def from_detections(detections: "Detections", size: tuple[int, int]) -> tuple[ObjectMask, ...]:
    """The objects of a picture of (height, width).

    Ids are the tracker's, or else numbers from 1. Labels are data["class_name"], or "class 3" where there are class
    numbers alone, or "object". Scores are the confidence. ValueError for detections without masks, masks of another
    size, and ids that are not numbers from 1, each of one object.
    """
    if len(detections) == 0:
        return ()
    if detections.mask is None:
        raise ValueError("these detections are boxes alone: only detections with masks become objects")
    masks = np.asarray(detections.mask, bool)
    if masks.shape[1:] != size:
        raise ValueError(f"the detections' masks have height and width {masks.shape[1:]}, but the picture's are {size}")
    ids = range(1, len(detections) + 1) if detections.tracker_id is None else detections.tracker_id.tolist()
    scores = [None] * len(detections) if detections.confidence is None else detections.confidence.tolist()
    objects = tuple(
        ObjectMask.of_mask(mask, id_, label=label, score=score)
        for mask, id_, label, score in zip(masks, ids, _labels(detections), scores, strict=True)
    )
    AnnotatedPicture(name="detections", height=size[0], width=size[1], objects=objects)  # no id may be there twice
    return objects


def _listed(objects: Objects) -> list[_Found]:
    if isinstance(objects, FrameMasks):
        return [
            _Found(encode_rle(mask), id_, DEFAULT_LABEL, objects.scores[id_]) for id_, mask in objects.masks.items()
        ]
    return [
        _Found(found.rle, None, DEFAULT_LABEL, found.predicted_iou)
        if isinstance(found, MaskRecord)
        else _Found(found.rle, found.id, found.label, found.score)
        for found in (objects.objects if isinstance(objects, AnnotatedPicture) else objects)
    ]


def _labels(detections: "Detections") -> list[str]:
    if CLASS_NAME in detections.data:
        return [str(label) for label in detections.data[CLASS_NAME]]
    if detections.class_id is not None:
        return [f"class {number}" for number in detections.class_id.tolist()]
    return [DEFAULT_LABEL] * len(detections)


def _detections_class() -> Any:
    try:
        from supervision import Detections
    except ImportError as error:
        raise ImportError("detections need supervision: pip install 'masklet[export]'") from error
    return Detections
