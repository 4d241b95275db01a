"""The names of Hugging Face's `transformers` for SAM 2, over masklet: change the import line and nothing else."""

from masklet.compat.transformers.auto import AutoModel, AutoProcessor
from masklet.compat.transformers.batch import BatchEncoding, BatchFeature
from masklet.compat.transformers.config import (
    Sam2Config,
    Sam2HieraDetConfig,
    Sam2MaskDecoderConfig,
    Sam2PromptEncoderConfig,
    Sam2VideoConfig,
    Sam2VideoMaskDecoderConfig,
    Sam2VideoPromptEncoderConfig,
    Sam2VisionConfig,
)
from masklet.compat.transformers.image_processor import Sam2ImageProcessor
from masklet.compat.transformers.load_image import load_image
from masklet.compat.transformers.load_video import load_video
from masklet.compat.transformers.mask_generation import MaskGenerationPipeline, pipeline
from masklet.compat.transformers.model import Sam2Model
from masklet.compat.transformers.processor import Sam2Processor
from masklet.compat.transformers.session import Sam2VideoInferenceSession
from masklet.compat.transformers.video_model import Sam2VideoModel
from masklet.compat.transformers.video_processor import Sam2VideoProcessor
from masklet.compat.transformers.video_video_processor import Sam2VideoVideoProcessor
from masklet.compat.transformers.vision import Sam2HieraDetModel, Sam2VisionModel

__all__ = [
    "AutoModel",
    "AutoProcessor",
    "BatchEncoding",
    "BatchFeature",
    "MaskGenerationPipeline",
    "Sam2Config",
    "Sam2HieraDetConfig",
    "Sam2HieraDetModel",
    "Sam2ImageProcessor",
    "Sam2MaskDecoderConfig",
    "Sam2Model",
    "Sam2Processor",
    "Sam2PromptEncoderConfig",
    "Sam2VideoConfig",
    "Sam2VideoInferenceSession",
    "Sam2VideoMaskDecoderConfig",
    "Sam2VideoModel",
    "Sam2VideoProcessor",
    "Sam2VideoPromptEncoderConfig",
    "Sam2VideoVideoProcessor",
    "Sam2VisionConfig",
    "Sam2VisionModel",
    "load_image",
    "load_video",
    "pipeline",
]
