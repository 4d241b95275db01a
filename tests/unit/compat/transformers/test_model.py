"""`Sam2Model`: shapes, prompts of batches, what is returned on demand, and errors; its numbers are in tests/parity."""

from typing import Any

import pytest
import torch
from torch import Tensor

from masklet.compat.transformers.config import Sam2Config
from masklet.compat.transformers.model import Sam2Model
from masklet.compat.transformers.native_config import from_native
from masklet.config import DecoderConfig, MemoryConfig, ModelConfig, TrunkConfig

CONFIG = ModelConfig(
    image_size=64,
    dim=64,
    trunk=TrunkConfig(
        embed_dim=8, stage_depths=(1, 1, 1, 1), window_sizes=(8, 4, 4, 2), global_blocks=(0,), position_grid=(4, 4)
    ),
    decoder=DecoderConfig(num_heads=2, mlp_dim=32),
    memory=MemoryConfig(dim=64),
)


@pytest.fixture(scope="module")
def model() -> Sam2Model:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Sam2Model(from_native(CONFIG, Sam2Config)).eval().requires_grad_(False)
        for weights in made.engine.parameters():
            weights.add_(torch.randn_like(weights) * 0.05)
    return made


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


PIXELS = noise(2, 3, 64, 64)
POINTS = noise(2, 3, 2, 2, seed=1) * 20 + 32
LABELS = torch.tensor([[[1, 0], [1, 1], [0, 1]], [[1, 1], [0, 0], [1, 0]]])
BOXES = torch.tensor([[[5.0, 6, 40, 50], [0, 0, 63, 63], [30.5, 20, 50, 31]]]).repeat(2, 1, 1)


