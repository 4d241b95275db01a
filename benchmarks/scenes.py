"""How many scenes a second one process makes: still pictures, and frames of clips.

    python benchmarks/scenes.py --root DIR [--sizes 128 256] [--seconds 5]

DIR is what `python -m masklet.training.scenes.prepare --root DIR` filled. OpenCV is left one thread, as in a worker.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from masklet.training.samples import ClipSource
from masklet.training.scenes import MovingScenes, MovingScenesConfig, ScenesConfig, SyntheticScenes


def frames_per_second(source: ClipSource, seconds: float) -> float:
    """Frames drawn in a second of this process's time, after a tenth as long to warm up."""
    drawn, start = 0, 0.0
    for number, limit in enumerate((seconds / 10, seconds)):
        drawn, start = 0, time.process_time()
        while time.process_time() - start < limit:
            drawn += len(source.draw(0, np.random.default_rng([number, drawn])).frames)
    return drawn / (time.process_time() - start)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    cv2.setNumThreads(0)
    print("px    stills/s  clips' frames/s")
    for size in arguments.sizes:
        still = SyntheticScenes(ScenesConfig(root=arguments.root, image_size=size))
        moving = MovingScenes(MovingScenesConfig(root=arguments.root, image_size=size))
        rates = [frames_per_second(source, arguments.seconds) for source in (still, moving)]
        print(f"{size:<6}{rates[0]:<10.0f}{rates[1]:.0f}")


if __name__ == "__main__":
    main()
