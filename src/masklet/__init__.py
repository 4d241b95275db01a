"""masklet: promptable segmentation in images and videos.

SAM 2 (Ravi et al., 2024) as a small, fast, typed library.
"""

from masklet.config import ModelConfig
from masklet.ops.mask_record import MaskRecord
from masklet.predictors.generator_options import GeneratorOptions
from masklet.predictors.image import ImagePredictor
from masklet.predictors.mask_generator import MaskGenerator
from masklet.predictors.session_options import SessionOptions
from masklet.predictors.video import VideoSession
from masklet.runtime.load import load_model
from masklet.tracking.policy import TrackingPolicy
from masklet.types import FrameMasks, ImageFeatures, MaskPrediction, PointLabel, Prompt

__version__ = "0.1.0"

__all__ = [
    "FrameMasks",
    "GeneratorOptions",
    "ImageFeatures",
    "ImagePredictor",
    "MaskGenerator",
    "MaskPrediction",
    "MaskRecord",
    "ModelConfig",
    "PointLabel",
    "Prompt",
    "SessionOptions",
    "TrackingPolicy",
    "VideoSession",
    "load_model",
]
