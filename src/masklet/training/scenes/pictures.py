"""The prepared pictures that scenes are made of: cut-outs, and views of photographs with their regions.

They are memory-mapped, so that processes share them, and opened anew in a process that they are handed to.
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from masklet.training.checks import check_probabilities
from masklet.training.scenes.augment import AugmentConfig, tone_table
from masklet.training.scenes.colours import times_alpha
from masklet.training.scenes.parts import find_parts, prepared_folder
from masklet.training.scenes.shapes import largest_piece, random_blob
from masklet.training.scenes.sources import DEFAULT_ROOT

MAX_TRIES = 1000
"""Scenes that are drawn at most until one has an object that counts; nearly always the first has."""

MOST_OBJECTS = 200
"""Layers of a scene are numbered in a byte."""

BLOB_SIDE = 160
"""Of made-up cut-outs, in pixels."""

VIEW_ARRAYS = ("rgb", "labels", "members", "scores")
"""What is known of views, a file `views_{name}.npy` each; `masklet.training.scenes.parts` says what is in them."""


@dataclass(frozen=True, kw_only=True)
class PicturesConfig:
    """What all scenes have in common. Weights are relative, probabilities 0..1, areas and sides shares of the image."""

    root: Path = DEFAULT_ROOT
    """Folder that `python -m masklet.training.scenes.prepare` filled."""
    image_size: int = 256
    nominal_length: int = 10_000
    """How many scenes count as one pass; each is made anew, so there is no end of them."""
    max_masks: int = 16
    """Masks of a scene at most."""
    min_mask_area: float = 0.003
    max_mask_area: float = 0.6
    kind_weights: tuple[float, ...] = (0.62, 0.07, 0.09, 0.05, 0.17)
    """Of cut-outs: photographed ones, drawings, clip art, emoji, rendered emoji."""
    blob_probability: float = 0.12
    """Of a made-up shape in the place of a cut-out."""
    max_objects: int = 8
    """Cut-outs of a scene at most."""
    min_object_side: float = 0.12
    max_object_side: float = 0.95
    min_crop: float = 0.55
    """Least share of a view's side that a scene shows."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        check_probabilities(self)
        if self.image_size < 32:
            raise ValueError(f"image_size must be at least 32, got {self.image_size}")
        for name in ("nominal_length", "max_masks"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if not 0 <= self.max_objects <= MOST_OBJECTS:
            raise ValueError(f"max_objects must be 0 to {MOST_OBJECTS}, got {self.max_objects}")
        for low, high in (("min_mask_area", "max_mask_area"), ("min_object_side", "max_object_side")):
            if not 0.0 < getattr(self, low) < getattr(self, high) <= 1.0:
                values = f"{getattr(self, low)} and {getattr(self, high)}"
                raise ValueError(f"{low} and {high} must be shares with 0 < {low} < {high} <= 1, got {values}")
        if not 0.0 < self.min_crop <= 1.0:
            raise ValueError(f"min_crop must be a share, above 0 and at most 1, got {self.min_crop}")
        if min(self.kind_weights, default=0) < 0 or sum(self.kind_weights) <= 0:
            raise ValueError(f"kind_weights must be 0 or more and not all 0, got {self.kind_weights}")


def nothing_to_learn(config: PicturesConfig) -> ValueError:
    """The error for pictures and settings that give no object that counts."""
    return ValueError(
        f"none of {MAX_TRIES} scenes had an object that covers {config.min_mask_area} to {config.max_mask_area} of it: "
        f"max_objects is {config.max_objects}, and the photographs in {config.root} may have no regions"
    )


@dataclass(frozen=True)
class Crop:
    """A piece of a view: rgb (h, w, 3), and masks of some of its regions, best first, each in one piece."""

    rgb: UInt8[np.ndarray, "H W 3"]
    regions: list[Bool[np.ndarray, "H W"]]


@dataclass(frozen=True)
class Window:
    """What of a view is shown, in its pixels."""

    left: int
    top: int
    width: int
    height: int
    flip: bool


class Pictures:
    """The pictures under `config.root`. ValueError where nothing was prepared."""

    def __init__(self, config: PicturesConfig) -> None:
        self.config = config
        root = Path(config.root)
        self._views = [_open_views(part) for part in find_parts(root, "views_scores.npy")]
        if not self._views:
            raise ValueError(
                f"{prepared_folder(root)} holds no prepared photographs: run `python -m masklet.training.scenes."
                f"prepare --root {root}`, or with --photographs and a folder of your own"
            )
        self._cutouts = [_open_cutouts(part) for part in find_parts(root, "cutouts_index.npy")]
        self._first_view = np.cumsum([0, *(len(views["scores"]) for views in self._views)])
        scores = np.concatenate([views["scores"].max(1) for views in self._views])
        self._segmented = np.nonzero(scores > 0)[0]

    def __reduce__(self) -> tuple[type["Pictures"], tuple[PicturesConfig]]:
        return Pictures, (self.config,)

    @property
    def view_size(self) -> int:
        """Side of the views in pixels."""
        return self._views[0]["rgb"].shape[1]

    @cached_property
    def _index(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows (part, offset, height, width) of all cut-outs, and the running sum of their weights, which ends at 1."""
        rows = [np.insert(index, 0, part, axis=1) for part, (_, index) in enumerate(self._cutouts)]
        index = np.concatenate(rows) if rows else np.zeros((0, 5), np.int64)
        weights = np.array(self.config.kind_weights)
        counts = np.bincount(index[:, 4], minlength=len(weights)).clip(1)
        if len(counts) > len(weights):
            raise ValueError(f"kind_weights has {len(weights)} weights, but there are {len(counts)} kinds of cut-outs")
        running = np.cumsum((weights / counts)[index[:, 4]])
        return (index, running / running[-1]) if len(index) and running[-1] > 0 else (index[:0], running)

    def cutout(self, rng: np.random.Generator) -> UInt8[np.ndarray, "h w 4"]:
        """A random cut-out, kinds by weight, or a blob filled with a texture. Colours are multiplied by alpha."""
        index, running = self._index
        if len(index) and rng.random() >= self.config.blob_probability:
            part, offset, height, width, _ = index[min(int(np.searchsorted(running, rng.random())), len(index) - 1)]
            return self._cutouts[part][0][offset : offset + height * width * 4].reshape(height, width, 4)
        return self.textured(random_blob(rng, BLOB_SIDE), rng)

    def textured(self, alpha: UInt8[np.ndarray, "h h"], rng: np.random.Generator) -> UInt8[np.ndarray, "h h 4"]:
        """A shape filled with a random texture."""
        return times_alpha(self.texture(rng, alpha.shape[0]), alpha)

    def texture(self, rng: np.random.Generator, size: int) -> UInt8[np.ndarray, "size size 3"]:
        """A square of a photograph with its colours changed; small crops are more uniform."""
        rgb = self._view(self._random_view(rng, segmented=True), "rgb")
        side = int(rgb.shape[0] * rng.uniform(0.25, 0.8))
        top, left = rng.integers(0, rgb.shape[0] - side + 1, 2)
        crop = np.ascontiguousarray(rgb[top : top + side, left : left + side])
        return cv2.LUT(cv2.resize(crop, (size, size)), tone_table(rng, self.config.augment))

    def crop(self, rng: np.random.Generator, window: Window, size: tuple[int, int], max_regions: int) -> Crop:
        """A window of a random view at a size (width, height), and up to `max_regions` of its regions by score."""
        view = self._random_view(rng, segmented=rng.random() < 0.9)
        rows, columns = (
            slice(window.top, window.top + window.height),
            slice(window.left, window.left + window.width),
        )
        rgb, labels = (self._view(view, name)[rows, columns] for name in ("rgb", "labels"))
        if window.flip:
            rgb, labels = rgb[:, ::-1], labels[:, ::-1]
        shrinks = window.width >= size[0] and window.height >= size[1]
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        rgb = cv2.resize(np.ascontiguousarray(rgb), size, interpolation=how)
        scores = np.asarray(self._view(view, "scores"), np.float64)
        count = min(max_regions, int((scores > 0).sum()))
        if not count:
            return Crop(rgb, [])
        labels = np.asarray(cv2.resize(np.ascontiguousarray(labels), size, interpolation=cv2.INTER_NEAREST), np.intp)
        # Weighted choice without replacement (Efraimidis and Spirakis, 2006).
        keys = np.where(scores > 0, np.log(rng.random(len(scores))) / np.maximum(scores, 1e-9), -np.inf)
        members = self._view(view, "members")
        return Crop(rgb, [_clean(members[region].take(labels)) for region in np.argsort(-keys)[:count]])

    def _random_view(self, rng: np.random.Generator, segmented: bool) -> int:
        """Number of a view, one with regions if `segmented` and there is any."""
        if segmented and len(self._segmented):
            return int(self._segmented[rng.integers(len(self._segmented))])
        return int(rng.integers(self._first_view[-1]))

    def _view(self, number: int, name: str) -> np.ndarray:
        part = int(np.searchsorted(self._first_view, number, "right")) - 1
        return self._views[part][name][number - self._first_view[part]]


def _open_views(folder: Path) -> dict[str, np.ndarray]:
    return {name: _map(folder / f"views_{name}.npy") for name in VIEW_ARRAYS}


def _open_cutouts(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of cut-outs, one after the other, and rows (offset, height, width, kind)."""
    return _map(folder / "cutouts.npy"), np.load(folder / "cutouts_index.npy")


def _map(file: Path) -> np.ndarray:
    """A mapped file as a plain array, which is quicker to take pieces of than NumPy's own kind for mapped files."""
    return np.asarray(np.load(file, mmap_mode="r"))


def _clean(mask: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Smooth a region's ragged border and keep its largest piece; people draw neither rags nor crumbs."""
    return largest_piece(cv2.medianBlur(mask.view(np.uint8), 5).view(bool))
