"""How cameras and things move: smooth ways with sudden moves, shakes, and times away from the picture.

A way is an array with a row a frame. Speeds are standard deviations a frame, of shifts as shares of the image's side;
a clip's stride multiplies them all, as if frames were left out.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from masklet.training.checks import check_probabilities
from masklet.training.scenes.warp import Bend, Pose, Wave


@dataclass(frozen=True, kw_only=True)
class MotionConfig:
    """Speeds and probabilities (0..1). Angles are in degrees."""

    min_stride: float = 0.5
    max_stride: float = 2.5
    """Clips are slow and fast: all speeds of one are multiplied by a number between these, drawn on a log scale."""
    pace_spread: float = 0.7
    """Of the logarithm of the speeds within a clip: some things are slow, some are fast."""
    unsteadiness: float = 0.4
    """How much a speed changes from frame to frame, as a share of it."""
    drift: float = 0.02
    turn: float = 2.5
    growth: float = 0.025
    """Of the logarithm of the size."""
    yaw_probability: float = 0.3
    """Of a thing that turns out of the plane, perhaps right round; that squeezes it and makes one side smaller."""
    yaw: float = 12.0
    spin_probability: float = 0.2
    """Of a thing with nothing attached whose colours go round within its outline, so that other sides are seen."""
    spin: float = 10.0
    wave_probability: float = 0.35
    """Of a thing that ripples."""
    wave: float = 0.05
    """Length of the ripples, as a share of half of the longest side."""
    bend_probability: float = 0.25
    """Of a thing with a joint that bends."""
    max_bend: float = 40.0
    follow_probability: float = 0.5
    """Of a thing that the camera follows; others stay behind as the photograph does."""
    camera_drift: float = 0.012
    camera_zoom: float = 0.012
    camera_turn: float = 0.6
    shake_probability: float = 0.25
    shake: float = 0.008
    """Also of radians, by which a shaking camera turns."""

    def __post_init__(self) -> None:
        if not 0.0 < self.min_stride <= self.max_stride:
            raise ValueError(f"strides must be 0 < min_stride <= max_stride: {self.min_stride}, {self.max_stride}")
        check_probabilities(self)

    def draw_stride(self, rng: np.random.Generator) -> float:
        """A clip's stride."""
        return float(np.exp(rng.uniform(np.log(self.min_stride), np.log(self.max_stride))))

    def walk(self, rng: np.random.Generator, num_frames: int, speeds: np.ndarray) -> Float[np.ndarray, "T P"]:
        """Sums of speeds that change slowly, the first 0."""
        pace = speeds * np.exp(rng.normal(0.0, self.pace_spread))
        steady = rng.normal(0.0, 1.0, len(speeds)) * pace
        jolts = rng.normal(0.0, 1.0, (num_frames - 1, len(speeds))) * pace * self.unsteadiness
        moves = steady + np.cumsum(jolts, axis=0)
        return np.concatenate([np.zeros((1, len(speeds))), np.cumsum(moves, axis=0)])


