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

__all__ = [
    "BatchEncoding",
    "BatchFeature",
    "Sam2Config",
    "Sam2HieraDetConfig",
    "Sam2MaskDecoderConfig",
    "Sam2PromptEncoderConfig",
    "Sam2VideoConfig",
    "Sam2VideoMaskDecoderConfig",
    "Sam2VideoPromptEncoderConfig",
    "Sam2VisionConfig",
]
