"""The recipe of the bundled model: `python -m masklet.training.nano --sources DIR --output DIR --steps N`.

Images only so far: the memory parts keep their initial values. A run goes on from the state in its folder, so it is
made of rounds, each with a seed of its own: mostly at a quarter of the pixels, which makes steps three to four times as
quick, then at full size, and last with `--decay-steps`. What ships is the weights after the descent, in half precision.

On a machine with several cores, `torchrun --nproc-per-node N -m masklet.training.nano ...`, with OMP_NUM_THREADS=1,
trains on N times the batch.
"""

import argparse
import os
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist

from masklet.checkpoint.save import save_model
from masklet.config import preset
from masklet.model import Sam2
from masklet.training.batches import image_batches
from masklet.training.fit import Fit, FitConfig
from masklet.training.initialise import initialise
from masklet.training.losses import LossWeights
from masklet.training.scenes.synthetic import SceneConfig, SyntheticScenes
from masklet.training.step import PromptConfig, image_step

FOCAL_WEIGHT = 2.0
"""A tenth of the published weight: in short trials from nothing, higher ones went with empty masks."""

CORRECTION_PROBABILITY = 0.3
"""Less than the default: corrections cost a second decoder pass, and matter less while first masks are poor."""


def main() -> None:
    """Train to a step and write the weights, and their average, to the run's folder."""
    arguments = _parser().parse_args()
    if "RANK" in os.environ:
        dist.init_process_group("gloo")
    rank = dist.get_rank() if dist.is_initialized() else 0

    torch.manual_seed(arguments.seed)
    model = Sam2(preset("nano").with_image_size(arguments.image_size))
    initialise(model)
    config = FitConfig(
        steps=arguments.steps,
        decay_steps=arguments.decay_steps,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
    )
    prompts = PromptConfig(correction_probability=CORRECTION_PROBABILITY)
    losses = partial(image_step, prompts=prompts, weights=LossWeights(focal=FOCAL_WEIGHT))
    fit = Fit(model, config, arguments.output, losses)
    seed = arguments.seed * 1000 + rank  # of the data: another one for every process and round
    scenes = SyntheticScenes(arguments.sources, SceneConfig(image_size=model.config.image_size), seed=seed)
    batches = image_batches(scenes, arguments.batch_size, arguments.objects, seed=seed)

    def write_weights() -> None:
        for name, weights in (("model", fit.model), ("average", fit.average)):
            save_model(weights, arguments.output / f"{name}.safetensors", dtype=torch.float16)

    fit.run(batches, on_save=write_weights)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=Path, required=True, help="folder of the prepared pictures")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run; resumed where it has a state")
    parser.add_argument("--steps", type=int, required=True, help="step to train to, counted over all rounds")
    parser.add_argument("--decay-steps", type=int, default=0, help="last steps, with the rate falling to zero")
    parser.add_argument("--learning-rate", type=float, default=6e-4)
    parser.add_argument("--batch-size", type=int, default=8, help="images a process")
    parser.add_argument("--objects", type=int, default=8, help="prompted objects an image")
    parser.add_argument("--image-size", type=int, help="side in pixels; the preset's if not given")
    parser.add_argument("--seed", type=int, default=0, help="give each round another")
    return parser


if __name__ == "__main__":
    main()
