"""`SAM2ImagePredictor`: the original's shapes, dtypes, errors and forms of prompts."""

import inspect

import numpy as np
import pytest
import torch
from PIL import Image

from masklet.compat.sam2 import SAM2ImagePredictor, build_sam2

POINT, LABEL = np.array([[20.0, 10.0]]), np.array([1])
BOXES = np.array([[1.0, 2.0, 30.0, 40.0], [5.0, 5.0, 60.0, 40.0]])


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build_sam2("nano", device="cpu", hydra_overrides_extra=["++model.image_size=64"])


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (45, 70, 3), np.uint8)


@pytest.fixture
def predictor(model, image) -> SAM2ImagePredictor:
    predictor = SAM2ImagePredictor(model)
    predictor.set_image(image)
    return predictor


def test_signatures_are_the_originals():
    names = list(inspect.signature(SAM2ImagePredictor.predict).parameters)[1:]
    assert names == [
        "point_coords", "point_labels", "box", "mask_input", "multimask_output", "return_logits", "normalize_coords",
    ]  # fmt: skip
    batch = list(inspect.signature(SAM2ImagePredictor.predict_batch).parameters)[1:]
    assert batch == [f"{name}_batch" for name in names[:4]] + names[4:]


def test_masks_are_float_arrays_of_zeros_and_ones(predictor):
    masks, scores, low = predictor.predict(POINT, LABEL)
    assert masks.shape == (3, 45, 70)
    assert masks.dtype == np.float32
    assert set(np.unique(masks)) <= {0.0, 1.0}
    assert scores.shape == (3,)
    assert low.shape == (3, 16, 16)
    logits = predictor.predict(POINT, LABEL, return_logits=True)[0]
    assert np.array_equal(logits > 0, masks > 0)


@pytest.mark.parametrize(
    ("prompts", "shape"),
    [
        ({}, (1, 45, 70)),
        ({"point_coords": POINT, "point_labels": LABEL}, (1, 45, 70)),
        ({"point_coords": np.stack([POINT] * 4), "point_labels": np.ones((4, 1))}, (4, 1, 45, 70)),
        ({"point_coords": POINT, "point_labels": np.array([True])}, (1, 45, 70)),
        ({"box": BOXES[0]}, (1, 45, 70)),
        ({"box": BOXES[:1]}, (1, 45, 70)),
        ({"box": BOXES}, (2, 1, 45, 70)),
        ({"box": BOXES[0], "point_coords": POINT, "point_labels": LABEL}, (1, 45, 70)),
        ({"mask_input": np.zeros((1, 16, 16), np.float32)}, (1, 45, 70)),
    ],
)
def test_every_form_of_prompt(predictor, prompts, shape):
    assert predictor.predict(**prompts, multimask_output=False)[0].shape == shape


def test_normalised_coordinates(predictor):
    absolute = predictor.predict(POINT, LABEL, box=BOXES[0])
    size = np.array([70, 45])
    relative = predictor.predict(POINT / size, LABEL, box=BOXES[0] / np.tile(size, 2), normalize_coords=False)
    np.testing.assert_allclose(absolute[2], relative[2], atol=1e-4)


def test_batch_equals_one_by_one(model, predictor, image):
    expected = predictor.predict(POINT, LABEL)
    predictor.set_image_batch([image[:20], image])
    masks, _, low = predictor.predict_batch([POINT, POINT], [LABEL, LABEL])
    assert [m.shape for m in masks] == [(3, 20, 70), (3, 45, 70)]
    np.testing.assert_allclose(low[1], expected[2], atol=1e-4)
    np.testing.assert_allclose(predictor.predict(POINT, LABEL)[2], expected[2], atol=1e-4)  # the last image


def test_pil_and_float_images(model, predictor, image):
    expected = predictor.get_image_embedding()
    for same in (Image.fromarray(image), image.astype(np.float32) / 255):
        predictor.set_image(same)
        torch.testing.assert_close(predictor.get_image_embedding(), expected, atol=1e-5, rtol=1e-5)


def test_native_model_is_taken_too(model, image, predictor):
    other = SAM2ImagePredictor(model.model)
    other.set_image(image)
    np.testing.assert_array_equal(other.predict(POINT, LABEL)[0], predictor.predict(POINT, LABEL)[0])


def test_holes_are_filled_and_sprinkles_removed_on_the_cpu(model, image):
    """With an area that no component exceeds, everything outside is a hole, and everything inside a sprinkle."""
    for areas, inside in (({"max_hole_area": 256.0}, 1), ({"max_sprinkle_area": 256.0}, 0)):
        predictor = SAM2ImagePredictor(model, **areas)
        predictor.set_image(image)
        assert (predictor.predict(POINT, LABEL)[0] == inside).all()


def test_errors_of_the_original(model, predictor, image):
    with pytest.raises(AssertionError, match="point_labels"):
        predictor.predict(POINT)
    with pytest.raises(AssertionError, match="set_image_batch"):
        predictor.predict_batch([POINT], [LABEL])
    with pytest.raises(NotImplementedError, match="not supported"):
        predictor.set_image("truck.jpg")
    with pytest.raises(AssertionError, match="list"):
        predictor.set_image_batch(image)
    with pytest.raises(AssertionError, match="RGB"):
        predictor.set_image(image[..., 0])
    predictor.reset_predictor()
    for call in (lambda: predictor.predict(POINT, LABEL), predictor.get_image_embedding):
        with pytest.raises(RuntimeError, match="set_image"):
            call()


def test_mask_input_of_another_size(predictor):
    with pytest.raises(ValueError, match="16, 16"):
        predictor.predict(POINT, LABEL, mask_input=np.zeros((1, 256, 256), np.float32))


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ({"point_coords": POINT, "point_labels": [5]}, r"not \[5\]"),
        ({"point_coords": POINT, "point_labels": [-2]}, r"not \[-2\]"),
        ({"point_coords": POINT, "point_labels": [0.5]}, r"not \[0.5\]"),
        ({"point_coords": POINT, "point_labels": [1, 1]}, r"\(2,\).*\(1, 2\)"),
        ({"point_coords": POINT * np.nan, "point_labels": LABEL}, "finite"),
        ({"box": np.ones(3)}, r"\(3,\)"),
        ({"box": BOXES, "point_coords": POINT, "point_labels": LABEL}, "points are 1 prompts, but boxes are 2"),
        ({"box": BOXES, "mask_input": np.zeros((3, 1, 16, 16))}, "2 prompts, but mask_input is 3"),
    ],
)
def test_wrong_prompts_are_named(predictor, prompts, message):
    with pytest.raises(ValueError, match=message):
        predictor.predict(**prompts)


def test_as_many_prompts_as_images(predictor, image):
    predictor.set_image_batch([image, image])
    with pytest.raises(ValueError, match="2 images were set"):
        predictor.predict_batch([POINT], [LABEL])


def test_a_model_in_training_mode_has_no_fallback(image):
    """As in the original, where the dynamic choice of a mask is for evaluation alone."""
    model = build_sam2("nano", device="cpu", mode="train", hydra_overrides_extra=["++model.image_size=64"])
    predictor = SAM2ImagePredictor(model)
    predictor.set_image(image)
    predictor.predict(POINT, LABEL, multimask_output=False)
    assert predictor._predictor.stability is None
    model.eval()
    predictor.predict(POINT, LABEL, multimask_output=False)
    assert predictor._predictor.stability == model.stability
