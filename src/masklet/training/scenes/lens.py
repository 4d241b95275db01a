"""What a lens does while things move: blur along the way of camera and things, and blur out of focus.

A mask is that of the middle of the exposure, and sharp.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from masklet.training.checks import check_probabilities
from masklet.training.scenes.compose import soften
from masklet.training.scenes.motion import Camera, Way
from masklet.training.scenes.warp import Patch

MAX_SAMPLES = 9
"""Moments that a long exposure is put together from; as many as something moves pixels, if that is fewer."""

MAX_REACH = 2.0 * MAX_SAMPLES
"""Pixels that something moves while it is exposed; what is quicker is exposed more briefly, lest it be seen doubly."""

MIN_BLUR = 0.35
"""Sigmas below this show nothing."""


@dataclass(frozen=True, kw_only=True)
class LensConfig:
    """Probabilities (0..1) of a clip, and how strong it is then."""

    exposure_probability: float = 0.35
    """Of blur along the way of what moves."""
    max_exposure: float = 0.7
    """Share of the time between two frames that one is exposed."""
    focus_probability: float = 0.25
    """Of the photograph or the things being out of focus, on some frames more than on others."""
    max_focus_blur: float = 2.5
    """Sigma in pixels."""

    def __post_init__(self) -> None:
        check_probabilities(self, "max_exposure")


@dataclass(frozen=True)
class Lens:
    """Exposure as a share of the time between frames, and sigmas (pixels) of the photograph and of things."""

    exposure: float
    ground_blur: Float[np.ndarray, "T"]
    object_blur: Float[np.ndarray, "T"]

    def ground(
        self, ground: UInt8[np.ndarray, "H W 3"], origin: Float[np.ndarray, "2"], camera: Camera, index: int
    ) -> UInt8[np.ndarray, "size size 3"]:
        """The photograph on a frame. origin: where its first pixel is in the picture without moves."""
        size = camera.size
        ends = [_shifted(camera.matrix(index + end * self.exposure), origin) for end in (-0.5, 0.5)]
        corners = np.array([[0, size, 0, size], [0, 0, size, size], [1, 1, 1, 1]])
        moments = self._moments(float(np.abs((ends[1] - ends[0]) @ corners).max()))
        matrices = [_shifted(camera.matrix(index + moment), origin) for moment in moments]
        rgb = _average(ground, matrices, (size, size), cv2.BORDER_REFLECT)
        sigma = float(self.ground_blur[index])
        return cv2.GaussianBlur(rgb, (0, 0), sigma) if sigma > MIN_BLUR else rgb

    def thing(self, patch: Patch, way: Way, index: int, blur: float) -> Patch:
        """A patch as it is exposed and focused. blur: sigma of its edge anyway."""
        pose = way.pose(index)
        first, last = (way.poses_at(index + end * self.exposure) for end in (-0.5, 0.5))
        moved = np.abs(last - first)
        reach = float(np.hypot(moved[0], moved[1]) + pose.side / 2 * (moved[2] + moved[3]))
        moments = self._moments(reach)
        if len(moments) > 1:
            margin = int(np.ceil(min(reach, MAX_REACH) / 2)) + 1
            wide = cv2.copyMakeBorder(patch.rgba, margin, margin, margin, margin, cv2.BORDER_CONSTANT)
            corner = (patch.left - margin, patch.top - margin)
            matrices = [_relative(way, index, index + moment, corner) for moment in moments]
            patch = Patch(_average(wide, matrices, wide.shape[1::-1], cv2.BORDER_CONSTANT), *corner)
        sigma = float(np.hypot(blur, self.object_blur[index]))
        return soften(patch, sigma) if sigma > MIN_BLUR else patch

    def _moments(self, reach: float) -> Sequence[float]:
        """Times of an exposure around its middle, in frames, enough for what moves by `reach` pixels."""
        count = min(MAX_SAMPLES, int(np.ceil(reach)))
        if self.exposure == 0.0 or count <= 1:
            return (0.0,)
        exposure = self.exposure * min(1.0, MAX_REACH / reach)
        return [exposure * ((moment + 0.5) / count - 0.5) for moment in range(count)]


def random_lens(rng: np.random.Generator, config: LensConfig, num_frames: int) -> Lens:
    """How a clip of so many frames is exposed and focused."""
    exposed = rng.random() < config.exposure_probability
    exposure = float(rng.uniform(0.2, 1.0)) * config.max_exposure if exposed else 0.0
    blurs = np.zeros((2, num_frames))
    if rng.random() < config.focus_probability:
        which = int(rng.random() < 0.35)  # things are in focus more often than what is behind them
        first, last = rng.uniform(0.0, config.max_focus_blur, 2)
        blurs[which] = np.linspace(first, last if rng.random() < 0.5 else first, num_frames)
    return Lens(exposure, blurs[0], blurs[1])


def _shifted(matrix: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """The matrix for points that are counted from `origin`."""
    return np.column_stack([matrix[:, :2], matrix[:, 2] + matrix[:, :2] @ origin])


def _relative(way: Way, index: int, moment: float, corner: tuple[int, int]) -> np.ndarray:
    """From where a patch with this corner is at `index` to where it is at `moment`, in the patch's pixels."""
    start, end = way.pose(index), way.pose(moment)
    scale, turned = end.side / start.side, end.angle - start.angle
    cos, sin = scale * np.cos(turned), scale * np.sin(turned)
    linear = np.array([[cos, -sin], [sin, cos]])
    middle = np.array([start.x - corner[0], start.y - corner[1]])
    shift = np.array([end.x - start.x, end.y - start.y])
    return np.column_stack([linear, middle + shift - linear @ middle])


def _average(picture: np.ndarray, matrices: Sequence[np.ndarray], size: tuple[int, int], border: int) -> np.ndarray:
    """The mean of a picture under some maps."""
    warped = [cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border) for matrix in matrices]
    if len(warped) == 1:
        return warped[0]
    total = np.zeros(warped[0].shape, np.float32)
    for one in warped:
        cv2.accumulate(one, total)
    return cv2.convertScaleAbs(total, alpha=1.0 / len(warped))
