"""The names and signatures of the `sam2` package over masklet's engine: change the import, keep the code.

    from masklet.compat.sam2 import build_sam2, SAM2AutomaticMaskGenerator, SAM2ImagePredictor

docs/sam2.md says what differs from the original on purpose. What stays as it is: by default a correction of a tracked
frame is an ordinary memory, which tracking over that frame replaces; add_all_frames_to_correct_as_cond=True makes it
last.
"""

from masklet.compat.sam2.automatic import SAM2AutomaticMaskGenerator
from masklet.compat.sam2.build import SAM2Base, build_sam2, build_sam2_hf
from masklet.compat.sam2.image_predictor import SAM2ImagePredictor
from masklet.compat.sam2.video_predictor import (
    SAM2VideoPredictor,
    build_sam2_video_predictor,
    build_sam2_video_predictor_hf,
)

__all__ = [
    "SAM2AutomaticMaskGenerator",
    "SAM2Base",
    "SAM2ImagePredictor",
    "SAM2VideoPredictor",
    "build_sam2",
    "build_sam2_hf",
    "build_sam2_video_predictor",
    "build_sam2_video_predictor_hf",
]
