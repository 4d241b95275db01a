"""Scenes made on the fly that teach click-to-mask segmentation: an endless dataset of pictures with masks.

Three recipes, chosen at random: a photograph with its own regions as masks; cut-outs pasted on a photograph, with
the masks of the visible cut-outs beside the photograph's regions; and mosaics, shapes filled with textures of
photographs, on which cut-outs may lie. The pictures are prepared by `masklet.training.scenes.prepare`.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from masklet.training.scenes.augment import AugmentConfig, Augmenter, tone_table
from masklet.training.scenes.compose import Canvas, Look, Placement, paste, random_blob, random_partition
from masklet.training.scenes.sources import DEFAULT_ROOT


@dataclass(frozen=True, kw_only=True)
class SceneConfig:
    """Knobs of the scenes. Weights are relative, probabilities 0..1, areas and sides fractions of the image.

    `kind_weights` follows `prepare.KINDS`: photographed cut-outs, drawings, clip art, emoji, rendered emoji.
    """

    image_size: int = 256
    max_masks: int = 16
    min_mask_area: float = 0.003
    max_mask_area: float = 0.6
    region_weight: float = 0.5
    object_weight: float = 0.36
    mosaic_weight: float = 0.14
    kind_weights: tuple[float, ...] = (0.62, 0.07, 0.09, 0.05, 0.17)
    max_objects: int = 8
    min_object_side: float = 0.12
    max_object_side: float = 0.95
    blob_probability: float = 0.12
    union_probability: float = 0.25
    region_masks: int = 11
    region_masks_with_objects: int = 6
    min_crop: float = 0.55
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        if self.image_size < 32:
            raise ValueError(f"image_size must be at least 32, got {self.image_size}")
        if self.max_masks < 1:
            raise ValueError(f"max_masks must be positive, got {self.max_masks}")
        if not 0.0 < self.min_mask_area < self.max_mask_area <= 1.0:
            raise ValueError(f"mask areas must be 0 < min < max <= 1: {self.min_mask_area}, {self.max_mask_area}")


@dataclass(frozen=True, kw_only=True)
class ImageSample:
    """A picture, uint8 (H, W, 3) RGB, and its masks, bool (K, H, W), K at least 1. Masks may overlap or nest."""

    image: np.ndarray
    masks: np.ndarray


class _Pictures:
    """The prepared arrays, memory-mapped."""

    def __init__(self, root: Path, kind_weights: tuple[float, ...]) -> None:
        folder = root / "prepared"
        if not (folder / "views_rgb.npy").exists():
            raise ValueError(f"no pictures in {folder}; run python -m masklet.training.scenes.prepare --root {root}")
        self._pixels = np.load(folder / "cutouts.npy", mmap_mode="r")
        self._index = np.load(folder / "cutouts_index.npy")
        self.rgb, self.labels, self.members, self.scores = (
            np.load(folder / f"views_{name}.npy", mmap_mode="r") for name in ("rgb", "labels", "members", "scores")
        )
        kinds = self._index[:, 3]
        counts = np.bincount(kinds, minlength=len(kind_weights)).clip(1)
        weights = (np.array(kind_weights) / counts)[kinds]
        self._cumulative = np.cumsum(weights) / max(weights.sum(), 1e-9)
        self.segmented = np.nonzero(self.scores.max(1) > 0)[0]

    @property
    def num_cutouts(self) -> int:
        return len(self._index)

    def cutout(self, rng: np.random.Generator) -> np.ndarray:
        """A random cut-out, uint8 (h, w, 4), kinds by weight."""
        number = min(int(np.searchsorted(self._cumulative, rng.random())), len(self._index) - 1)
        offset, height, width, _ = self._index[number]
        return self._pixels[offset : offset + height * width * 4].reshape(height, width, 4)

    def view(self, rng: np.random.Generator, segmented: bool) -> int:
        """Number of a random view, one with regions if `segmented` and there is any."""
        if segmented and len(self.segmented):
            return int(self.segmented[rng.integers(len(self.segmented))])
        return int(rng.integers(len(self.rgb)))


class SyntheticScenes(IterableDataset):
    """Endless stream of `ImageSample`, made of what `masklet.training.scenes.prepare` put in the folder `root`.

    It is the same for the same seed and worker; streams of different seeds and of different workers are independent.
    ValueError where nothing was prepared.
    """

    def __init__(self, root: str | Path = DEFAULT_ROOT, config: SceneConfig | None = None, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config or SceneConfig()
        self.seed = seed
        self._pictures = _Pictures(Path(root), self.config.kind_weights)
        self._augment = Augmenter(self.config.augment, self.config.image_size)

    def __iter__(self) -> Iterator[ImageSample]:
        worker = get_worker_info()
        cv2.setNumThreads(0)  # workers are the parallelism
        for number in itertools.count():
            yield self.sample(np.random.default_rng([self.seed, worker.id if worker else 0, number]))

    def sample(self, rng: np.random.Generator) -> ImageSample:
        """One scene, drawn from `rng`; tries again on the rare scene without a valid mask."""
        config = self.config
        weights = np.cumsum([config.region_weight, config.object_weight, config.mosaic_weight])
        while True:
            draw = rng.random() * weights[-1]
            if draw < weights[0]:
                rgb, masks = self._photograph(rng, config.region_masks)
            elif draw < weights[1]:
                rgb, masks = self._objects(*self._photograph(rng, config.region_masks_with_objects), rng, 1)
            else:
                rgb, masks = self._objects(*self._mosaic(rng), rng, 0)
            masks = self._valid(masks, rng)
            if masks:
                return ImageSample(image=self._augment(rgb, rng), masks=np.stack(masks))

    def backdrop(self, rng: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]]:
        """A random crop of a photograph, and some of its regions."""
        rgb, regions = self._photograph(rng, self.config.region_masks_with_objects)
        return np.ascontiguousarray(rgb), regions

    def look(self, rng: np.random.Generator) -> Look:
        """How a cut-out may be pasted."""
        return _random_look(rng, float(rng.uniform(0.0, 1.0)) if rng.random() < 0.5 else 0.0)

    def _photograph(self, rng: np.random.Generator, max_regions: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """A random crop of a view, and up to `max_regions` of its regions by score."""
        pictures, size = self._pictures, self.config.image_size
        view = pictures.view(rng, segmented=rng.random() < 0.9)
        full = pictures.rgb.shape[1]
        # Two in five are the whole view, as evaluation sees whole pictures.
        height, width = (
            (full, full) if rng.random() < 0.4 else (full * rng.uniform(self.config.min_crop, 1, 2)).astype(int)
        )
        top, left = int(rng.integers(full - height + 1)), int(rng.integers(full - width + 1))
        window = (view, slice(top, top + height), slice(left, left + width))
        flip = rng.random() < 0.5
        rgb, labels = pictures.rgb[window], pictures.labels[window]
        if flip:
            rgb, labels = rgb[:, ::-1], labels[:, ::-1]
        shrinks = min(height, width) >= size
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        rgb = cv2.resize(np.ascontiguousarray(rgb), (size, size), interpolation=how)
        labels = cv2.resize(np.ascontiguousarray(labels), (size, size), interpolation=cv2.INTER_NEAREST)
        scores = np.asarray(pictures.scores[view], np.float64)
        count = min(max_regions, int((scores > 0).sum()))
        if not count:
            return rgb, []
        # Weighted choice without replacement (Efraimidis and Spirakis, 2006).
        keys = np.where(scores > 0, np.log(rng.random(len(scores))) / np.maximum(scores, 1e-9), -np.inf)
        return rgb, [_clean(pictures.members[view, r][labels]) for r in np.argsort(-keys)[:count]]

    def _mosaic(self, rng: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]]:
        """A partition of the image with every piece textured after another photograph, and its pieces."""
        size = self.config.image_size
        count = int(rng.integers(2, 7))
        partition = random_partition(rng, count, size)
        canvas = self._texture(rng, size)
        masks = []
        for piece in range(count):
            mask = partition == piece
            if mask.any():
                canvas[mask] = self._texture(rng, size)[mask]
                masks.append(_largest(mask))
        if rng.random() < 0.5:
            edges = cv2.GaussianBlur(canvas, (0, 0), float(rng.uniform(0.6, 1.2)))
            border = cv2.morphologyEx(partition, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
            canvas[border] = edges[border]
        return canvas, masks

    def _texture(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """A square of a photograph, uint8 (size, size, 3), with its colours changed; small crops are more uniform."""
        rgb = self._pictures.rgb[self._pictures.view(rng, segmented=True)]
        side = int(rgb.shape[0] * rng.uniform(0.25, 0.8))
        top, left = rng.integers(0, rgb.shape[0] - side + 1, 2)
        crop = np.ascontiguousarray(rgb[top : top + side, left : left + side])
        return cv2.LUT(cv2.resize(crop, (size, size)), tone_table(rng, self.config.augment))

    def _objects(
        self, rgb: np.ndarray, masks: list[np.ndarray], rng: np.random.Generator, least: int
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Paste cut-outs on `rgb`; masks of the visible parts come first, then what is left of `masks`."""
        size = self.config.image_size
        canvas = Canvas(rgb=np.ascontiguousarray(rgb), layers=np.zeros((size, size), np.uint8))
        # Few objects are as common as many: the count is drawn uniformly on a log scale.
        count = int(np.exp(rng.uniform(np.log(least + 0.5), np.log(self.config.max_objects + 0.99))) + 0.5)
        count = min(max(count, least), self.config.max_objects)
        sharpness = float(rng.uniform(0.0, 1.0)) if rng.random() < 0.5 else 0.0
        for number in range(1, count + 1):
            paste(canvas, self.cutout(rng), self.placement(rng), _random_look(rng, sharpness), number)
        objects = [canvas.layers == number for number in range(1, count + 1)]
        unions = _touching_unions(objects, rng, self.config.union_probability)
        background = canvas.layers == 0
        rest = [_largest(left) for mask in masks if (left := mask & background).sum() > 0.5 * mask.sum()]
        return canvas.rgb, [*objects, *unions, *rest]

    def cutout(self, rng: np.random.Generator) -> np.ndarray:
        """A random cut-out, or a blob filled with a texture, uint8 (h, w, 4)."""
        if self._pictures.num_cutouts and rng.random() >= self.config.blob_probability:
            return self._pictures.cutout(rng)
        alpha = random_blob(rng, 160)[..., None]
        colour = (self._texture(rng, 160) * (alpha / 255.0)).astype(np.uint8)
        return np.concatenate([colour, alpha], -1)

    def placement(self, rng: np.random.Generator) -> Placement:
        """Where a cut-out may go."""
        size = self.config.image_size
        low, high = np.log(self.config.min_object_side), np.log(self.config.max_object_side)
        upright = rng.random() < 0.75
        x, y = rng.uniform(0.05 * size, 0.95 * size, 2)
        return Placement(
            centre=(float(x), float(y)),
            side=float(np.exp(rng.uniform(low, high))) * size,
            angle=float(rng.normal(0.0, 12.0) if upright else rng.uniform(-180.0, 180.0)),
            flip=bool(rng.random() < 0.5),
            stretch=float(np.exp(rng.normal(0.0, 0.1))),
            shear=float(rng.normal(0.0, 0.08)),
        )

    def _valid(self, masks: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
        """Up to `max_masks` of `masks` with an area in bounds; order is kept."""
        total = self.config.image_size**2
        low, high = self.config.min_mask_area * total, self.config.max_mask_area * total
        kept = [mask for mask in masks if low <= np.count_nonzero(mask) <= high]
        if len(kept) > self.config.max_masks:
            chosen = sorted(rng.choice(len(kept), self.config.max_masks, replace=False))
            kept = [kept[number] for number in chosen]
        return kept


def _clean(mask: np.ndarray) -> np.ndarray:
    """Smooth a region's ragged border and keep its largest piece; people draw neither rags nor crumbs."""
    return _largest(cv2.medianBlur(mask.view(np.uint8), 5).view(bool))


def _largest(mask: np.ndarray) -> np.ndarray:
    count, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=8, ltype=cv2.CV_16U)
    if count <= 2:
        return mask
    return labels == 1 + int(np.bincount(labels.ravel())[1:].argmax())


