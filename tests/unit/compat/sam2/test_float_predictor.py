"""`FloatPredictor`: what becomes of bytes and of floats."""

import numpy as np
import pytest
import torch

from masklet.compat.sam2.float_predictor import FloatPredictor
from masklet.predictors.image import ImagePredictor


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (45, 70, 3), np.uint8)


def test_bytes_and_unit_floats_are_the_same_picture(remembering_model, image):
    predictor = FloatPredictor(remembering_model)
    pair = predictor.encode_batch([image, image[:20].astype(np.float32) / 255])
    assert pair.image_sizes == ((45, 70), (20, 70))
    torch.testing.assert_close(pair[0].stride16, predictor.encode(image).stride16, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(pair[1].stride16, predictor.encode(image[:20]).stride16, atol=1e-4, rtol=1e-4)
    native = ImagePredictor(remembering_model).encode(image)
    torch.testing.assert_close(pair[0].stride16, native.stride16, atol=1e-4, rtol=1e-4)


def test_floats_are_not_rescaled(remembering_model, image):
    predictor = FloatPredictor(remembering_model)
    plain, scaled = predictor.encode(image), predictor.encode(image.astype(np.float32))
    assert (plain.stride16 - scaled.stride16).abs().max() > 0.1


def test_other_shapes_are_refused(remembering_model, image):
    with pytest.raises(AssertionError, match=r"RGB of shape \(H, W, 3\), not \(45, 70\)"):
        FloatPredictor(remembering_model).encode(image[..., 0])
