"""Who plays in a clip: cut-outs with their ways, twins of them, things attached to them, and what hides them.

Some leave the picture and return, some are covered by another for a time, some pass behind a region of the photograph,
and some come later.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import UInt8

from masklet.training.checks import check_probabilities
from masklet.training.scenes.compose import Look, random_look, toned
from masklet.training.scenes.motion import (
    Camera,
    MotionConfig,
    Way,
    away,
    random_absence,
    random_way,
    way_out,
)
from masklet.training.scenes.pictures import Pictures, PicturesConfig
from masklet.training.scenes.shapes import random_slab
from masklet.training.scenes.warp import Patch, Pose, Sprite

SLAB_SIDE = 160
"""Of made-up shapes that hide others, in pixels."""

COVER = 1.9
"""How much larger a slab is than what it hides: the diagonal of a square, and what its round corners leave open."""

MAX_COVERED_SIDE = 0.4
"""Share of the image's side that something is hidden up to: what hides it would fill the picture."""


@dataclass(frozen=True, kw_only=True)
class CastConfig:
    """Probabilities, 0..1: of an object to be attached to or hidden by a region, and of a clip for the rest."""

    attach_probability: float = 0.15
    """Of another cut-out that moves along on an object: the whole, its part and the rest are objects."""
    behind_probability: float = 0.2
    """Of passing behind a region of the photograph."""
    twin_probability: float = 0.3
    """Of one or two more of the same look as another."""
    leave_probability: float = 0.2
    """Of an object that leaves the picture and returns."""
    cover_probability: float = 0.25
    """Of an object that another hides for a time."""
    late_probability: float = 0.15
    """Of something that comes after the first frame. It has no mask, as it is not seen first."""

    def __post_init__(self) -> None:
        check_probabilities(self)


@dataclass(frozen=True)
class Actor:
    """A cut-out and its way. behind: number of the region it is seen behind, if any."""

    sprite: Sprite
    way: Way
    look: Look
    behind: int | None = None


def random_form(rng: np.random.Generator) -> np.ndarray:
    """Mirrored or not, and a little stretched and sheared."""
    stretch = float(np.exp(rng.normal(0.0, 0.1)))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    return np.array([[mirror * stretch, rng.normal(0.0, 0.08) / stretch], [0.0, 1.0 / stretch]])


def random_pose(rng: np.random.Generator, config: PicturesConfig) -> Pose:
    """Where a cut-out may be; three of four are about upright."""
    side = np.exp(rng.uniform(np.log(config.min_object_side), np.log(config.max_object_side)))
    angle = rng.normal(0.0, 12.0) if rng.random() < 0.75 else rng.uniform(-180.0, 180.0)
    x, y = rng.uniform(0.05, 0.95, 2) * config.image_size
    return Pose(float(x), float(y), float(side) * config.image_size, float(np.deg2rad(angle)))


class Casting:
    """Draws the cast of a clip."""

    def __init__(self, pictures: Pictures, config: CastConfig, motion: MotionConfig) -> None:
        self.pictures, self.config, self.motion = pictures, config, motion

    def draw(
        self,
        rng: np.random.Generator,
        camera: Camera,
        stride: float,
        backdrop: UInt8[np.ndarray, "H W 3"],
        num_regions: int,
    ) -> list[Actor]:
        """The actors of a clip, the hindmost first. backdrop: what their colours are fitted to."""
        config, scene = self.config, self.pictures.config
        num_frames = len(camera.way)
        blur = float(rng.uniform(0.0, 1.0)) if rng.random() < 0.5 else 0.0

        def enter(pose: Pose) -> Actor:
            look = random_look(rng, blur)
            rgba = self.pictures.cutout(rng)
            rgba, part = (
                attach(rgba, self.pictures.cutout(rng), rng)
                if _chance(rng, config.attach_probability)
                else (rgba, None)
            )
            behind = int(rng.integers(num_regions)) if num_regions and _chance(rng, config.behind_probability) else None
            sprite = Sprite(toned(rgba, look, backdrop), random_form(rng), part)
            return Actor(sprite, random_way(rng, self.motion, pose, camera, stride), look, behind)

        least = 0 if num_regions else 1
        count = int(rng.integers(min(least, scene.max_objects), scene.max_objects + 1))
        cast = [enter(random_pose(rng, scene)) for _ in range(count)]
        if cast and _chance(rng, config.twin_probability):
            one = cast[int(rng.integers(count))]
            cast += [self._twin(one, rng, camera, stride) for _ in range(int(rng.integers(1, 3)))]
        if cast and num_frames >= 3 and _chance(rng, config.leave_probability):
            number = int(rng.integers(len(cast)))
            cast[number] = _leaving(cast[number], camera.size, rng)
        small = [actor for actor in cast if actor.way.pose(0).side <= MAX_COVERED_SIDE * camera.size]
        if small and num_frames >= 3 and _chance(rng, config.cover_probability):
            cast.append(self._cover(small[int(rng.integers(len(small)))], rng, backdrop, random_look(rng, blur)))
        if num_frames >= 2 and _chance(rng, config.late_probability):
            cast.append(_late(enter(random_pose(rng, scene)), camera.size, rng))
        return cast

    def _twin(self, one: Actor, rng: np.random.Generator, camera: Camera, stride: float) -> Actor:
        """Another of the same look, about as large, with a way of its own."""
        pose, old = random_pose(rng, self.pictures.config), one.way.pose(0)
        near = pose._replace(side=old.side * float(rng.uniform(0.8, 1.2)))
        return replace(one, way=random_way(rng, self.motion, near, camera, stride), behind=None)

    def _cover(self, hidden: Actor, rng: np.random.Generator, backdrop: np.ndarray, look: Look) -> Actor:
        """Something that comes along, hides an actor, and goes on, or back."""
        num_frames = len(hidden.way.poses)
        absence = random_absence(rng, num_frames)
        slab = rng.random() < 0.6
        rgba = self.pictures.textured(random_slab(rng, SLAB_SIDE), rng) if slab else self.pictures.cutout(rng)
        poses = hidden.way.poses.copy()
        poses[:, 2] = poses[:, 2].max() + np.log(COVER)
        poses[:, 3] = rng.normal(0.0, 0.3)
        poses[:, 4:] = 0.0
        course = rng.uniform(0.0, 2 * np.pi)
        side = float(np.exp(poses[0, 2]))
        reach = 0.5 * side * (1.0 + 1.0 / COVER) * rng.uniform(0.9, 1.3) * np.array([np.cos(course), np.sin(course)])
        far = 1.0 - away(num_frames, absence)
        if rng.random() < 0.7:
            far[absence[1] :] *= -1.0
        sprite = Sprite(toned(rgba, look, backdrop))
        return Actor(sprite, Way(poses).moved(far[:, None] * reach), look)