def _touching_unions(objects: list[np.ndarray], rng: np.random.Generator, probability: float) -> list[np.ndarray]:
    """Unions of pairs of overlapping objects, each with `probability`: groups are things one may mean, too."""
    unions = []
    for one, other in itertools.combinations(objects, 2):
        if rng.random() < probability:
            union = one | other
            if one.any() and other.any() and cv2.connectedComponents(union.view(np.uint8))[0] == 2:
                unions.append(union)
    return unions[:4]


def _random_look(rng: np.random.Generator, blur: float) -> Look:
    draws = rng.random(4)
    gain = float(np.exp(rng.normal(0.0, 0.2)))
    red, green, blue = gain * np.exp(rng.normal(0.0, 0.08, 3))
    reach = int(rng.integers(2, 14))
    return Look(
        gains=(float(red), float(green), float(blue)),
        harmony=float(rng.uniform(0.2, 0.8)) if draws[0] < 0.5 else 0.0,
        blur=0.4 + blur if draws[1] < 0.7 else 0.0,
        shadow=float(rng.uniform(0.15, 0.6)) if draws[2] < 0.45 else 0.0,
        shadow_offset=(int(rng.integers(-reach, reach + 1)), int(rng.integers(0, reach + 1))),
        shadow_size=int(rng.integers(3, 15)) * 2 + 1,
    )
