"""Regions of pictures: what data sets of still images have annotated, in COCO's files or in others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from masklet.io.formats.coco_file import to_mask
from masklet.io.formats.reading import naming


@dataclass(frozen=True, kw_only=True)
class Region:
    """One annotated object or part: what the data set calls it, and its mask (H, W)."""

    name: str
    mask: Bool[np.ndarray, "H W"]


def read_regions(annotations: Sequence[Mapping[str, Any]], size: tuple[int, int] | None, source: Path) -> list[Region]:
    """Regions of annotations as COCO has them. size: the picture's (height, width), which polygons need."""
    regions = []
    for index, annotation in enumerate(annotations):
        name = str(annotation.get("id", index))
        with naming(f"annotation {name} of {source}"):
            regions.append(Region(name=name, mask=to_mask(annotation["segmentation"], size)))
    return regions