def close(ours: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(ours, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("multimask", "num_masks"), [(True, 3), (False, 1)])
def test_what_is_returned(multimask, num_masks, model):
    output = model(PIXELS, POINTS, LABELS, multimask_output=multimask)
    assert list(output) == ["iou_scores", "pred_masks", "object_score_logits", "image_embeddings"]
    assert output.iou_scores.shape == (2, 3, num_masks)
    assert output.pred_masks.shape == (2, 3, num_masks, 16, 16)
    assert output.object_score_logits.shape == (2, 3, 1)
    assert [tuple(x.shape) for x in output.image_embeddings] == [(2, 8, 16, 16), (2, 16, 8, 8), (2, 64, 4, 4)]


def test_objects_and_images_are_answered_as_if_alone(model):
    whole = model(PIXELS, POINTS, LABELS, BOXES)
    for image in range(2):
        for index in range(3):
            part = (slice(image, image + 1), slice(index, index + 1))
            alone = model(PIXELS[part[0]], POINTS[part], LABELS[part], BOXES[part])
            close(alone.pred_masks, whole.pred_masks[part])
            close(alone.iou_scores, whole.iou_scores[part])
    assert (whole.pred_masks[:, 0] - whole.pred_masks[:, 1]).abs().max() > 0.01


def test_each_object_may_have_a_mask_of_its_own(model):
    masks = noise(2, 3, 16, 16, seed=2) * 5
    whole = model(PIXELS, POINTS, LABELS, input_masks=masks)
    for index in range(3):
        part = slice(index, index + 1)
        alone = model(PIXELS, POINTS[:, part], LABELS[:, part], input_masks=masks[:, part])
        close(alone.pred_masks, whole.pred_masks[:, part])
    one = model(PIXELS, POINTS, LABELS, input_masks=masks[:, :1]).pred_masks
    close(model(PIXELS, POINTS, LABELS, input_masks=masks[:, 0]).pred_masks, one)
    assert (one - whole.pred_masks).abs().max() > 0.001


def test_points_without_labels_are_in_the_object(model):
    close(model(PIXELS, POINTS).pred_masks, model(PIXELS, POINTS, torch.ones_like(LABELS)).pred_masks)


def test_without_prompts_there_is_one_object_an_image(model):
    assert model(PIXELS).pred_masks.shape == (2, 1, 3, 16, 16)


def test_no_objects_are_no_masks(model):
    assert model(PIXELS, POINTS[:, :0], LABELS[:, :0], multimask_output=False).pred_masks.shape == (2, 0, 1, 16, 16)


@pytest.mark.parametrize("by", ["keyword", "configuration"])
def test_more_is_returned_on_demand(by, model, monkeypatch):
    asked = {"output_hidden_states": True, "output_attentions": True}
    if by == "configuration":
        for name, value in asked.items():
            monkeypatch.setattr(model.config, name, value)
        asked = {}
    output = model(PIXELS, POINTS, LABELS, **asked)
    assert list(output)[4:] == ["vision_hidden_states", "vision_attentions", "mask_decoder_attentions"]
    assert len(output.vision_hidden_states) == 5
    assert len(output.vision_attentions) == 4
    assert [tuple(x.shape) for x in output.mask_decoder_attentions] == [(6, 2, 16, 9)] * 2


def test_of_given_embeddings_nothing_is_seen_of_the_trunk(model):
    embeddings = model.get_image_embeddings(PIXELS)
    output = model(image_embeddings=embeddings, output_hidden_states=True, output_attentions=True)
    assert list(output)[4:] == ["mask_decoder_attentions"]
    assert all(x is y for x, y in zip(output.image_embeddings, embeddings, strict=True))


def test_what_processors_give_besides_is_no_hindrance(model):
    inputs = {"pixel_values": PIXELS, "original_sizes": torch.tensor([[10, 20]] * 2), "labels": None}
    close(model(**inputs).pred_masks, model(PIXELS).pred_masks)


def test_tuples(model, monkeypatch):
    scores, masks, objects, embeddings = model(PIXELS, return_dict=False)
    assert scores.shape == (2, 1, 3)
    assert masks.ndim == 5
    assert objects.ndim == 3
    assert len(embeddings) == 3
    monkeypatch.setattr(model.config, "return_dict", False)
    assert isinstance(model(PIXELS), tuple)
    assert isinstance(model.get_image_features(PIXELS), tuple)


def test_bfloat16():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Sam2Model(from_native(CONFIG, Sam2Config)).eval().to(torch.bfloat16)
    output = model(
        PIXELS, POINTS, LABELS, BOXES, input_masks=noise(2, 1, 30, 40), attention_similarity=noise(1, 1, 1, 16)
    )
    assert output.pred_masks.dtype == torch.bfloat16
    assert output.pred_masks.isfinite().all()


def test_prompt_embeddings(model):
    sparse, dense = model.get_prompt_embeddings(POINTS, LABELS, BOXES, noise(2, 1, 16, 16))
    assert sparse.shape == (2, 3, 5, 64)
    assert dense.shape == (2, 64, 4, 4)
    sparse, dense = model.get_prompt_embeddings(input_boxes=BOXES)
    assert sparse.shape == (2, 3, 3, 64)
    assert dense.shape == (2, 64, 4, 4)
    sparse, dense = model.get_prompt_embeddings(input_masks=noise(2, 16, 16))
    assert sparse is None
    assert dense.shape == (2, 64, 4, 4)


def test_image_features_are_those_of_the_embeddings(model):
    stride4, stride8, stride16 = model.get_image_embeddings(PIXELS)
    features = model.get_image_features(PIXELS)
    close(features.fpn_hidden_states[0], stride4.flatten(2).permute(2, 0, 1))
    close(features.fpn_hidden_states[1], stride8.flatten(2).permute(2, 0, 1))
    close(features.fpn_hidden_states[2] + model.engine.no_memory, stride16.flatten(2).permute(2, 0, 1))
    assert [x.shape[0] for x in features.fpn_position_encoding] == [256, 64, 16]
    assert features.last_hidden_state.shape == (2, 2, 2, 64)


def test_image_wide_positions(model):
    grid = model.get_image_wide_positional_embeddings()
    assert grid.shape == (1, 64, 4, 4)
    assert model.get_input_embeddings()(PIXELS).shape == (2, 16, 16, 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either pixel_values or image_embeddings .*neither is given"),
        ({"pixel_values": PIXELS, "image_embeddings": [PIXELS]}, "both are given"),
        ({"image_embeddings": PIXELS}, r"image_embeddings is a tensor \(2, 3, 64, 64\); it must be the three maps"),
        ({"image_embeddings": [PIXELS]}, "image_embeddings is 1 values"),
        ({"pixel_values": PIXELS[..., :32]}, r"\(2, 3, 64, 32\).*height and width 64 x 64"),
        ({"pixel_values": PIXELS, "input_points": POINTS[:1]}, "2 images and prompts for 1"),
        ({"pixel_values": PIXELS, "input_points": POINTS, "input_boxes": BOXES[:, :2]}, "2 images of 3 objects"),
        ({"pixel_values": PIXELS, "input_points": POINTS[0]}, r"\(images, objects, points, 2\)"),
        ({"pixel_values": PIXELS, "input_points": POINTS.tolist()}, "is a list"),
        ({"pixel_values": PIXELS, "input_masks": noise(2, 2, 16, 16)}, "2 images of 1 objects"),
        ({"pixel_values": PIXELS, "target_embedding": noise(3, 1)}, "target_embedding has the shape"),
    ],
)
def test_what_is_wrong_is_named(arguments: dict[str, Any], message: str, model):
    with pytest.raises(ValueError, match=message):
        model(**arguments)


def test_its_parts_are_had_by_the_names_they_have_in_transformers(model):
    weights = dict(model.named_parameters())
    for part in ("vision_encoder", "prompt_encoder", "mask_decoder"):
        own = {id(weight) for name, weight in weights.items() if name.startswith(part)}
        assert own == {id(weight) for weight in getattr(model, part).parameters()}
    with torch.no_grad():
        features = model.vision_encoder(PIXELS)
        close(features.last_hidden_state, model.get_image_features(PIXELS).last_hidden_state)
        model(PIXELS)  # which has all its parts still
