"""Prompts in Hugging Face's form, as embeddings."""

from typing import Any

import pytest
import torch

from masklet.compat.transformers.nested import PAD_VALUE
from masklet.compat.transformers.prompts import Prompts, dense_embeddings, resize_masks, sparse_embeddings
from masklet.config import ModelConfig
from masklet.model.prompt_encoder import PromptEncoder
from masklet.types import Points

POINTS = torch.tensor([[[[10.0, 20.0], [30.0, 5.5]], [[1.0, 2.0], [-10.0, -10.0]]]])
LABELS = torch.tensor([[[1, 0], [1, PAD_VALUE]]])
BOXES = torch.tensor([[[3.0, 4.0, 30.0, 40.0], [0.0, 0.0, 63.0, 63.0]]])


@pytest.fixture(scope="module")
def encoder(tiny: ModelConfig) -> PromptEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return PromptEncoder(tiny).requires_grad_(False)


def sparse(encoder: PromptEncoder, prompts: Prompts) -> torch.Tensor:
    tokens = sparse_embeddings(encoder, prompts)
    assert tokens is not None
    return tokens


def test_points_are_followed_by_one_token_that_is_none(encoder):
    tokens = sparse(encoder, Prompts(points=POINTS, labels=LABELS))
    assert tokens.shape == (1, 2, 3, 32)
    torch.testing.assert_close(tokens[0, :1], encoder.encode_points(Points(POINTS[0, :1], LABELS[0, :1])))
    torch.testing.assert_close(tokens[0, 1, -1], encoder.labels[0])


def test_filling_is_a_token_of_zeros_and_a_point_that_is_none_is_not(encoder):
    tokens = sparse(encoder, Prompts(points=POINTS, labels=LABELS))
    assert tokens[0, 1, 1].eq(0).all()
    tokens = sparse(encoder, Prompts(points=POINTS, labels=LABELS.clamp(min=-1)))
    torch.testing.assert_close(tokens[0, 1, 1], encoder.labels[0])


def test_a_box_is_its_corners_and_comes_after_the_points(encoder):
    of_boxes = sparse(encoder, Prompts(boxes=BOXES))
    assert of_boxes.shape == (1, 2, 3, 32)
    torch.testing.assert_close(of_boxes[0], encoder.encode_points(Points.of_boxes(BOXES.view(-1, 2, 2))))
    both = sparse(encoder, Prompts(points=POINTS, labels=LABELS, boxes=BOXES))
    of_points = sparse(encoder, Prompts(points=POINTS, labels=LABELS))
    torch.testing.assert_close(both, torch.cat((of_points[:, :, :2], of_boxes), dim=2))


def test_coordinates_of_any_kind_are_read_in_float32(tiny):
    encoder = PromptEncoder(tiny).to(torch.bfloat16)
    whole = sparse(encoder, Prompts(points=POINTS.round().long(), labels=LABELS.float()))
    assert whole.dtype == torch.bfloat16
    torch.testing.assert_close(whole, sparse(encoder, Prompts(points=POINTS.round(), labels=LABELS)))


def test_neither_points_nor_boxes_are_no_tokens(encoder):
    assert sparse_embeddings(encoder, Prompts()) is None


def test_gradients_reach_labels_and_coordinates(tiny):
    encoder = PromptEncoder(tiny)
    points = POINTS.clone().requires_grad_()
    sparse(encoder, Prompts(points=points, labels=LABELS)).square().sum().backward()
    assert points.grad is not None
    assert points.grad[0, 0].ne(0).all()
    assert points.grad[0, 1, 1].eq(0).all()
    assert encoder.labels.grad is not None
    assert [bool(row.ne(0).any()) for row in encoder.labels.grad] == [True, True, True, False, False]


def test_no_mask_is_one_map_for_all(encoder):
    assert dense_embeddings(encoder, None, (2, 3)).shape == (1, 32, 4, 4)


@pytest.mark.parametrize(
    ("given", "expected"),
    [((2, 1), 6), ((2, 3), 6), ((1, 3), 6), ((1, 1), 1), ((2,), 6)],
    ids=["an image", "an object", "objects of all images", "all", "an image, three axes"],
)
def test_masks_are_of_images_or_of_objects(given, expected, encoder):
    masks = torch.randn(*given, 16, 16, generator=torch.Generator().manual_seed(0))
    dense = dense_embeddings(encoder, masks, (2, 3))
    assert dense.shape == (expected, 32, 4, 4)
    of_all = masks[:, None] if masks.ndim == 3 else masks
    of_all = of_all.expand(2, 3, 16, 16).flatten(0, 1)[:, None]
    torch.testing.assert_close(dense.expand(6, -1, -1, -1), encoder.encode_mask(of_all))


def test_masks_of_another_size_are_resized(encoder):
    masks = torch.randn(1, 1, 40, 32, generator=torch.Generator().manual_seed(0))
    resized = resize_masks(masks, 16)
    expected = torch.nn.functional.interpolate(masks, (16, 16), mode="bilinear", antialias=True)
    torch.testing.assert_close(resized, expected)
    torch.testing.assert_close(dense_embeddings(encoder, masks, (1, 1)), encoder.encode_mask(expected))
    assert resize_masks(resized, 16) is resized


def test_whole_numbers_and_booleans_can_be_masks(encoder):
    mask = torch.rand(1, 1, 32, 32) > 0.5
    expected = dense_embeddings(encoder, mask.float(), (1, 1))
    torch.testing.assert_close(dense_embeddings(encoder, mask, (1, 1)), expected)
    torch.testing.assert_close(dense_embeddings(encoder, mask.long(), (1, 1)), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"points": POINTS[0], "labels": LABELS[0]}, r"input_points .*\(images, objects, points, 2\).*\(2, 2, 2\)"),
        ({"points": POINTS.tolist(), "labels": LABELS}, "input_points .* is a list: processors .* return_tensors='pt'"),
        ({"points": torch.zeros(1, 1, 1, 3), "labels": torch.ones(1, 1, 1)}, r"input_points .*\(1, 1, 1, 3\)"),
        ({"points": POINTS}, "without input_labels"),
        (
            {"points": POINTS, "labels": LABELS[:, :1]},
            r"\(1, 1, 2\), but there must be one for each point: \(1, 2, 2\)",
        ),
        ({"points": POINTS, "labels": LABELS + 5}, "input_labels have 6; they can be 1"),
        ({"points": POINTS, "labels": LABELS * 2 - 2}, "input_labels have -2"),
        ({"boxes": BOXES[0]}, r"input_boxes .*\(images, objects, 4\).*\(2, 4\)"),
        ({"boxes": BOXES[..., :3]}, r"input_boxes .*\(1, 2, 3\)"),
        (
            {"points": POINTS, "labels": LABELS, "boxes": BOXES[:, :1]},
            "1 images of 2 objects, input_boxes for 1 images of",
        ),
        ({"masks": torch.zeros(16, 16)}, r"input_masks .*\(16, 16\)"),
    ],
)
def test_wrong_prompts_are_named(arguments: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        Prompts(**arguments)


@pytest.mark.parametrize("given", [(3, 1), (2, 2), (1, 4)])
def test_masks_that_fit_no_object_are_named(given, encoder):
    with pytest.raises(ValueError, match=r"for 2 images of 3 objects they must begin with \(2, 1\), or with \(2, 3\)"):
        dense_embeddings(encoder, torch.zeros(*given, 16, 16), (2, 3))
