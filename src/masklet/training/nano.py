"""The recipe of the bundled model: `python -m masklet.training.nano --sources DIR --run DIR --steps N`.

Images only so far: the memory parts keep their initial values. Rounds go on from the run's state; give the last one
`--decay-steps` and the averaged weights, in half precision, are what ships.
"""

import argparse
from pathlib import Path

import torch

from masklet.checkpoint.save import save_model
from masklet.config import preset
from masklet.model import Sam2
from masklet.training.batches import image_batches
from masklet.training.fit import Fit, FitConfig
from masklet.training.initialise import initialise
from masklet.training.synthetic import SceneConfig, SyntheticScenes


def main() -> None:
    """Train for some steps more and write the averaged weights to the run's folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=Path, required=True, help="folder that masklet.training.sources prepared")
    parser.add_argument("--run", type=Path, required=True, help="folder of the run; resumed where it has a state")
    parser.add_argument("--steps", type=int, required=True, help="step to train to, counted over all rounds")
    parser.add_argument("--decay-steps", type=int, default=0, help="last steps, with the rate falling to zero")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--objects", type=int, default=8, help="prompted objects an image")
    parser.add_argument("--image-size", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0, help="give each round another")
    arguments = parser.parse_args()

    config = preset("nano").with_image_size(arguments.image_size)
    torch.manual_seed(arguments.seed)
    model = Sam2(config)
    initialise(model)
    fit = Fit(
        model,
        FitConfig(
            steps=arguments.steps,
            decay_steps=arguments.decay_steps,
            learning_rate=arguments.learning_rate,
            seed=arguments.seed,
        ),
        arguments.run,
    )
    scenes = SyntheticScenes(arguments.sources, SceneConfig(image_size=config.image_size), seed=arguments.seed)
    batches = image_batches(scenes, arguments.batch_size, arguments.objects, seed=arguments.seed)
    weights = arguments.run / "average.safetensors"
    fit.run(batches, on_save=lambda model: save_model(model, weights, dtype=torch.float16))


if __name__ == "__main__":
    main()
