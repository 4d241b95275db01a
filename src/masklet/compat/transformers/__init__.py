"""The names of Hugging Face's `transformers` for SAM 2, over masklet: change the import line and nothing else."""

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
from masklet.compat.transformers.mask_generation import MaskGenerationPipeline, pipeline
from masklet.compat.transformers.processor import Sam2Processor

__all__ = [
    "BatchEncoding",
    "BatchFeature",
    "MaskGenerationPipeline",
    "Sam2Config",
    "Sam2HieraDetConfig",
    "Sam2ImageProcessor",
    "Sam2MaskDecoderConfig",
    "Sam2Processor",
    "Sam2PromptEncoderConfig",
    "Sam2VideoConfig",
    "Sam2VideoMaskDecoderConfig",
    "Sam2VideoPromptEncoderConfig",
    "Sam2VisionConfig",
    "load_image",
    "pipeline",
]
