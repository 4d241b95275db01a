"""The names and signatures of the `sam2` package over masklet's engine: change the import, keep the code.

    from masklet.compat.sam2 import build_sam2, build_sam2_video_predictor, SAM2ImagePredictor

What differs from the original, on purpose:

- Nothing is compiled at install: holes are filled and sprinkles removed on every device, never skipped with a warning.
- `build_sam2` takes checkpoints of every layout that masklet reads, and `device="cuda"` (the default) means the best
  device there is where there is no CUDA.
- Overrides are read without Hydra: a field that does not exist, or a value that no released model has and masklet does
  not implement, is a ValueError.
- Any image size works in the image predictor, not 1024 alone.
- Prompts that mean nothing (labels out of range, a `mask_input` of the wrong size, counts that disagree) are a
  ValueError that names them.
- `init_state` takes videos and pictures of all kinds, and keeps no frames on the device.
- The inference state's entry `tracker` holds objects, prompts and memories, in place of the original's dictionaries.
- Overrides of fill_hole_area and binarize_mask_from_pts_for_mem_enc count, whatever apply_postprocessing says.
- Calls that fail leave no object behind, and what fails in the original by mistake works (float32 before the first
  prompted frame, clear_non_cond_mem_around_input, prompts after all of an object were cleared).

docs/sam2.md has the whole list. What stays as it is: by default a correction of a tracked frame is an ordinary memory,
which tracking over that frame replaces; add_all_frames_to_correct_as_cond=True makes it last.
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
