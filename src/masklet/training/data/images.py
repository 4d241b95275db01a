"""Pictures with masks in the formats that are learned from: a folder of one's own, COCO's and SA-1B's.

They are read as `masklet.datasets` reads them for evaluation. Opening a source reads no picture and no mask; that of
COCO reads the annotation file, as it is one JSON value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np

from masklet.datasets.image_data import find_beside, find_picture, read_sa1b_annotations
from masklet.datasets.layout import name_some, require_folder
from masklet.datasets.mask_files import MaskedPicture, MaskObjects, open_masks, pair_masks
from masklet.datasets.regions import read_regions
from masklet.io.formats.coco_file import CocoFile
from masklet.io.images import natural_key
from masklet.training.data.pictures import MaskReader, PictureClips, PictureConfig


@dataclass(frozen=True, kw_only=True)
class ImageFolderConfig(PictureConfig):
    """A folder of pictures and a folder of their masks, of the same names; see `masklet.datasets.mask_files`."""

    images: Path
    masks: Path
    """Has a mask NAME.png for each picture, or a folder NAME with a mask for each object. May be `images` itself, if
    masks have a suffix."""
    mask_suffix: str = ""
    """What the names of masks have after that of the picture, such as _mask."""
    objects: MaskObjects = "labels"
    """What the objects of a mask's file are. labels: each value but 0, so a black and white mask is one object; one:
    all that is not black; components: each connected part of that. In a folder of masks each file is one object."""
    ignore_value: int | None = None
    """A label that is no object, such as 255 for what was not annotated."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.objects not in get_args(MaskObjects):
            raise ValueError(f"objects is {self.objects!r}, but the choices are {', '.join(get_args(MaskObjects))}")
        if self.ignore_value is not None and self.objects != "labels":
            raise ValueError(
                f"ignore_value is of labels, but objects is {self.objects!r}, which has none: leave it out"
            )


class ImageFolder(PictureClips[MaskedPicture]):
    """Clips of a folder's pictures. FileNotFoundError and ValueError name what is missing, or does not fit together."""

    def __init__(self, config: ImageFolderConfig) -> None:
        require_folder(config.images, "pictures")
        require_folder(config.masks, "masks")
        pairs = pair_masks(config.images, config.masks, config.mask_suffix)
        super().__init__(pairs, [pair.path.stem for pair in pairs], config.images, config)
        self._folder = config
        missing = [pair.masks.name for pair in self._items if not pair.masks.exists()]
        if missing:
            raise FileNotFoundError(
                f"{config.masks} lacks the masks of {len(missing)} of {len(self)} pictures: {name_some(missing)}. Add "
                "them, or leave the pictures out by a list to exclude"
            )

    def locate(self, item: MaskedPicture) -> tuple[Path, Path]:
        """The picture, and its masks' file or folder."""
        return item.path, item.masks

    def open(self, item: MaskedPicture, size: tuple[int, int]) -> Sequence[MaskReader]:
        """Reads the masks' file; of a folder, each file when it is asked for."""
        return list(open_masks(item.masks, self._folder.objects, self._folder.ignore_value).values())


@dataclass(frozen=True, kw_only=True)
class CocoImagesConfig(PictureConfig):
    """A COCO annotation file, LVIS's too, and the folder of its pictures. Crowds are left out."""

    annotation_file: Path
    images: Path
    categories: tuple[str, ...] = ()
    """Names of the categories to take; none: all."""


class CocoImages(PictureClips[int]):
    """Clips of the pictures that have annotations. FileNotFoundError and ValueError name what is missing or wrong."""

    def __init__(self, config: CocoImagesConfig) -> None:
        self._folder = require_folder(config.images, "pictures")
        self._coco = CocoFile(config.annotation_file)
        self._categories = _find_categories(self._coco, config.categories)
        ids = [id_ for id_ in self._coco.annotated if self._annotations(id_)]
        names = [Path(self._coco.file_name(id_)).stem for id_ in ids]
        super().__init__(ids, names, config.annotation_file, config)
        first, _ = self.locate(self._items[0])
        if not first.is_file():
            raise FileNotFoundError(f"there is no picture {first}, which {config.annotation_file} annotates")

    def _annotations(self, image_id: int) -> list[dict[str, Any]]:
        annotations = self._coco.annotations(image_id)
        if self._categories is None:
            return annotations
        return [annotation for annotation in annotations if annotation.get("category_id") in self._categories]

    def locate(self, item: int) -> tuple[Path, Path]:
        """The picture, in the folder or under the last part of its name, and the annotation file."""
        return find_picture(self._coco.file_name(item), [self._folder]), self._coco.path

    def open(self, item: int, size: tuple[int, int]) -> Sequence[MaskReader]:
        """Each mask is made when it is asked for."""
        size = self._coco.size(item) or size
        return [partial(_make_mask, annotation, size, self._coco.path) for annotation in self._annotations(item)]


@dataclass(frozen=True, kw_only=True)
class Sa1bImagesConfig(PictureConfig):
    """A folder of SA-1B: sa_1.jpg beside sa_1.json, also in folders in it. Its masks were drawn by a model.

    Upstream's `mask_area_frac_thresh` is `max_area` here, and its `uncertain_iou` is `min_predicted_iou`.
    """

    folder: Path
    min_predicted_iou: float = 0.0
    """Least IoU that the model gave its mask, 0..1."""
    min_stability: float = 0.0
    """Least stability score of a mask, 0..1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("min_predicted_iou", "min_stability"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but it must be from 0 to 1")


class Sa1bImages(PictureClips[Path]):
    """Clips of SA-1B's pictures. FileNotFoundError and ValueError name what is missing or wrong."""

    def __init__(self, config: Sa1bImagesConfig) -> None:
        files = sorted(
            require_folder(config.folder, "pictures and JSON files of SA-1B").rglob("*.json"), key=natural_key
        )
        super().__init__(files, [file.stem for file in files], config.folder, config)
        self._least = {"predicted_iou": config.min_predicted_iou, "stability_score": config.min_stability}

    def locate(self, item: Path) -> tuple[Path, Path]:
        """The picture beside the JSON file, and that file."""
        return find_beside(item), item

    def open(self, item: Path, size: tuple[int, int]) -> Sequence[MaskReader]:
        """Reads the file; each mask that is sure enough is made when it is asked for."""
        return [
            partial(_make_mask, annotation, size, item)
            for annotation in read_sa1b_annotations(item)
            if all(_score(annotation, key, item) >= least for key, least in self._least.items() if least > 0)
        ]


def _score(annotation: Mapping[str, Any], key: str, file: Path) -> float:
    score = annotation.get(key)
    if not isinstance(score, int | float):
        raise ValueError(f"{file} has an annotation without a number {key!r}, by which masks are to be chosen")
    return score


def _make_mask(annotation: Mapping[str, Any], size: tuple[int, int], file: Path) -> np.ndarray:
    (region,) = read_regions([annotation], size, file)
    return region.mask


def _find_categories(coco: CocoFile, names: Sequence[str]) -> set[int] | None:
    """The ids of categories by name; None where none is named. ValueError for one that the file has not."""
    known = list(coco.categories.values())
    for name in names:
        if name not in known:
            near = get_close_matches(name, known)
            hint = f" (did you mean {' or '.join(near)}?)" if near else ""
            there = f"it has {name_some(known)}" if known else "it names none"
            raise ValueError(f"{coco.path} has no category {name!r}{hint}: {there}")
    return {id_ for id_, name in coco.categories.items() if name in names} if names else None
