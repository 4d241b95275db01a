"""masklet: promptable segmentation in images and videos.

SAM 2 (Ravi et al., 2024) as a small, fast, typed library.
"""

from masklet.config import ModelConfig
from masklet.predictors.image import ImagePredictor
from masklet.runtime.load import load_model
from masklet.types import ImageFeatures, MaskPrediction, PointLabel, Prompt

__version__ = "0.1.0"

__all__ = ["ImageFeatures", "ImagePredictor", "MaskPrediction", "ModelConfig", "PointLabel", "Prompt", "load_model"]
