"""Pictures made on the fly, with exact masks, that teach what a click can mean.

Three recipes, chosen at random: a photograph with its own regions as masks; cut-outs pasted on a photograph, with
the masks of the visible cut-outs beside the photograph's regions; and mosaics, shapes filled with textures of
photographs, on which cut-outs may lie.
"""

import itertools
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool

from masklet.training.samples import Clip
from masklet.training.scenes.augment import Augmenter
from masklet.training.scenes.cast import random_form, random_pose
from masklet.training.scenes.compose import Canvas, cast_shadow, paste, random_look, soften, toned
from masklet.training.scenes.pictures import (
    MAX_TRIES,
    Crop,
    Pictures,
    PicturesConfig,
    Window,
    nothing_to_learn,
)
from masklet.training.scenes.shapes import largest_piece, random_partition
from masklet.training.scenes.warp import Sprite, render

MAX_UNIONS = 4
"""Unions of objects that count as objects themselves, at most."""


@dataclass(frozen=True, kw_only=True)
class ScenesConfig(PicturesConfig):
    """How often each recipe is taken, and what counts as an object."""

    region_weight: float = 0.5
    object_weight: float = 0.36
    mosaic_weight: float = 0.14
    union_probability: float = 0.25
    """Of two objects that touch to be one object together, too."""
    max_regions: int = 11
    """Regions of a photograph that count as objects at most."""
    max_regions_with_objects: int = 6
    """The same where cut-outs are pasted on it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        weights = (self.region_weight, self.object_weight, self.mosaic_weight)
        if min(weights) < 0 or sum(weights) <= 0:
            raise ValueError(f"region_weight, object_weight and mosaic_weight must be 0 or more, not all 0: {weights}")


class SyntheticScenes:
    """A `ClipSource` of single pictures, made of those under `config.root`. ValueError where nothing was prepared."""

    def __init__(self, config: ScenesConfig) -> None:
        self.config = config
        self._pictures = Pictures(config)
        self._augmenter = Augmenter(config.augment, config.image_size)

    def __len__(self) -> int:
        return self.config.nominal_length

    def __reduce__(self) -> tuple[type["SyntheticScenes"], tuple[ScenesConfig]]:
        return SyntheticScenes, (self.config,)

    def draw(self, index: int, rng: np.random.Generator) -> Clip:
        """A new picture, whatever the index; drawn again in the rare case that nothing on it has a valid mask.

        ValueError if that never ends.
        """
        config = self.config
        weights = np.cumsum([config.region_weight, config.object_weight, config.mosaic_weight])
        for _ in range(MAX_TRIES):
            kind = int(np.searchsorted(weights, rng.random() * weights[-1], "right"))
            if kind == 0:
                crop = self._photograph(rng, config.max_regions)
            elif kind == 1:
                crop = self._objects(self._photograph(rng, config.max_regions_with_objects), rng, 1)
            else:
                crop = self._objects(self._mosaic(rng), rng, 0)
            masks = self._valid(crop.regions, rng)
            if masks:
                rgb = self._augmenter.apply(self._augmenter.draw(rng), crop.rgb, rng)
                return Clip(frames=rgb[None], masks=np.stack(masks)[None])
        raise nothing_to_learn(config)

    def _photograph(self, rng: np.random.Generator, max_regions: int) -> Crop:
        full, size = self._pictures.view_size, self.config.image_size
        # Two in five are the whole view, as evaluation sees whole pictures.
        shares = np.ones(2) if rng.random() < 0.4 else rng.uniform(self.config.min_crop, 1.0, 2)
        width, height = (full * shares).astype(int)
        left, top = int(rng.integers(full - width + 1)), int(rng.integers(full - height + 1))
        window = Window(left, top, int(width), int(height), bool(rng.random() < 0.5))
        return self._pictures.crop(rng, window, (size, size), max_regions)

    def _mosaic(self, rng: np.random.Generator) -> Crop:
        """A partition of the image with every piece textured after another photograph, and its pieces."""
        size = self.config.image_size
        count = int(rng.integers(2, 7))
        partition = random_partition(rng, count, size)
        rgb = self._pictures.texture(rng, size)
        masks = []
        for piece in range(count):
            mask = partition == piece
            if mask.any():
                cv2.copyTo(self._pictures.texture(rng, size), mask.view(np.uint8), rgb)
                masks.append(largest_piece(mask))
        if rng.random() < 0.5:
            soft = cv2.GaussianBlur(rgb, (0, 0), float(rng.uniform(0.6, 1.2)))
            cv2.copyTo(soft, cv2.morphologyEx(partition, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)), rgb)
        return Crop(rgb, masks)

    def _objects(self, crop: Crop, rng: np.random.Generator, least: int) -> Crop:
        """Paste cut-outs; masks of the visible parts come first, then what is left of the others."""
        config = self.config
        canvas = Canvas(crop.rgb)
        # Few objects are as common as many: the count is drawn uniformly on a log scale.
        count = int(np.exp(rng.uniform(np.log(least + 0.5), np.log(config.max_objects + 0.99))) + 0.5)
        count = min(max(count, least), config.max_objects)
        blur = float(rng.uniform(0.0, 1.0)) if rng.random() < 0.5 else 0.0
        for number in range(1, count + 1):
            self._paste(canvas, number, blur, rng)
        objects = [canvas.layers == number for number in range(1, count + 1)]
        unions = _touching_unions(objects, rng, config.union_probability)
        free = canvas.layers == 0
        rest = []
        for region in crop.regions:
            left = region & free
            if np.count_nonzero(left) > 0.5 * np.count_nonzero(region):
                rest.append(largest_piece(left))
        return Crop(canvas.rgb, [*objects, *unions, *rest])

    def _paste(self, canvas: Canvas, number: int, blur: float, rng: np.random.Generator) -> None:
        sprite = Sprite(self._pictures.cutout(rng), random_form(rng))
        look = random_look(rng, blur)
        patch = render(sprite, random_pose(rng, self.config), self.config.image_size)
        if patch is None:
            return
        if look.shadow is not None:
            cast_shadow(canvas.rgb, patch, look.shadow)
        height, width = patch.rgba.shape[:2]
        around = canvas.rgb[patch.top : patch.top + height, patch.left : patch.left + width]
        patch.rgba[:] = toned(patch.rgba, look, around)
        paste(canvas, patch, number, blurred=soften(patch, look.blur) if look.blur else None)

    def _valid(self, masks: list[np.ndarray], rng: np.random.Generator) -> list[Bool[np.ndarray, "H W"]]:
        """Up to `max_masks` of `masks` with an area in bounds; order is kept."""
        total = self.config.image_size**2
        low, high = self.config.min_mask_area * total, self.config.max_mask_area * total
        kept = [mask for mask in masks if low <= np.count_nonzero(mask) <= high]
        if len(kept) > self.config.max_masks:
            chosen = sorted(rng.choice(len(kept), self.config.max_masks, replace=False))
            kept = [kept[number] for number in chosen]
        return kept


def _touching_unions(objects: list[np.ndarray], rng: np.random.Generator, probability: float) -> list[np.ndarray]:
    """Unions of pairs of overlapping objects, each with `probability`: groups are things one may mean, too."""
    unions = []
    for one, other in itertools.combinations(objects, 2):
        if rng.random() < probability and one.any() and other.any():
            union = one | other
            if cv2.connectedComponents(union.view(np.uint8))[0] == 2:
                unions.append(union)
    return unions[:MAX_UNIONS]
