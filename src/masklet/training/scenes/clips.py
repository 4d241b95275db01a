"""Short synthetic videos with exact masks: a camera moves over a photograph, and cut-outs move over it.

Everything goes its own smooth way: the camera pans and zooms, objects drift, turn, grow, pass in front of each other,
leave and return. Regions of the photograph count as objects too.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from masklet.training.scenes.augment import Augmenter
from masklet.training.scenes.compose import Canvas, Placement, paste
from masklet.training.scenes.sources import DEFAULT_ROOT
from masklet.training.scenes.synthetic import SceneConfig, SyntheticScenes


@dataclass(frozen=True, kw_only=True)
class ClipConfig:
    """Lengths and speeds. Speeds are standard deviations a frame: of shifts as shares of the image's side."""

    num_frames: int = 6
    max_objects: int = 4
    drift: float = 0.025
    turn: float = 2.5
    """Degrees."""
    growth: float = 0.025
    """Of the logarithm of the size."""
    camera_drift: float = 0.012
    camera_zoom: float = 0.012
    unsteadiness: float = 0.4
    """How much a speed changes from frame to frame, as a share of it."""
    scene: SceneConfig = field(default_factory=SceneConfig)


@dataclass(frozen=True, kw_only=True)
class ClipSample:
    """A clip, uint8 (T, H, W, 3), and masks, bool (T, K, H, W); each object is seen on the first frame."""

    frames: np.ndarray
    masks: np.ndarray


class MovingScenes(IterableDataset):
    """Endless stream of `ClipSample`; see `SyntheticScenes` for its source and its seeds."""

    def __init__(self, root: str | Path = DEFAULT_ROOT, config: ClipConfig | None = None, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config or ClipConfig()
        self.seed = seed
        self._scenes = SyntheticScenes(root, self.config.scene, seed=seed)
        self._augment = Augmenter(self.config.scene.augment, self.config.scene.image_size)

    def __iter__(self) -> Iterator[ClipSample]:
        worker = get_worker_info()
        cv2.setNumThreads(0)
        for number in itertools.count():
            yield self.sample(np.random.default_rng([self.seed, worker.id if worker else 0, number]))

    def sample(self, rng: np.random.Generator) -> ClipSample:
        """One clip, drawn from `rng`; tries again where nothing can be followed."""
        while True:
            frames, masks = self._clip(rng)
            total = self.config.scene.image_size**2
            low, high = self.config.scene.min_mask_area * total, self.config.scene.max_mask_area * total
            areas = masks.sum((2, 3))
            shown = (areas[0] >= low) & (areas[0] <= high)
            if shown.any():
                look = int(rng.integers(2**32))
                even = [self._augment(frame, np.random.default_rng(look)) for frame in frames]
                return ClipSample(frames=np.stack(even), masks=masks[:, shown])

    def _clip(self, rng: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
        config, size = self.config, self.config.scene.image_size
        ground, regions = self._scenes.backdrop(rng)
        count = int(rng.integers(min(0 if regions else 1, config.max_objects), config.max_objects + 1))
        cutouts = [self._scenes.cutout(rng) for _ in range(count)]
        looks = [self._scenes.look(rng) for _ in range(count)]
        paths = [self._path(self._scenes.placement(rng), rng) for _ in range(count)]
        camera = self._camera(rng)
        frames, masks = [], []
        for index in range(config.num_frames):
            matrix = camera[index]
            canvas = Canvas(rgb=_moved(ground, matrix, cv2.INTER_LINEAR), layers=np.zeros((size, size), np.uint8))
            for number, cutout in enumerate(cutouts):
                paste(canvas, cutout, paths[number][index], looks[number], number + 1)
            free = canvas.layers == 0
            seen = [_moved(region.view(np.uint8), matrix, cv2.INTER_NEAREST).view(bool) & free for region in regions]
            frames.append(canvas.rgb)
            shown = [*(canvas.layers == n + 1 for n in range(count)), *seen]
            masks.append(np.array(shown, bool).reshape(-1, size, size))
        return frames, np.stack(masks)

    def _path(self, start: Placement, rng: np.random.Generator) -> list[Placement]:
        """Where an object is on each frame."""
        config, size = self.config, self.config.scene.image_size
        steps = self._walk(rng, np.array([config.drift * size, config.drift * size, config.turn, config.growth]))
        return [
            replace(
                start,
                centre=(start.centre[0] + float(x), start.centre[1] + float(y)),
                angle=start.angle + float(turn),
                side=start.side * float(np.exp(grown)),
            )
            for x, y, turn, grown in steps
        ]

    def _camera(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Affine maps (2, 3) from the backdrop to each frame."""
        config, size = self.config, self.config.scene.image_size
        scale = np.array([config.camera_drift * size, config.camera_drift * size, config.camera_zoom])
        matrices = []
        for x, y, zoomed in self._walk(rng, scale):
            matrix = cv2.getRotationMatrix2D((size / 2, size / 2), 0.0, float(np.exp(zoomed)))
            matrix[:, 2] += (x, y)
            matrices.append(matrix)
        return matrices

    def _walk(self, rng: np.random.Generator, scale: np.ndarray) -> np.ndarray:
        """Sums of speeds that change slowly, one row a frame, the first zero. Some clips are slow, some are fast."""
        steps = self.config.num_frames - 1
        pace = np.exp(rng.normal(0.0, 0.7))
        speed = rng.normal(0.0, 1.0, len(scale)) * scale * pace
        jolts = rng.normal(0.0, 1.0, (steps, len(scale))) * scale * pace * self.config.unsteadiness
        moves = speed + np.cumsum(jolts, axis=0)
        return np.concatenate([np.zeros((1, len(scale))), np.cumsum(moves, axis=0)])


def _moved(picture: np.ndarray, matrix: np.ndarray, how: int) -> np.ndarray:
    """The picture under an affine map, mirrored where it ends."""
    size = (picture.shape[1], picture.shape[0])
    return cv2.warpAffine(picture, matrix, size, flags=how, borderMode=cv2.BORDER_REFLECT)