def _chance(rng: np.random.Generator, probability: float) -> bool:
    return bool(rng.random() < probability)


def _leaving(actor: Actor, size: int, rng: np.random.Generator) -> Actor:
    """The actor, out of the picture for a time."""
    num_frames = len(actor.way.poses)
    share = away(num_frames, random_absence(rng, num_frames))
    return replace(actor, way=actor.way.moved(share[:, None] * way_out(actor.way, size, rng)))


def _late(actor: Actor, size: int, rng: np.random.Generator) -> Actor:
    """The actor, out of the picture at first."""
    num_frames = len(actor.way.poses)
    last_outside = int(rng.integers(0, num_frames - 1))
    share = np.interp(np.arange(num_frames), [last_outside, num_frames - 1], [1.0, 0.0])
    return replace(actor, way=actor.way.moved(share[:, None] * way_out(actor.way, size, rng)))


def attach(
    host: UInt8[np.ndarray, "h w 4"], guest: UInt8[np.ndarray, "g f 4"], rng: np.random.Generator
) -> tuple[UInt8[np.ndarray, "H W 4"], UInt8[np.ndarray, "H W"]]:
    """A cut-out with a smaller one on its rim or on it, as one, and the alpha of what was attached."""
    longest = max(host.shape[:2])
    scale = float(rng.uniform(0.3, 0.65)) * longest / max(guest.shape[:2])
    how = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    guest = cv2.resize(guest, None, fx=scale, fy=scale, interpolation=how)
    ys, xs = np.nonzero(host[..., 3] > 127)
    spot = int(rng.integers(len(ys))) if len(ys) else 0
    y, x = (int(ys[spot]), int(xs[spot])) if len(ys) else (host.shape[0] // 2, host.shape[1] // 2)
    margin = max(guest.shape[:2])
    whole = cv2.copyMakeBorder(host, margin, margin, margin, margin, cv2.BORDER_CONSTANT)
    part = np.zeros(whole.shape[:2], np.uint8)
    top, left = margin + y - guest.shape[0] // 2, margin + x - guest.shape[1] // 2
    place = (slice(top, top + guest.shape[0]), slice(left, left + guest.shape[1]))
    part[place] = guest[..., 3]
    clear = cv2.merge([cv2.bitwise_not(part[place])] * 4)
    whole[place] = cv2.add(guest, cv2.multiply(whole[place], clear, scale=1.0 / 255.0))
    x, y, w, h = cv2.boundingRect(cv2.extractChannel(whole, 3))
    return np.ascontiguousarray(whole[y : y + h, x : x + w]), np.ascontiguousarray(part[y : y + h, x : x + w])


def hide_behind(patches: Sequence[Patch], cover: UInt8[np.ndarray, "H W"]) -> list[Patch]:
    """Patches without what lies behind a cover (255 where it is, with a soft rim); they may jut out of it."""
    hidden = []
    for patch in patches:
        height, width = patch.rgba.shape[:2]
        rows = np.arange(patch.top, patch.top + height).clip(0, cover.shape[0] - 1)
        columns = np.arange(patch.left, patch.left + width).clip(0, cover.shape[1] - 1)
        clear = cv2.bitwise_not(cover[rows[:, None], columns])
        rgba = cv2.multiply(patch.rgba, cv2.merge([clear] * 4), scale=1.0 / 255.0)
        hidden.append(Patch(rgba, patch.left, patch.top, patch.part))
    return hidden
