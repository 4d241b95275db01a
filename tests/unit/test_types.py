"""The values between the parts: batches of features, and the best of some masks."""

import numpy as np
import pytest
import torch

from masklet.types import ImageFeatures, MaskPrediction, PointLabel, Points


@pytest.fixture
def features() -> ImageFeatures:
    """Of three images, each different."""
    torch.manual_seed(0)
    return ImageFeatures(
        torch.randn(3, 8, 2, 2), torch.randn(3, 4, 4, 4), torch.randn(3, 2, 8, 8), ((10, 20), (30, 40), (50, 60))
    )


def test_length(features):
    assert len(features) == 3


@pytest.mark.parametrize(("index", "image"), [(0, 0), (1, 1), (2, 2), (-1, 2), (-3, 0)])
def test_one_image_is_a_batch_of_one(features, index, image):
    one = features[index]
    assert len(one) == 1
    for name in ("stride16", "stride8", "stride4"):
        part, whole = getattr(one, name), getattr(features, name)
        assert part.shape == (1, *whole.shape[1:])
        assert torch.equal(part[0], whole[image])
    assert one.image_sizes == (features.image_sizes[image],)


@pytest.mark.parametrize("index", [3, -4])
def test_there_is_no_other_image(features, index):
    with pytest.raises(IndexError):
        features[index]


def test_images_one_by_one(features):
    assert [one.image_sizes for one in features] == [((10, 20),), ((30, 40),), ((50, 60),)]


def test_another_dtype_is_a_copy(features):
    half = features.to(dtype=torch.bfloat16)
    for name in ("stride16", "stride8", "stride4"):
        assert getattr(half, name).dtype == torch.bfloat16
        assert getattr(features, name).dtype == torch.float32
        assert torch.equal(getattr(half, name), getattr(features, name).bfloat16())
    assert half.image_sizes == features.image_sizes


def test_another_device(features):
    elsewhere = features.to("meta")
    assert {x.device.type for x in (elsewhere.stride16, elsewhere.stride8, elsewhere.stride4)} == {"meta"}
    assert elsewhere.stride16.dtype == torch.float32
    both = features.to(torch.device("meta"), torch.float16)
    assert (both.stride4.device.type, both.stride4.dtype) == ("meta", torch.float16)


def prediction(masks: np.ndarray, scores: np.ndarray) -> MaskPrediction:
    return MaskPrediction(
        masks=masks,
        scores=scores,
        low_res_logits=np.zeros((*scores.shape, 2, 2), np.float32),
        object_score=np.zeros(scores.shape[:-1], np.float32),
    )


def test_best_of_one_prompt():
    masks = np.random.default_rng(0).random((3, 5, 6)) > 0.5
    best = prediction(masks, np.array([0.2, 0.9, 0.4], np.float32)).best
    assert best.shape == (5, 6)
    assert np.array_equal(best, masks[1])


def test_best_of_several_prompts():
    masks = np.random.default_rng(0).random((4, 3, 5, 6)) > 0.5
    scores = np.array([[0.1, 0.2, 0.3], [0.9, 0.2, 0.3], [0.1, 0.5, 0.4], [0.3, 0.3, 0.1]], np.float32)
    best = prediction(masks, scores).best
    assert best.shape == (4, 5, 6)
    for prompt, mask in enumerate((2, 0, 1, 0)):
        assert np.array_equal(best[prompt], masks[prompt, mask])


def test_best_where_there_is_one_mask():
    masks = np.ones((2, 1, 5, 6), bool)
    assert prediction(masks, np.array([[0.1], [0.0]], np.float32)).best.shape == (2, 5, 6)


def test_labels_have_the_released_models_numbers():
    assert [(label.name, int(label)) for label in PointLabel] == [
        ("PADDING", -1),
        ("NEGATIVE", 0),
        ("POSITIVE", 1),
        ("BOX_TOP_LEFT", 2),
        ("BOX_BOTTOM_RIGHT", 3),
    ]


def test_points_of_boxes_join_and_slice():
    boxes = Points.of_boxes(torch.arange(8.0).view(2, 2, 2))
    assert boxes.labels.tolist() == [[2, 3], [2, 3]]
    both = boxes.join(Points(torch.zeros(2, 1, 2), torch.ones(2, 1, dtype=torch.long)))
    assert both.labels.tolist() == [[2, 3, 1], [2, 3, 1]]
    assert both[1:].coords.tolist() == [[[4, 5], [6, 7], [0, 0]]]
    assert both.to("cpu").coords.device.type == "cpu"
