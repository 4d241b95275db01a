"""Pictures with annotated regions, to learn from and to evaluate prompts on: what there is, before any of it is read.

Four kinds, told apart by what lies in the folder:

    coco    annotations.json (or *coco*.json, *lvis*.json, or the file itself), pictures beside it or in a folder
    bsds    X.jpg beside X.npz with `segmentations` (annotators, H, W), of which the first annotator counts
    sa1b    X.jpg beside X.json with `annotations`, masks as RLE
    masks   images/X.jpg, and masks/X.png (a label map) or masks/X/*.png (a mask each); see `mask_files`

Regions of BSDS cover the whole picture, ground and specks too, so by default those of 1% to 50% of it count.
"""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from masklet.datasets.mask_files import open_masks, pair_masks
from masklet.datasets.regions import Region, read_regions
from masklet.io.files import read_json
from masklet.io.formats.coco_file import CocoFile
from masklet.io.formats.pictures import EXTENSIONS
from masklet.io.images import natural_key

ImageDataKind: TypeAlias = Literal["coco", "bsds", "sa1b", "masks"]

COCO_PATTERNS = ("annotations.json", "*coco*.json", "*lvis*.json")
BSDS_AREAS = (0.01, 0.5)


@dataclass(frozen=True, kw_only=True)
class AnnotatedImage:
    """A picture's file, and how its regions are had.

    source: the file or folder of the regions, to be named where they are wrong. read: the regions; FileNotFoundError or
    ValueError names the file that is wrong.
    """

    path: Path
    source: Path
    read: Callable[[], list[Region]]

    @property
    def name(self) -> str:
        """What reports call the picture."""
        return self.path.name


@dataclass(frozen=True, kw_only=True)
class ImageDataset:
    """Pictures, the areas that regions have by default as shares of the picture, and what was left out, in words."""

    name: str
    kind: ImageDataKind
    images: tuple[AnnotatedImage, ...]
    areas: tuple[float, float] = (0.0, 1.0)
    notes: tuple[str, ...] = ()


def open_image_dataset(
    path: str | Path, kind: ImageDataKind | None = None, *, pictures: str | Path | None = None
) -> ImageDataset:
    """The pictures of a folder, or of a COCO file.

    kind: None recognises it. pictures: folder of a COCO file's pictures; None looks beside the file, also in `images`.
    FileNotFoundError; ValueError where no kind fits, or there is nothing annotated.
    """
    root = Path(path)
    if not root.exists():
        raise FileNotFoundError(f"there is no folder or file {root}")
    if kind is None:
        kind = _recognise(root)
    if pictures is not None and kind != "coco":
        raise ValueError(f"{root} is of kind {kind!r}, whose pictures have their place: only COCO files need a folder")
    if kind == "coco":
        dataset = _open_coco(root, None if pictures is None else Path(pictures))
    else:
        if not root.is_dir():
            raise NotADirectoryError(f"{root} is a file, but data of kind {kind!r} is a folder")
        open_images = {
            "bsds": partial(_open_pairs, "*.npz", _read_bsds),
            "sa1b": partial(_open_pairs, "*.json", _read_sa1b),
            "masks": _open_masks,
        }[kind]
        areas = BSDS_AREAS if kind == "bsds" else (0.0, 1.0)
        dataset = ImageDataset(name=root.resolve().name, kind=kind, images=tuple(open_images(root)), areas=areas)
    if not dataset.images:
        raise ValueError(f"{root} has no annotated pictures of kind {kind!r}")
    return dataset


def _recognise(root: Path) -> ImageDataKind:
    if root.is_file():
        if root.suffix.lower() == ".json":
            return "coco"
        raise ValueError(f"{root} is neither a folder nor a COCO file (.json)")
    if (root / "images").is_dir() and (root / "masks").is_dir():
        return "masks"
    if any(root.glob("*.npz")):
        return "bsds"
    if _coco_files(root):
        return "coco"
    if any(root.glob("*.json")):
        return "sa1b"
    raise ValueError(
        f"{root} holds no annotated pictures that are known: looked for annotations.json (coco), X.npz beside X.jpg "
        f"(bsds), X.json beside X.jpg (sa1b), and the folders images and masks. Kinds are "
        f"{', '.join(get_args(ImageDataKind))}"
    )


