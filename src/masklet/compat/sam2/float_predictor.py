"""masklet's image predictor for pictures as the original takes them: bytes, or floats that are not rescaled."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from masklet.io.images import ImageLike, preprocess_float
from masklet.predictors.image import ImagePredictor
from masklet.types import ImageFeatures


class FloatPredictor(ImagePredictor):
    """An `ImagePredictor` whose images become floats before they are resized, and are resized in one piece."""

    @torch.no_grad()
    def encode_batch(self, images: Sequence[ImageLike]) -> ImageFeatures:
        """Encode RGB pictures (H, W, 3): uint8 in 0..255, or floats, which are not rescaled."""
        arrays = [np.asarray(image) for image in images]
        for array in arrays:
            assert array.shape[2:] == (3,), f"an image is RGB of shape (H, W, 3), not {array.shape}"
        squares = []
        for array in arrays:
            pixels = torch.as_tensor(array.copy()).permute(2, 0, 1)
            scale = 255 if pixels.dtype == torch.uint8 else 1
            squares.append(preprocess_float(pixels.float().div_(scale), self.model.config.image_size))
        features = self.model.encode_image(torch.stack(squares).to(self.model.device, self.model.dtype))
        return replace(features, image_sizes=tuple((array.shape[0], array.shape[1]) for array in arrays))
