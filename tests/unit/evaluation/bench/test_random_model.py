"""Models with random weights are the same each time, and see objects."""

import pytest
import torch

from masklet.config import preset
from masklet.evaluation.bench.clip import DiscClip
from masklet.evaluation.bench.random_model import random_model
from masklet.predictors.image import ImagePredictor


@pytest.fixture(scope="module")
def nano():
    return random_model("nano", image_size=64)


def test_it_is_the_named_model(nano):
    assert nano.config == preset("nano").with_image_size(64)
    assert not nano.training
    assert nano.dtype == torch.float32


def test_weights_are_the_same_and_no_random_number_is_used_up(nano):
    before = torch.get_rng_state()
    again = random_model("nano", image_size=64, dtype=torch.bfloat16)
    assert torch.equal(torch.get_rng_state(), before)
    assert again.dtype == torch.bfloat16
    weights = dict(again.named_parameters())
    assert all(torch.equal(weights[name], value.bfloat16()) for name, value in nano.named_parameters())


def test_it_sees_objects(nano):
    predictor, clip = ImagePredictor(nano), DiscClip(1)
    found = predictor.predict(predictor.encode(clip[0]), points=clip.centres(0), labels=[1])
    assert found.object_score > 0


def test_unknown_names():
    with pytest.raises(ValueError, match="nobody"):
        random_model("nobody")
