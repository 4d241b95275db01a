"""The masks of one video's frames, as data sets and results keep them: read when they are asked for.

Two layouts: a label map a frame (DAVIS, MOSE, YouTube-VOS, LVOS), or a folder an object with a black and white picture
a frame (SA-V). A frame is called by its file's name without extension.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Bool

from masklet.evaluation.label_maps import read_labels
from masklet.io.images import natural_key

Masks = dict[int, Bool[np.ndarray, "H W"]]
"""By object id. An object that is known and not in the picture may have an empty mask or none."""


class Annotations(Protocol):
    """Masks of some or all frames of a video."""

    @property
    def frames(self) -> tuple[str, ...]:
        """The frames that have masks, in order."""
        ...

    def read(self, frame: str) -> Masks:
        """A frame's masks. ValueError or FileNotFoundError names the file that is wrong."""
        ...

    def path(self, frame: str) -> Path:
        """The file or folder to name where something is wrong with a frame's masks."""
        ...


class LabelMaps:
    """A folder with a label map a frame. binary: all that is not 0 is object 1, as DAVIS 2016 has it."""

    def __init__(self, folder: str | Path, *, binary: bool = False) -> None:
        self.folder = Path(folder)
        self.binary = binary
        files = sorted(self.folder.glob("*.png"), key=natural_key)
        if not files:
            raise ValueError(f"{folder} has no masks in it: a PNG a frame was expected")
        self.frames = tuple(file.stem for file in files)

    def path(self, frame: str) -> Path:
        """The frame's label map."""
        return self.folder / f"{frame}.png"

    def read(self, frame: str) -> Masks:
        """A frame's masks; those in the picture alone."""
        labels = read_labels(self.path(frame))
        if self.binary:
            return {1: labels > 0} if labels.any() else {}
        return {int(id_): labels == id_ for id_ in np.unique(labels) if id_ != 0}


class ObjectFolders:
    """A folder an object, named by its id, with a picture a frame: any value but 0 is the object.

    ValueError for a picture with more than two values, which is a label map, and where an object has no picture of a
    frame that another has.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.objects = {int(child.name): child for child in object_folders(self.folder)}
        if not self.objects:
            raise ValueError(f"{folder} has no folders of objects in it, like {folder}/000")
        files = {file.stem: file for child in self.objects.values() for file in child.glob("*.png")}
        if not files:
            raise ValueError(f"{folder} has no masks in it: a PNG for each object and frame was expected")
        self.frames = tuple(sorted(files, key=lambda name: natural_key(files[name])))

    def path(self, frame: str) -> Path:
        """The folder of all objects."""
        return self.folder

    def read(self, frame: str) -> Masks:
        """A frame's masks of all objects, empty ones too."""
        masks = {}
        for id_, child in self.objects.items():
            file = child / f"{frame}.png"
            if not file.exists():
                raise FileNotFoundError(f"{file} is missing, though other objects have a mask of frame {frame}")
            values = read_labels(file)
            if len(np.unique(values)) > 2:
                raise ValueError(f"{file} holds {len(np.unique(values))} values, but the mask of one object has two")
            masks[id_] = values > 0
        return masks


def object_folders(folder: Path) -> list[Path]:
    """The folders in a folder whose names are object ids."""
    return sorted((child for child in folder.iterdir() if child.is_dir() and child.name.isdigit()), key=natural_key)


def open_annotations(folder: str | Path) -> LabelMaps | ObjectFolders:
    """A folder of masks, in either layout. FileNotFoundError; ValueError where it has neither."""
    path = Path(folder)
    if not path.is_dir():
        raise FileNotFoundError(f"there is no folder {path} of masks")
    if any(path.glob("*.png")):
        return LabelMaps(path)
    if object_folders(path):
        return ObjectFolders(path)
    raise ValueError(f"{path} has neither PNGs nor folders named by object ids in it")
