"""Masks as COCO JSON, which most labelling and training tools read."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from masklet.ops.boxes import masks_to_boxes
from masklet.ops.rle import encode_rle, rle_area

OBJECT_CATEGORY = {"id": 1, "name": "object", "supercategory": "object"}
"""The one category: SAM 2 tells objects apart, not what they are."""


def coco_records(
    image_file: str | Path,
    image_id: int,
    masks: np.ndarray,
    scores: Sequence[int | float] | np.ndarray,
    first_id: int = 1,
) -> dict[str, Any]:
    """A COCO file's contents for one image: `images`, `annotations` and `categories`.

    masks: boolean (M, H, W). scores: predicted IoU of each, kept in the annotation's `score`. Annotations are numbered
    from `first_id`, which must be positive (evaluators take 0 for "no match"); empty masks are left out. Boxes are
    XYWH in pixels, a box of one pixel being 1 wide.
    """
    if masks.ndim != 3 or masks.dtype != np.bool_:
        raise ValueError(f"masks for COCO are bool (M, H, W), not {masks.dtype} {masks.shape}")
    if len(scores) != len(masks):
        raise ValueError(f"there are {len(masks)} masks and {len(scores)} scores")
    if first_id < 1:
        raise ValueError(f"COCO numbers annotations from 1, not {first_id}")
    annotations = []
    for mask, score in zip(masks, scores, strict=True):
        rle = encode_rle(mask)
        if area := rle_area(rle):
            annotations.append(
                {
                    "id": first_id + len(annotations),
                    "image_id": image_id,
                    "category_id": OBJECT_CATEGORY["id"],
                    "segmentation": rle,
                    "area": area,
                    "bbox": _xywh(mask),
                    "iscrowd": 0,
                    "score": float(score),
                }
            )
    height, width = masks.shape[1:]
    image = {"id": image_id, "file_name": Path(image_file).as_posix(), "width": width, "height": height}
    return {"images": [image], "annotations": annotations, "categories": [dict(OBJECT_CATEGORY)]}


def merge_coco(records: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """One COCO file of several images' records. ValueError if two images, or two annotations, have the same id."""
    merged: dict[str, Any] = {"images": [], "annotations": [], "categories": [dict(OBJECT_CATEGORY)]}
    for record in records:
        merged["images"] += record["images"]
        merged["annotations"] += record["annotations"]
    for kind in ("images", "annotations"):
        ids = [entry["id"] for entry in merged[kind]]
        if len(set(ids)) < len(ids):
            repeated = next(id_ for index, id_ in enumerate(ids) if id_ in ids[:index])
            raise ValueError(f"two {kind} have the id {repeated}: number them apart with image_id and first_id")
    return merged


def _xywh(mask: np.ndarray) -> list[float]:
    left, top, right, bottom = masks_to_boxes(torch.tensor(mask)).tolist()
    return [float(left), float(top), float(right - left + 1), float(bottom - top + 1)]
