"""The second half of the bundled model's recipe: video.

    python -m masklet.training.nano_video --sources DIR --output DIR --weights FILE --steps N

Begins with the weights that `masklet.training.nano` made for still images. Image encoder and prompt encoder are frozen,
so features stay as they are; the memory parts are learned, and the mask decoder follows slowly, as it meets frames
without prompts here for the first time. First frames are prompted by the true mask, by clicks and by boxes, so it goes
on with still images too, but not as well as before; a last round takes it half of the way back (`--blend`) and teaches
memory alone.
"""

import argparse
from functools import partial
from pathlib import Path

import torch
from torch import nn

from masklet.checkpoint.files import read
from masklet.checkpoint.recognise import recognise_contents
from masklet.checkpoint.save import save_model
from masklet.checkpoint.strict import load_into
from masklet.model import Sam2
from masklet.training.batches import clip_batches
from masklet.training.fit import Fit, FitConfig
from masklet.training.losses import LossWeights
from masklet.training.nano import FOCAL_WEIGHT
from masklet.training.scenes.clips import ClipConfig, MovingScenes
from masklet.training.scenes.synthetic import SceneConfig
from masklet.training.video_step import video_step

RATES = {
    "trunk": 0.0,
    "neck": 0.0,
    "prompt_encoder": 0.0,
    "mask_decoder": 0.1,
    "mask_decoder.stride4_projection": 0.0,
    "mask_decoder.stride8_projection": 0.0,
}
"""Of the learning rate, by part; see `FitConfig.rates`."""

MASK_PROBABILITY = 0.65
"""Of prompting with the true mask: what follows a wrong first mask teaches little."""

CLIP_NORM = 4.0
"""One for each frame that is followed: the losses of a clip are summed."""

FUSER_SCALE = 0.1
"""Of the memory encoder's residual blocks at the start; 1e-6, as in the original, took long to wake."""


def main() -> None:
    """Train to a step and write the weights, and their average, to the run's folder."""
    arguments = _parser().parse_args()
    torch.manual_seed(arguments.seed)
    model = load(arguments.weights, arguments.image_size)
    if arguments.begin:
        wake(model)
    rates = RATES
    if arguments.blend:
        blend_decoder(model, load(arguments.blend, None))
        rates = RATES | {"mask_decoder": 0.0}
    config = FitConfig(
        steps=arguments.steps,
        decay_steps=arguments.decay_steps,
        learning_rate=arguments.learning_rate,
        weight_decay=0.01,
        clip_norm=CLIP_NORM,
        seed=arguments.seed,
        rates=rates,
    )
    losses = partial(video_step, mask_probability=MASK_PROBABILITY, weights=LossWeights(focal=FOCAL_WEIGHT))
    fit = Fit(model, config, arguments.output, losses)
    scene = SceneConfig(image_size=model.config.image_size)
    clips = MovingScenes(
        arguments.sources, ClipConfig(num_frames=arguments.frames, scene=scene), seed=arguments.seed * 1000
    )
    batches = clip_batches(clips, arguments.batch_size, arguments.objects, seed=arguments.seed)

    def write_weights() -> None:
        for name, weights in (("model", fit.model), ("average", fit.average)):
            save_model(weights, arguments.output / f"{name}.safetensors", dtype=torch.float16)

    fit.run(batches, on_save=write_weights)


def load(path: Path, image_size: int | None) -> Sam2:
    """A model from a file, for images of a size; None is the file's own."""
    contents = read(path)
    recognised = recognise_contents(contents, None)
    model = Sam2(recognised.config.with_image_size(image_size))
    load_into(model, contents.state, recognised.layout, path)
    return model


def wake(model: Sam2) -> None:
    """Let the memory encoder's blocks take part from the start."""
    for block in model.memory_encoder.fuser:
        nn.init.constant_(block.get_parameter("scale"), FUSER_SCALE)


@torch.no_grad()
def blend_decoder(model: Sam2, other: Sam2) -> None:
    """Take the mask decoder half of the way to another's."""
    for parameter, target in zip(model.mask_decoder.parameters(), other.mask_decoder.parameters(), strict=True):
        parameter.lerp_(target, 0.5)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=Path, required=True, help="folder of the prepared pictures")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run; resumed where it has a state")
    parser.add_argument("--weights", type=Path, required=True, help="what to begin with")
    parser.add_argument("--begin", action="store_true", help="the memory parts of these weights were never trained")
    parser.add_argument("--blend", type=Path, help="take the decoder half of the way to that of this file; freeze it")
    parser.add_argument("--steps", type=int, required=True, help="step to train to, counted over all rounds")
    parser.add_argument("--decay-steps", type=int, default=0, help="last steps, with the rate falling to zero")
    parser.add_argument("--learning-rate", type=float, default=6e-4)
    parser.add_argument("--batch-size", type=int, default=4, help="clips")
    parser.add_argument("--objects", type=int, default=3, help="objects a clip")
    parser.add_argument("--frames", type=int, default=5, help="frames a clip")
    parser.add_argument("--image-size", type=int, help="side in pixels; the weights' own if not given")
    parser.add_argument("--seed", type=int, default=0, help="give each round another")
    return parser


if __name__ == "__main__":
    main()
