"""The names and signatures of the `sam2` package over masklet's engine: change the import, keep the code.

    from masklet.compat.sam2 import build_sam2, SAM2ImagePredictor

What differs from the original, on purpose:

- Nothing is compiled at install: holes are filled and sprinkles removed on every device, never skipped with a warning.
- `build_sam2` takes checkpoints of every layout that masklet reads, and `device="cuda"` (the default) means the best
  device there is where there is no CUDA.
- Overrides are read without Hydra: a field that does not exist, or a value that no released model has and masklet does
  not implement, is a ValueError.
- Any image size works in the image predictor, not 1024 alone.
- Prompts that mean nothing (labels out of range, a `mask_input` of the wrong size, counts that disagree) are a
  ValueError that names them.
"""

from masklet.compat.sam2.build import SAM2Base, build_sam2, build_sam2_hf
from masklet.compat.sam2.image_predictor import SAM2ImagePredictor
from masklet.compat.sam2.video_predictor import (
    SAM2VideoPredictor,
    build_sam2_video_predictor,
    build_sam2_video_predictor_hf,
)

__all__ = [
    "SAM2Base",
    "SAM2ImagePredictor",
    "SAM2VideoPredictor",
    "build_sam2",
    "build_sam2_hf",
    "build_sam2_video_predictor",
    "build_sam2_video_predictor_hf",
]
