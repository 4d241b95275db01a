"""Random changes of clips, and the square that the model takes.

As published for fine-tuning (SAM 2.1 on MOSE): flip, turn and shear, square, colours alike on all frames, grey now and
then, colours of each frame on its own. All draws are from the generator that is given.
"""

from dataclasses import dataclass, field

import numpy as np

from masklet.training.checks import check_probabilities
from masklet.training.data.colour import JitterConfig, jitter, to_grey
from masklet.training.data.geometry import AffineConfig, CropConfig, Placement, place, tile
from masklet.training.samples import Clip


@dataclass(frozen=True, kw_only=True)
class TransformConfig:
    """What is changed at random. Defaults are the published ones; probabilities are 0..1.

    crop and vertical flips are not of the original. The mosaic is SAM 2.1's, which its published runs leave out.
    """

    flip_probability: float = 0.5
    """Of a horizontal flip."""
    vertical_flip_probability: float = 0.0
    crop: CropConfig = field(default_factory=CropConfig)
    affine: AffineConfig = field(default_factory=lambda: AffineConfig(degrees=25, shear=20))
    mosaic_probability: float = 0.0
    """Of two by two copies of the clip, with the objects of one of them alone."""
    jitter: JitterConfig = field(default_factory=lambda: JitterConfig(brightness=0.1, contrast=0.03, saturation=0.03))
    """Colours, alike on all frames."""
    grayscale_probability: float = 0.05
    frame_jitter: JitterConfig = field(
        default_factory=lambda: JitterConfig(brightness=0.1, contrast=0.05, saturation=0.05)
    )
    """Colours of each frame on its own, after `jitter`."""

    def __post_init__(self) -> None:
        check_probabilities(self)


PUBLISHED = TransformConfig()
"""The values of the published fine-tuning."""

SQUARE_ONLY = TransformConfig(
    flip_probability=0,
    affine=AffineConfig(),
    jitter=JitterConfig(),
    grayscale_probability=0,
    frame_jitter=JitterConfig(),
)
"""Nothing at random: for validation, and for clips that were changed when they were made."""


class Transforms:
    """Changes clips at random and brings them to squares of side `image_size`, an even number of pixels.

    Frames of a clip may have any size. Objects that vanish from the first frame are dropped; one at least stays.
    """

    def __init__(self, config: TransformConfig, image_size: int) -> None:
        if image_size < 2 or image_size % 2:
            raise ValueError(f"image_size is a positive even number of pixels, not {image_size}")
        self.config = config
        self.image_size = image_size

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        """The changed clip. The same clip and random state give the same; `clip` is left as it is."""
        config = self.config
        placement = self._draw_placement(clip, rng)
        clip = place(clip, placement)
        if rng.random() < config.mosaic_probability:
            clip = tile(clip, rng)
        frames = jitter(clip.frames, config.jitter, rng)
        if rng.random() < config.grayscale_probability:
            frames = to_grey(frames)
        if config.frame_jitter != JitterConfig():
            frames = np.concatenate([jitter(frame[None], config.frame_jitter, rng) for frame in frames])
        return Clip(frames=frames, masks=clip.masks)

    def _draw_placement(self, clip: Clip, rng: np.random.Generator) -> Placement:
        config = self.config
        flip, vertical_flip = rng.random(2) < (config.flip_probability, config.vertical_flip_probability)
        window = config.crop.draw(clip.masks[0], rng)
        if window is None:
            size = clip.masks.shape[2], clip.masks.shape[3]
        else:
            size = window[0].stop - window[0].start, window[1].stop - window[1].start
        return Placement(
            side=self.image_size,
            window=window,
            affine=config.affine.draw(size, rng),
            flip=bool(flip),
            vertical_flip=bool(vertical_flip),
        )
