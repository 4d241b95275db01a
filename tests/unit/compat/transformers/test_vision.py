"""The image encoder and its trunk as models of their own."""

from typing import Any

import pytest
import torch

from masklet.compat.transformers.config import Sam2HieraDetConfig, Sam2VisionConfig
from masklet.compat.transformers.vision import Sam2HieraDetModel, Sam2VisionModel, Wanted, checked_pixels, positions
from masklet.model.position import sine_map

TRUNK: dict[str, Any] = {
    "hidden_size": 8,
    "image_size": [64, 64],
    "window_positional_embedding_background_size": [4, 4],
    "blocks_per_stage": [1, 1, 1, 1],
    "embed_dim_per_stage": [8, 16, 32, 64],
    "window_size_per_stage": [8, 4, 4, 2],
    "global_attention_blocks": [0],
}
VISION: dict[str, Any] = {
    "backbone_config": TRUNK,
    "backbone_channel_list": [64, 32, 16, 8],
    "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
    "fpn_hidden_size": 64,
}
PIXELS = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def trunk() -> Sam2HieraDetModel:
    return Sam2HieraDetModel(Sam2HieraDetConfig(**TRUNK)).eval()


@pytest.fixture(scope="module")
def vision() -> Sam2VisionModel:
    return Sam2VisionModel(Sam2VisionConfig(**VISION)).eval()


def test_the_trunk(trunk):
    output = trunk(PIXELS)
    assert list(output) == ["last_hidden_state", "intermediate_hidden_states"]
    shapes = [(2, 16, 16, 8), (2, 8, 8, 16), (2, 4, 4, 32), (2, 2, 2, 64)]
    assert [tuple(x.shape) for x in output.intermediate_hidden_states] == shapes
    assert output.last_hidden_state is output.intermediate_hidden_states[-1]
    assert output.last_hidden_state.requires_grad


def test_the_image_encoder(vision):
    output = vision(PIXELS)
    assert list(output) == ["last_hidden_state", "fpn_hidden_states", "fpn_position_encoding"]
    shapes = [(2, 64, 16, 16), (2, 64, 8, 8), (2, 64, 4, 4)]
    assert [tuple(x.shape) for x in output.fpn_hidden_states] == shapes
    assert [tuple(x.shape) for x in output.fpn_position_encoding] == shapes
    assert output.last_hidden_state.shape == (2, 2, 2, 64)


@pytest.mark.parametrize("kind", ["trunk", "vision"])
def test_more_is_returned_on_demand(kind, request):
    model = request.getfixturevalue(kind)
    output = model(PIXELS, output_hidden_states=True, output_attentions=True)
    assert len(output.hidden_states) == 5
    assert len(output.attentions) == 4
    assert output.hidden_states[-1] is output.last_hidden_state
    assert isinstance(model(PIXELS, return_dict=False), tuple)
    assert model.get_input_embeddings()(PIXELS).shape == (2, 16, 16, 8)


def test_other_sizes_and_dtypes(vision):
    assert [tuple(x.shape) for x in vision(PIXELS[..., :32, :].double()).fpn_hidden_states] == [
        (2, 64, 8, 16),
        (2, 64, 4, 8),
        (2, 64, 2, 4),
    ]


def test_positions_are_the_same_for_each_image():
    x = torch.zeros(3, 8, 4, 6, dtype=torch.bfloat16)
    found = positions(x)
    assert found.shape == x.shape
    assert found.dtype == x.dtype
    torch.testing.assert_close(found[2], sine_map(4, 6, 8).bfloat16())


def test_keywords_come_before_the_configuration():
    config = Sam2HieraDetConfig(**TRUNK, output_attentions=True, return_dict=False)
    assert Wanted.of(config, {}) == Wanted(hidden_states=False, attentions=True, names=False)
    asked = {"output_attentions": False, "output_hidden_states": True, "return_dict": None, "interpolate": 1}
    assert Wanted.of(config, asked) == Wanted(hidden_states=True, attentions=False, names=False)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (None, "pixel_values is missing"),
        ([PIXELS], "pixel_values is a list"),
        (PIXELS[0], r"\(3, 64, 64\)"),
        (PIXELS[:, :1], r"\(2, 1, 64, 64\)"),
        (PIXELS[..., :60], "multiples of 32"),
    ],
)
def test_images_of_a_wrong_shape_are_named(pixels, message, trunk, vision):
    for model in (trunk, vision):
        with pytest.raises(ValueError, match=message):
            model(pixels)


def test_a_side_may_be_prescribed():
    assert checked_pixels(PIXELS, 64) is PIXELS
    with pytest.raises(ValueError, match="96 x 96"):
        checked_pixels(PIXELS, 96)
