"""Short videos made on the fly, with exact masks: a camera moves over a photograph, and cut-outs move over it.

Things drift, turn, grow, bend and ripple, hide each other, leave and return; some have twins, some have parts. The
camera pans, zooms, turns and shakes; light changes, what moves is blurred, and compression leaves its traces. Regions
of the photograph count as objects too.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from masklet.training.samples import Clip
from masklet.training.scenes.augment import Augmenter
from masklet.training.scenes.cast import Actor, CastConfig, Casting, hide_behind
from masklet.training.scenes.compose import Canvas, cast_shadow, paste
from masklet.training.scenes.lens import Lens, LensConfig, random_lens
from masklet.training.scenes.lighting import LightingConfig, random_lighting
from masklet.training.scenes.motion import Camera, MotionConfig, random_camera
from masklet.training.scenes.pictures import MAX_TRIES, Pictures, PicturesConfig, Window, nothing_to_learn
from masklet.training.scenes.warp import render

MAX_REGIONS = 8
"""Of a clip, since each takes a bit of a byte."""

LEAST_VIEW = 0.35
"""Share of a view that fills the picture at least: less is blurred. Where the camera goes beyond, it is mirrored."""

LEAST_SEEN = 0.5
"""Share of a region that is seen on the first frame for it to count as an object."""


@dataclass(frozen=True, kw_only=True)
class MovingScenesConfig(PicturesConfig):
    """A clip's length, and how it is made."""

    num_frames: int = 8
    max_masks: int = 8
    max_objects: int = 4
    """Cut-outs at most, without twins, and what covers one or comes late."""
    max_regions: int = 6
    """Regions of the photograph that count as objects at most, up to 8."""
    motion: MotionConfig = field(default_factory=MotionConfig)
    cast: CastConfig = field(default_factory=CastConfig)
    lens: LensConfig = field(default_factory=LensConfig)
    lighting: LightingConfig = field(default_factory=LightingConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_frames < 1:
            raise ValueError(f"num_frames must be positive, got {self.num_frames}")
        if not 0 <= self.max_regions <= MAX_REGIONS:
            raise ValueError(f"max_regions must be 0 to {MAX_REGIONS}, got {self.max_regions}")
        if self.max_regions == self.max_objects == 0:
            raise ValueError("max_regions and max_objects are both 0, so there is nothing to follow")


@dataclass(frozen=True)
class _Ground:
    """A photograph larger than the picture. regions: a bit each. origin: of its first pixel in the picture."""

    rgb: UInt8[np.ndarray, "H W 3"]
    regions: UInt8[np.ndarray, "H W"]
    num_regions: int
    origin: Float[np.ndarray, "2"]


class _Target(NamedTuple):
    """What a mask is of: a layer, all of it, what is attached to it, or the rest; of the backdrop a region."""

    layer: int
    attached: bool | None = None
    region: int = 0

    def mask(self, canvas: Canvas, regions: np.ndarray) -> Bool[np.ndarray, "H W"]:
        """Where it is seen."""
        seen = canvas.layers == self.layer
        if self.attached is not None:
            seen &= canvas.attached == self.attached
        if not self.layer:
            seen &= (regions & (1 << self.region)) != 0
        return seen


class MovingScenes:
    """A `ClipSource` of clips made of the pictures under `config.root`. ValueError where nothing was prepared."""

    def __init__(self, config: MovingScenesConfig) -> None:
        self.config = config
        self._pictures = Pictures(config)
        self._augmenter = Augmenter(config.augment, config.image_size)
        self._casting = Casting(self._pictures, config.cast, config.motion)

    def __len__(self) -> int:
        return self.config.nominal_length

    def __reduce__(self) -> tuple[type["MovingScenes"], tuple[MovingScenesConfig]]:
        return MovingScenes, (self.config,)

    def draw(self, index: int, rng: np.random.Generator) -> Clip:
        """A new clip, whatever the index; drawn again in the rare case that nothing can be followed.

        ValueError if that never ends.
        """
        for _ in range(MAX_TRIES):
            if (clip := self._clip(rng)) is not None:
                return clip
        raise nothing_to_learn(self.config)

    def _clip(self, rng: np.random.Generator) -> Clip | None:
        config = self.config
        stride = config.motion.draw_stride(rng)
        camera = random_camera(rng, config.motion, config.num_frames, config.image_size, stride)
        ground = self._ground(rng, camera)
        cast = self._casting.draw(rng, camera, stride, ground.rgb, ground.num_regions)
        lens = random_lens(rng, config.lens, config.num_frames)
        lighting = random_lighting(rng, config.lighting, config.num_frames, stride)
        treatment = self._augmenter.draw(rng)
        frames = np.empty((config.num_frames, camera.size, camera.size, 3), np.uint8)
        masks = np.empty(0, bool)
        targets: list[_Target] = []
        for index in range(config.num_frames):
            canvas, regions = _shoot(ground, cast, camera, lens, index)
            if index == 0:
                targets = self._choose(_targets(cast, ground), canvas, regions, rng)
                if not targets:
                    return None
                masks = np.empty((config.num_frames, len(targets), camera.size, camera.size), bool)
            for number, target in enumerate(targets):
                masks[index, number] = target.mask(canvas, regions)
            lit = lighting.apply(canvas.rgb, index)
            frames[index] = self._augmenter.apply(treatment, lit, rng, index / max(1, config.num_frames - 1))
        return Clip(frames=frames, masks=masks)

    def _ground(self, rng: np.random.Generator, camera: Camera) -> _Ground:
        """A window of a photograph that is large enough for all that the camera shows, where it can be."""
        size, view = camera.size, self._pictures.view_size
        low, high = camera.bounds()
        extent = high - low + 1.0
        # Two in five show as much as there is, as evaluation sees whole pictures.
        shares = np.ones(2) if rng.random() < 0.4 else rng.uniform(self.config.min_crop, 1.0, 2)
        scale = np.maximum(np.minimum(shares / size, 1.0 / extent), LEAST_VIEW / size) * view
        window = np.minimum(np.floor(extent * scale), view).astype(int).clip(1)
        shown = np.round(window / scale).astype(int).clip(2)
        left, top = (int(rng.integers(view - side + 1)) for side in window)
        place = Window(left, top, int(window[0]), int(window[1]), bool(rng.random() < 0.5))
        crop = self._pictures.crop(rng, place, (int(shown[0]), int(shown[1])), self.config.max_regions)
        bits = np.zeros(crop.rgb.shape[:2], np.uint8)
        for number, region in enumerate(crop.regions):
            bits[region] |= np.uint8(1 << number)
        return _Ground(crop.rgb, bits, len(crop.regions), low + (extent - shown) / 2)

    def _choose(
        self, targets: list[_Target], canvas: Canvas, regions: np.ndarray, rng: np.random.Generator
    ) -> list[_Target]:
        """Up to `max_masks` of what is seen well enough on the first frame."""
        total = self.config.image_size**2
        low, high = self.config.min_mask_area * total, self.config.max_mask_area * total
        seen = []
        for target in targets:
            area = np.count_nonzero(target.mask(canvas, regions))
            whole = 0 if target.layer else np.count_nonzero(regions & (1 << target.region))
            if low <= area <= high and area >= LEAST_SEEN * whole:
                seen.append(target)
        if len(seen) > self.config.max_masks:
            chosen = sorted(rng.choice(len(seen), self.config.max_masks, replace=False))
            seen = [seen[number] for number in chosen]
        return seen


def _targets(cast: list[Actor], ground: _Ground) -> list[_Target]:
    """All that may have masks."""
    targets = []
    for layer, actor in enumerate(cast, 1):
        parts = (None,) if actor.sprite.part is None else (None, True, False)
        targets += [_Target(layer, attached) for attached in parts]
    return targets + [_Target(0, None, region) for region in range(ground.num_regions)]


def _shoot(
    ground: _Ground, cast: list[Actor], camera: Camera, lens: Lens, index: int
) -> tuple[Canvas, UInt8[np.ndarray, "size size"]]:
    """A frame, and the regions of the photograph on it, a bit each."""
    matrix = camera.matrix(index)
    matrix = np.column_stack([matrix[:, :2], matrix[:, 2] + matrix[:, :2] @ ground.origin])
    size = (camera.size, camera.size)
    regions = cv2.warpAffine(ground.regions, matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT)
    canvas = Canvas(lens.ground(ground.rgb, ground.origin, camera, index))
    for number, actor in enumerate(cast, 1):
        patch = render(actor.sprite, actor.way.pose(index), camera.size, *actor.way.deformed(index))
        if patch is None:
            continue
        seen = lens.thing(patch, actor.way, index, actor.look.blur)
        if actor.behind is not None:
            cover = np.where(np.bitwise_and(regions, 1 << actor.behind), np.uint8(255), np.uint8(0))
            patch, seen = hide_behind((patch, seen), cv2.blur(cover, (3, 3)))
        elif actor.look.shadow is not None:
            cast_shadow(canvas.rgb, patch, actor.look.shadow)
        paste(canvas, patch, number, blurred=seen)
    return canvas, regions
