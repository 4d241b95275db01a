"""The masks of one video's frames, as data sets and results keep them: read when they are asked for.

Two layouts: a label map a frame (DAVIS, MOSE, YouTube-VOS, LVOS), or a folder an object with a black and white picture
a frame (SA-V). A frame is called by its file's name without extension.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Bool

from masklet.io.decode import open_picture
from masklet.io.images import natural_key
from masklet.io.label_maps import find_values, read_labels

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
        self.frames = _frames_in(self.folder)
        if not self.frames:
            raise ValueError(f"{folder} has no masks in it: a PNG a frame was expected")

    def path(self, frame: str) -> Path:
        """The frame's label map."""
        return self.folder / f"{frame}.png"

    def read(self, frame: str) -> Masks:
        """A frame's masks; those in the picture alone."""
        labels = read_labels(self.path(frame))
        if self.binary:
            return {1: labels > 0} if labels.any() else {}
        return {id_: labels == id_ for id_ in find_values(labels) if id_ != 0}

    def size(self, frame: str) -> tuple[int, int]:
        """(height, width) of a frame's label map, which an empty one has too."""
        width, height = open_picture(self.path(frame)).size
        return height, width


class ObjectFolders:
    """A folder an object, named by its id, with a picture a frame: any value but 0 is the object.

    Objects may have pictures of different frames. ValueError for two folders of one id, and for a picture with more
    than two values, which is a label map.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.objects: dict[int, Path] = {}
        for child in object_folders(self.folder):
            twin = self.objects.setdefault(int(child.name), child)
            if twin != child:
                raise ValueError(
                    f"{twin} and {child} are folders of one object, since both names are {int(child.name)}"
                )
        if not self.objects:
            raise ValueError(f"{folder} has no folders of objects in it, like {folder}/000")
        self.object_frames = {id_: _frames_in(child) for id_, child in self.objects.items()}
        frames = {frame for own in self.object_frames.values() for frame in own}
        if not frames:
            raise ValueError(f"{folder} has no masks in it: a PNG for each object and frame was expected")
        self.frames = tuple(sorted(frames, key=lambda frame: natural_key(Path(frame))))

    def path(self, frame: str) -> Path:
        """The folder of all objects."""
        return self.folder

    def object_path(self, id_: int, frame: str) -> Path:
        """One object's picture of a frame, whether or not it is there."""
        return self.objects.get(id_, self.folder / f"{id_:03d}") / f"{frame}.png"

    def read(self, frame: str) -> Masks:
        """A frame's masks, empty ones too, of all objects that have a picture of it."""
        masks = {}
        for id_ in self.objects:
            file = self.object_path(id_, frame)
            if not file.exists():
                continue
            labels = read_labels(file)
            values = find_values(labels)
            if len(values) > 2:
                raise ValueError(f"{file} holds {len(values)} values, but the mask of one object has two")
            masks[id_] = labels > 0
        if not masks:
            raise FileNotFoundError(f"{self.folder} has no mask of frame {frame}, of no object")
        return masks


def read_masks(annotations: Annotations, frame: str, size: tuple[int, int]) -> Masks:
    """A frame's masks. ValueError, naming the file, for one that has not the (height, width) of the video."""
    masks = annotations.read(frame)
    for mask in masks.values():
        if mask.shape != size:
            raise ValueError(
                f"{annotations.path(frame)} is {mask.shape[1]} x {mask.shape[0]} pixels in frame {frame}, but its "
                f"video is {size[1]} x {size[0]}: masks and pictures must be of one size"
            )
    return masks


def _frames_in(folder: Path) -> tuple[str, ...]:
    return tuple(file.stem for file in sorted(folder.glob("*.png"), key=natural_key))


def object_folders(folder: Path) -> list[Path]:
    """The folders in a folder whose names are object ids."""
    return sorted((child for child in folder.iterdir() if child.name.isdecimal() and child.is_dir()), key=natural_key)


def open_annotations(folder: str | Path) -> LabelMaps | ObjectFolders:
    """A folder of masks, in either layout. FileNotFoundError; ValueError where it has neither, or both."""
    path = Path(folder)
    if not path.is_dir():
        raise FileNotFoundError(f"there is no folder {path} of masks")
    maps, folders = sorted(path.glob("*.png"), key=natural_key), object_folders(path)
    if maps and folders:
        raise ValueError(f"{path} has both label maps, like {maps[0].name}, and folders of objects, like {folders[0]}")
    if maps:
        return LabelMaps(path)
    if folders:
        return ObjectFolders(path)
    raise ValueError(f"{path} has neither PNGs nor folders named by object ids in it")
