"""Still pictures as clips: what all formats of masks share. Which pictures are taken, and which objects of one.

A clip of several frames repeats the picture, as upstream's SA-1B loader does: a video in which nothing moves before the
transforms. Masks are made one by one until a clip has enough, so that of a hundred only the chosen cost time.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

import cv2
import numpy as np
from jaxtyping import Bool
from PIL import Image

from masklet.datasets.layout import name_some, read_names
from masklet.io.images import read_image_reduced
from masklet.training.data.geometry import HALF
from masklet.training.data.split import Part, check_part, names_in_part
from masklet.training.samples import Clip

Item = TypeVar("Item")
MaskReader: TypeAlias = Callable[[], Bool[np.ndarray, "H W"]]


@dataclass(frozen=True, kw_only=True)
class PictureConfig:
    """Which pictures and objects are taken; formats add where they lie."""

    num_frames: int = 1
    """Frames of a clip, all alike."""
    max_objects: int = 8
    """Objects of a clip, drawn at random where there are more."""
    min_area: float = 0.0
    """Smallest object, as a share of the picture; empty ones never count."""
    max_area: float = 1.0
    """Largest object, as a share of the picture."""
    read_size: int | None = None
    """JPEGs are read at a half, a quarter or an eighth where both sides stay this long, which is quicker; None: never.
    Set to the model's image size it loses nothing, unless small parts are cropped out."""
    include: Path | None = None
    """A text file with the names of the pictures to take, one a line, with or without extension; None: all."""
    exclude: Path | None = None
    """A text file with the names of pictures to leave out."""
    held_out: float = 0.0
    """Share of the pictures, 0 to 1, that is kept for validation."""
    part: Part = "train"
    """Whether to take the held-out pictures or the others."""

    def __post_init__(self) -> None:
        for name in ("num_frames", "max_objects"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but it must be at least 1")
        if not 0 <= self.min_area <= self.max_area <= 1:
            raise ValueError(
                f"min_area and max_area are {self.min_area} and {self.max_area}, but they must be shares of the "
                "picture, 0 to 1, the smaller first"
            )
        if self.read_size is not None and self.read_size < 1:
            raise ValueError(f"read_size is {self.read_size}, but it must be at least 1 pixel")
        check_part(self.held_out, self.part)

    def take(self, names: Sequence[str], source: Path) -> list[int]:
        """Indices of the pictures to take, of all in `source` by their names without extension.

        ValueError for a list with a name that `source` has not, and where no picture is left.
        """
        if not names:
            raise ValueError(f"{source} has no pictures with masks")
        chosen = self._listed(self.include, names, source) if self.include else set(names)
        if self.exclude:
            chosen -= self._listed(self.exclude, names, source)
        inside = names_in_part(chosen, self.held_out, self.part)
        taken = [index for index, name in enumerate(names) if name in inside]
        if not taken:
            raise ValueError(
                f"of the {len(names)} pictures of {source} none is left "
                f"{'to hold out' if self.part == 'held_out' else 'to learn from'}: held_out is {self.held_out}, and "
                "lists of what to include and exclude count too"
            )
        return taken

    @staticmethod
    def _listed(file: Path, names: Sequence[str], source: Path) -> set[str]:
        listed = {_without_extension(name) for name in read_names(file, "picture")}
        if unknown := sorted(listed.difference(names)):
            raise ValueError(f"{file} names pictures that {source} has not: {name_some(unknown)}")
        return listed


class PictureClips(ABC, Generic[Item]):
    """Clips of pictures, as a `ClipSource`; an item is a picture, whatever a format needs to find it and its masks.

    items: all that `source` has; names: theirs, without extension.
    """

    def __init__(self, items: Sequence[Item], names: Sequence[str], source: Path, config: PictureConfig) -> None:
        self._config = config
        self._items = [items[index] for index in config.take(names, source)]

    @abstractmethod
    def locate(self, item: Item) -> tuple[Path, Path]:
        """The file of a picture, and the file or folder of its masks."""

    @abstractmethod
    def open(self, item: Item, size: tuple[int, int]) -> Sequence[MaskReader]:
        """What reads or makes each mask of a picture of (height, width)."""

    def __len__(self) -> int:
        return len(self._items)

    def draw(self, index: int, rng: np.random.Generator) -> Clip:
        """A clip of the picture of an item. FileNotFoundError and ValueError name the file that cannot be used."""
        item = self._items[index]
        path, source = self.locate(item)
        pixels, size = read_image_reduced(path, self._config.read_size)
        chosen = self._choose(self.open(item, size), size, (path, source), rng)
        if pixels.shape[:2] != size:
            chosen = [_shrink(mask, pixels.shape[:2]) for mask in chosen]
        masks = np.stack(chosen)
        num_frames = self._config.num_frames
        return Clip(
            frames=np.broadcast_to(pixels, (num_frames, *pixels.shape)),
            masks=np.broadcast_to(masks, (num_frames, *masks.shape)),
        )

    def _choose(
        self, readers: Sequence[MaskReader], size: tuple[int, int], files: tuple[Path, Path], rng: np.random.Generator
    ) -> list[np.ndarray]:
        """Masks of random objects, up to the number of a clip, none empty or of another size than is wanted."""
        config, chosen = self._config, []
        for index in rng.permutation(len(readers)):
            mask = readers[index]()
            if mask.shape != size:
                raise ValueError(
                    f"{files[1]} has a mask of {mask.shape[1]} x {mask.shape[0]} pixels, but {files[0]} is {size[1]} x "
                    f"{size[0]}: masks and pictures must be of one size, as seen upright"
                )
            area = np.count_nonzero(mask) / mask.size
            if area > 0 and config.min_area <= area <= config.max_area:
                chosen.append(mask)
            if len(chosen) == config.max_objects:
                break
        if not chosen:
            raise ValueError(
                f"{files[1]} has no object to learn from: of {len(readers)} none is of {config.min_area:.2%} to "
                f"{config.max_area:.2%} of {files[0]}. Leave the picture out by a list to exclude, or allow other areas"
            )
        return chosen


def _shrink(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The mask at a smaller (height, width): where half of a pixel is inside; where most is, if it is half nowhere."""
    coverage = cv2.resize(mask.view(np.uint8) * np.uint8(255), size[::-1], interpolation=cv2.INTER_AREA)
    return coverage >= min(HALF, int(coverage.max()))


def _without_extension(name: str) -> str:
    path = Path(name)
    is_picture = path.suffix.lower() in Image.registered_extensions()
    return path.stem if is_picture else path.name
