"""The assembled model: totals, verbs, any size, and the small formulas that are easy to get wrong."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from masklet.config import PRESETS, MemoryConfig, ModelConfig, TrunkConfig
from masklet.model import Sam2
from masklet.types import MemoryTokens, Points

TOTALS = {  # SPEC A.16: elements of the official checkpoints, Fourier buffer included
    "sam2_hiera_tiny": 38_946_242,
    "sam2_hiera_small": 46_044_098,
    "sam2_hiera_base_plus": 80_833_922,
    "sam2_hiera_large": 224_430_386,
    "sam2.1_hiera_tiny": 38_962_754,
    "sam2.1_hiera_small": 46_060_610,
    "sam2.1_hiera_base_plus": 80_850_434,
    "sam2.1_hiera_large": 224_446_898,
}

SMALL = ModelConfig(
    image_size=64,
    dim=32,
    trunk=TrunkConfig(embed_dim=8, stage_depths=(1, 1, 2, 1), global_blocks=(3,), window_sizes=(4, 4, 4, 2)),
    decoder=replace(ModelConfig().decoder, num_heads=2, mlp_dim=64),
    memory=MemoryConfig(dim=16, attention_layers=1, attention_mlp_dim=64),
)


@pytest.fixture
def model() -> Sam2:
    torch.manual_seed(0)
    return Sam2(SMALL).eval()


@pytest.mark.parametrize("name", TOTALS)
def test_totals(name):
    with torch.device("meta"):
        model = Sam2(PRESETS[name])
    assert sum(tensor.numel() for tensor in model.state_dict().values()) == TOTALS[name]


def test_nano_is_small():
    with torch.device("meta"):
        model = Sam2(PRESETS["nano"])
    assert 3e6 < sum(p.numel() for p in model.parameters()) < 8e6


@pytest.mark.parametrize("side", [32, 64, 96])
def test_every_verb_at_any_size(side):
    torch.manual_seed(0)
    model = Sam2(SMALL.with_image_size(side)).eval()
    features = model.encode_image(torch.randn(2, 3, side, side))
    points = Points(torch.rand(2, 3, 2) * side, torch.tensor([[1, 0, -1], [2, 3, 1]]))
    prompts = model.encode_prompts(points, torch.randn(2, 1, side // 4, side // 4))
    decoded = model.decode_masks(model.attend_memory(features.stride16), features, prompts)
    assert decoded.logits.shape == (2, 4, side // 4, side // 4)
    present = decoded.object_score > 0
    pointer = model.object_pointer(decoded.tokens[:, 0], present)
    memory = model.encode_memory(features.stride16, torch.rand(2, 1, side, side), pointer, present)
    assert memory.features.shape == (2, (side // 16) ** 2, 16)
    tokens = torch.cat((memory.features, pointer.view(2, 2, 16)), dim=1)
    position = torch.cat((memory.position.expand(2, -1, -1), torch.zeros(2, 2, 16)), dim=1)
    conditioned = model.attend_memory(features.stride16, MemoryTokens(tokens, position, 2))
    assert conditioned.shape == features.stride16.shape


def test_one_image_serves_many_prompts(model):
    features = model.encode_image(torch.randn(1, 3, 64, 64))
    points = Points(torch.rand(5, 2, 2) * 64, torch.ones(5, 2, dtype=torch.long))
    embedding = model.attend_memory(features.stride16)
    together = model.decode_masks(embedding, features, model.encode_prompts(points))
    for i in range(5):
        one = Points(points.coords[i : i + 1], points.labels[i : i + 1])
        alone = model.decode_masks(embedding, features, model.encode_prompts(one))
        torch.testing.assert_close(together.logits[i : i + 1], alone.logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("num_images", [1, 3])
def test_masks_can_be_scored_first_and_drawn_later(model, num_images):
    """Of the chosen candidates alone, in the order in which they are asked for; one may be asked for twice."""
    features = model.encode_image(torch.randn(num_images, 3, 64, 64))
    points = Points(torch.rand(3, 1, 2) * 64, torch.ones(3, 1, dtype=torch.long))
    embedding, prompts = model.attend_memory(features.stride16), model.encode_prompts(points)
    whole = model.decode_masks(embedding, features, prompts)
    scored = model.score_masks(embedding, prompts)
    assert torch.equal(scored.iou_scores, whole.iou_scores)
    assert torch.equal(scored.object_score, whole.object_score)
    assert torch.equal(scored.tokens, whole.tokens)
    rows, candidate = torch.tensor([2, 0, 2, 2]), torch.tensor([1, 3, 0, 1])
    drawn = model.draw_masks(scored, features, rows, candidate)
    torch.testing.assert_close(drawn, whole.logits[rows, candidate], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(drawn[0], drawn[2], atol=1e-3), "candidates differ, or this shows nothing"
    nothing = torch.tensor([], dtype=torch.long)
    assert model.draw_masks(scored, features, nothing, nothing).shape == (0, 16, 16)


def test_padding_point_is_the_padding_label_alone(model):
    """Its place does not matter; and one such token always follows the points."""
    encoder = model.prompt_encoder
    sparse = encoder.encode_points(Points(torch.tensor([[[5.0, 9.0]]]), torch.tensor([[-1]])))
    assert torch.equal(sparse[0], encoder.labels[[0, 0]])


def test_no_prompt_at_all_has_no_tokens(model):
    assert model.encode_prompts().sparse.shape == (1, 0, 32)


def test_no_memory_adds_one_vector(model):
    embedding = torch.randn(2, 32, 4, 4)
    torch.testing.assert_close(
        model.attend_memory(embedding) - embedding, model.no_memory.view(1, 32, 1, 1).expand(2, 32, 4, 4)
    )


def test_absent_objects_have_the_learned_pointer_and_mark_their_memory(model):
    present = torch.tensor([[True], [False]])
    pointer = model.object_pointer(torch.randn(2, 32), present)
    torch.testing.assert_close(pointer[1], model.no_object_pointer[0])
    embedding, mask = torch.randn(1, 32, 4, 4).expand(2, -1, -1, -1), torch.rand(1, 1, 64, 64).expand(2, -1, -1, -1)
    memory = model.encode_memory(embedding, mask, pointer, present)
    torch.testing.assert_close(
        memory.features[1] - memory.features[0], model.absence.expand(16, 16), atol=1e-5, rtol=1e-5
    )


def test_pointers_are_not_rotated(model):
    """Swapping two pointer tokens, with their positions, changes nothing; swapping spatial tokens does."""
    torch.manual_seed(1)
    embedding = torch.randn(1, 32, 4, 4)
    tokens, position = torch.randn(1, 20, 16), torch.randn(1, 20, 16)

    def attend(order: list[int]) -> torch.Tensor:
        return model.attend_memory(embedding, MemoryTokens(tokens[:, order], position[:, order], 4))

    plain = list(range(20))
    pointers_swapped = [*range(16), 19, 18, 17, 16]
    spatial_swapped = [1, 0, *range(2, 20)]
    torch.testing.assert_close(attend(plain), attend(pointers_swapped), atol=1e-5, rtol=1e-5)
    assert (attend(plain) - attend(spatial_swapped)).abs().max() > 1e-3


def test_no_complex_tensor_anywhere(model):
    assert not any(tensor.is_complex() for tensor in (*model.parameters(), *model.buffers()))


def test_it_exports(model):
    """The whole image path is one graph."""

    class Click(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, pixels: torch.Tensor, coords: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            features = self.model.encode_image(pixels)
            prompts = self.model.encode_prompts(Points(coords, labels))
            return self.model.decode_masks(self.model.attend_memory(features.stride16), features, prompts).logits

    inputs = (torch.randn(1, 3, 64, 64), torch.rand(1, 1, 2) * 64, torch.ones(1, 1, dtype=torch.long))
    program = torch.export.export(Click().eval(), inputs)
    torch.testing.assert_close(program.module()(*inputs), Click()(*inputs), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [0, -32, 33, 1000])
def test_image_size_must_be_divided_by_the_strides(size):
    with pytest.raises(ValueError, match=str(size)):
        SMALL.with_image_size(size)