@dataclass(frozen=True)
class Camera:
    """Where first things were is where they are now: moved, turned and enlarged around the middle of the picture.

    way: x, y in pixels, logarithm of the enlargement, angle in radians.
    """

    size: int
    way: Float[np.ndarray, "T 4"]

    def matrix(self, index: float) -> Float[np.ndarray, "2 3"]:
        """From the picture as it is without moves to frame `index`; between frames it is interpolated."""
        x, y, zoomed, angle = between(self.way, index)
        scale = float(np.exp(zoomed))
        cos, sin, middle = scale * np.cos(angle), scale * np.sin(angle), (self.size - 1) / 2
        linear = np.array([[cos, -sin], [sin, cos]])
        shift = (middle + x, middle + y) - linear @ (middle, middle)
        return np.column_stack([linear, shift])

    def bounds(self) -> Float[np.ndarray, "2 2"]:
        """Least and largest (x, y) of the picture without moves that any frame shows."""
        end = self.size - 1.0
        corners = np.array([[0, 0], [end, 0], [end, end], [0, end]])
        shown = []
        for index in range(len(self.way)):
            matrix = self.matrix(index)
            shown.append((corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T)
        points = np.concatenate(shown)
        return np.stack([points.min(0), points.max(0)])


def random_camera(rng: np.random.Generator, config: MotionConfig, num_frames: int, size: int, stride: float) -> Camera:
    """A camera that pans, zooms and turns, and may shake."""
    speeds = np.array([config.camera_drift * size] * 2 + [config.camera_zoom, np.deg2rad(config.camera_turn)])
    way = config.walk(rng, num_frames, speeds * stride)
    if rng.random() < config.shake_probability:
        shaken = rng.normal(0.0, config.shake, (num_frames, 3)) * (size, size, 1.0)
        way[1:, [0, 1, 3]] += shaken[1:]
    return Camera(size, way)


@dataclass(frozen=True)
class Way:
    """Where a thing is and how it is deformed. poses: x, y, logarithm of the side, angle, yaw, spin, as in `Pose`.

    ripple: how far each wave has run, in radians. bends: angle of the joint, in radians.
    """

    poses: Float[np.ndarray, "T 6"]
    waves: tuple[Wave, ...] = ()
    ripple: Float[np.ndarray, "T"] | None = None
    bend: Bend | None = None
    bends: Float[np.ndarray, "T"] | None = None

    def pose(self, index: float) -> Pose:
        """On frame `index`; between frames it is interpolated."""
        x, y, side, angle, yaw, spin = self.poses_at(index)
        return Pose(float(x), float(y), float(np.exp(side)), float(angle), float(yaw), float(spin))

    def poses_at(self, index: float) -> Float[np.ndarray, "6"]:
        """The row of `poses` at a frame or between frames."""
        return between(self.poses, index)

    def deformed(self, index: int) -> tuple[tuple[Wave, ...], Bend | None]:
        """Waves and joint as they are on a frame."""
        waves, bend = self.waves, self.bend
        if self.ripple is not None:
            run = float(self.ripple[index])
            waves = tuple(Wave(wave.shift, wave.frequency, wave.phase + run) for wave in waves)
        if bend is not None and self.bends is not None:
            bend = Bend(bend.at, float(self.bends[index]), bend.upright)
        return waves, bend

    def moved(self, shifts: Float[np.ndarray, "T 2"]) -> "Way":
        """The same elsewhere."""
        poses = self.poses.copy()
        poses[:, :2] += shifts
        return Way(poses, self.waves, self.ripple, self.bend, self.bends)


def random_way(rng: np.random.Generator, config: MotionConfig, start: Pose, camera: Camera, stride: float) -> Way:
    """How something moves that is at `start` on the first frame."""
    num_frames, size = len(camera.way), camera.size
    turns = np.deg2rad([config.turn, config.yaw, config.spin])
    speeds = np.array([config.drift * size] * 2 + [config.growth, *turns])
    speeds[4:] *= rng.random(2) < (config.yaw_probability, config.spin_probability)
    first = np.array([start.x, start.y, np.log(start.side), start.angle, start.yaw, start.spin])
    poses = first + config.walk(rng, num_frames, speeds * stride)
    if rng.random() >= config.follow_probability:
        poses = _carry(poses, camera)
    waves, ripple, bend, bends = (), None, None, None
    if rng.random() < config.wave_probability:
        waves = tuple(_random_wave(rng, config.wave) for _ in range(2))
        ripple = config.walk(rng, num_frames, np.array([0.6 * stride]))[:, 0]
    if rng.random() < config.bend_probability:
        bend = Bend(float(rng.uniform(-0.3, 0.3)), 0.0, bool(rng.random() < 0.5))
        swing = rng.uniform(0.0, 2 * np.pi) + stride * rng.uniform(0.1, 0.8) * np.arange(num_frames)
        bends = np.deg2rad(config.max_bend) * rng.uniform(0.3, 1.0) * np.sin(swing)
    return Way(poses, waves, ripple, bend, bends)


def _carry(poses: Float[np.ndarray, "T 6"], camera: Camera) -> Float[np.ndarray, "T 6"]:
    """Poses in a picture without moves, as the camera sees them."""
    carried = poses.copy()
    for index, pose in enumerate(poses):
        matrix = camera.matrix(index)
        carried[index, :2] = matrix @ (pose[0], pose[1], 1.0)
    carried[:, 2] += camera.way[:, 2]
    carried[:, 3] += camera.way[:, 3]
    return carried


def _random_wave(rng: np.random.Generator, length: float) -> Wave:
    direction, course = rng.uniform(0.0, 2 * np.pi, 2)
    frequency = rng.uniform(1.0, 5.0)
    reach = length * rng.uniform(0.3, 1.0)
    return Wave(
        shift=(float(reach * np.cos(direction)), float(reach * np.sin(direction))),
        frequency=(float(frequency * np.cos(course)), float(frequency * np.sin(course))),
        phase=float(rng.uniform(0.0, 2 * np.pi)),
    )


def between(way: Float[np.ndarray, "T P"], index: float) -> Float[np.ndarray, "P"]:
    """A way's row at a frame; between frames, and beyond the ends, as the speeds there have it."""
    if float(index).is_integer() and 0 <= index < len(way):
        return way[int(index)]
    if len(way) == 1:
        return way[0]
    first = min(max(int(np.floor(index)), 0), len(way) - 2)
    return way[first] + (way[first + 1] - way[first]) * (index - first)


def random_absence(rng: np.random.Generator, num_frames: int) -> tuple[int, int]:
    """First and last frame of a time away: neither the first nor the last of the clip. At least 3 frames."""
    first = int(rng.integers(1, max(2, num_frames // 2)))
    return first, int(rng.integers(first, max(first + 1, min(num_frames - 1, first + 1 + num_frames // 3))))


def away(num_frames: int, absence: tuple[int, int]) -> Float[np.ndarray, "T"]:
    """From 0 on the first frame to 1 in the absence, and back to 0 on the last."""
    return np.interp(np.arange(num_frames), [0, *absence, num_frames - 1], [0.0, 1.0, 1.0, 0.0])


def way_out(start: Way, size: int, rng: np.random.Generator) -> Float[np.ndarray, "2"]:
    """The shift (x, y) that takes something out of the picture on every frame, to its nearest side or another."""
    xs, ys = start.poses[:, 0], start.poses[:, 1]
    reach = np.exp(start.poses[:, 2]).max() * 0.85  # half a diagonal, and some to spare for its deformation
    ways = np.array(
        [
            (-xs.max() - reach, 0.0),
            (size - xs.min() + reach, 0.0),
            (0.0, -ys.max() - reach),
            (0.0, size - ys.min() + reach),
        ]
    )
    lengths = np.abs(ways).sum(1)
    return ways[int(lengths.argmin()) if rng.random() < 0.7 else int(rng.integers(4))]