def _coco_files(root: Path) -> list[Path]:
    files = {file for pattern in COCO_PATTERNS for file in root.glob(pattern)}
    return sorted(files)


def _open_coco(root: Path, pictures: Path | None) -> ImageDataset:
    file = root
    if root.is_dir():
        found = _coco_files(root)
        if len(found) != 1:
            what = f"has several: {', '.join(f.name for f in found)}" if found else f"has none of {COCO_PATTERNS}"
            raise ValueError(f"one COCO file was looked for, but {root} {what}. Name the file itself")
        file = found[0]
    if pictures is not None and not pictures.is_dir():
        raise FileNotFoundError(f"there is no folder {pictures} of pictures")
    coco = CocoFile(file)
    folders = [pictures] if pictures else [file.parent, file.parent / "images"]
    images = [
        AnnotatedImage(
            path=find_picture(coco.file_name(id_), folders), source=file, read=partial(_read_coco, coco, id_)
        )
        for id_ in coco.annotated
    ]
    notes = []
    if coco.num_crowds:
        notes.append(f"{coco.num_crowds} crowd annotations were left out")
    if empty := len(coco.images) - len(images):
        notes.append(f"{empty} pictures without annotations were left out")
    return ImageDataset(name=file.stem, kind="coco", images=tuple(images), notes=tuple(notes))


def _read_coco(coco: CocoFile, image_id: int) -> list[Region]:
    return read_regions(coco.annotations(image_id), coco.size(image_id), coco.path)


def find_picture(name: str, folders: list[Path]) -> Path:
    """The picture in one of the folders, under its whole name or the last part of it; else where it should be."""
    places = [folder / part for folder in folders for part in (name, Path(name).name)]
    return next((place for place in places if place.is_file()), places[0])


def _open_pairs(pattern: str, read: Callable[[Path], list[Region]], root: Path) -> list[AnnotatedImage]:
    """Files with the regions of a picture each, which lies beside them."""
    return [
        AnnotatedImage(path=find_beside(file), source=file, read=partial(read, file))
        for file in sorted(root.glob(pattern), key=natural_key)
    ]


def _read_bsds(file: Path) -> list[Region]:
    try:
        with file.open("rb") as stream, np.load(stream) as arrays:  # NumPy leaves a damaged file open
            labels = arrays["segmentations"]
    except (KeyError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{file} has no array `segmentations` that can be read: {error}") from error
    if labels.ndim != 3 or len(labels) == 0 or labels.dtype.kind not in "iu":
        raise ValueError(f"{file} has segmentations of {labels.dtype} {labels.shape}: whole numbers (annotators, H, W)")
    first = labels[0]
    return [Region(name=str(label), mask=first == label) for label in np.unique(first)]


def _read_sa1b(file: Path) -> list[Region]:
    return read_regions(read_sa1b_annotations(file), None, file)


def read_sa1b_annotations(file: Path) -> list[dict[str, Any]]:
    """The annotations of a picture's JSON file, as they are. FileNotFoundError; ValueError for another file."""
    annotations = read_json(file, ("annotations",))["annotations"]
    if not isinstance(annotations, list) or not all(isinstance(entry, dict) for entry in annotations):
        raise ValueError(f"{file} has no list `annotations`, as a file of SA-1B has")
    return annotations


def find_beside(file: Path) -> Path:
    """The picture of the same name in the same folder; else where a JPEG of it should be."""
    places = [file.with_suffix(extension) for extension in EXTENSIONS]
    return next((place for place in places if place.is_file()), places[0])


def _open_masks(root: Path) -> list[AnnotatedImage]:
    pairs = pair_masks(root / "images", root / "masks")
    return [AnnotatedImage(path=pair.path, source=pair.masks, read=partial(_read_masks, pair.masks)) for pair in pairs]


def _read_masks(source: Path) -> list[Region]:
    return [Region(name=name, mask=read()) for name, read in open_masks(source).items()]
