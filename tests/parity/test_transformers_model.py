"""transformers' image models and ours on the same random weights: outputs beside outputs, gradients, and differences.

Different on purpose, and tested so here: `vision_attentions` and `mask_decoder_attentions` are weights, where
transformers gives the outputs of its attention layers; `input_masks` may be one for each object of an image, or have
no axis for channels; labels that no point has are a ValueError, where transformers takes negative ones for unlabelled
points and fails in other ways for the rest.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from masklet.compat.transformers.config import Sam2Config
from masklet.compat.transformers.model import Sam2Model
from masklet.compat.transformers.native_config import from_native
from masklet.compat.transformers.vision import Sam2HieraDetModel, Sam2VisionModel
from masklet.config import DecoderConfig, MemoryConfig, ModelConfig, TrunkConfig

transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SIZE = 128
TOLERANCE = 2e-5
"""Absolute plus relative."""

CONFIG = ModelConfig(
    image_size=SIZE,
    dim=64,
    trunk=TrunkConfig(
        embed_dim=8,
        stage_depths=(1, 2, 3, 1),
        window_sizes=(8, 4, 6, 4),
        global_blocks=(4,),
        position_grid=(7, 7),
    ),
    decoder=DecoderConfig(depth=2, num_heads=4, mlp_dim=48),
    memory=MemoryConfig(dim=64),
)


@pytest.fixture(scope="module")
def pair() -> tuple[Sam2Model, Any]:
    """Ours and theirs, in eval mode, with weights by which masks differ from object to object."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ours = Sam2Model(from_native(CONFIG, Sam2Config)).eval()
        with torch.no_grad():
            for name, weights in ours.engine.named_parameters():
                weights.add_(torch.randn_like(weights) * 0.05)
                weights.mul_(2 if "hypernetworks" in name else 1)
            ours.engine.no_memory.normal_()
    theirs = transformers.Sam2Model(transformers.Sam2Config(**ours.config.to_dict())).eval()
    theirs.load_state_dict(ours.state_dict())
    # Had they been asked for the one before the other, theirs would record all twice from then on.
    theirs(PIXELS, output_hidden_states=True, output_attentions=True)
    return ours, theirs


@pytest.fixture(autouse=True)
def without_gradients(request: pytest.FixtureRequest) -> Iterator[None]:
    with torch.set_grad_enabled("gradients" in request.node.name):
        yield


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def close(ours: Any, theirs: Any) -> None:
    """Tensors, or tuples and lists of them, of the same shapes and values."""
    if isinstance(theirs, Tensor):
        torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=TOLERANCE)
        return
    for one, other in zip(ours, theirs, strict=True):
        close(one, other)


def same(ours: Any, theirs: Any) -> None:
    """Outputs with the same names in the same order, and the same values."""
    assert list(ours.keys()) == list(theirs.keys())
    for name in theirs:
        close(ours[name], theirs[name])


PIXELS = noise(2, 3, SIZE, SIZE)
POINTS = torch.rand(2, 3, 2, 2, generator=torch.Generator().manual_seed(1)) * SIZE
LABELS = torch.tensor([[[1, 0], [1, 1], [0, 1]], [[1, 1], [0, 0], [1, 0]]])
BOXES = torch.tensor([[[5.0, 6, 70, 90], [0, 0, 127, 127], [30.5, 40, 50, 61]]]).repeat(2, 1, 1) + POINTS[..., 0, :1]
MASKS = noise(2, 1, SIZE // 4, SIZE // 4, seed=2) * 5
RAGGED_LABELS = torch.tensor([[[1, 0], [1, -10], [-10, -10]], [[1, 1], [0, -10], [1, 0]]])
RAGGED = torch.where(RAGGED_LABELS[..., None] == -10, -10.0, POINTS)

PROMPTS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "clicks": {"input_points": POINTS, "input_labels": LABELS},
    "clicks without labels": {"input_points": POINTS},
    "one object": {"input_points": POINTS[:, :1], "input_labels": LABELS[:, :1]},
    "ragged": {"input_points": RAGGED, "input_labels": RAGGED_LABELS},
    "not points": {"input_points": POINTS, "input_labels": -LABELS},
    "corners as points": {"input_points": POINTS, "input_labels": LABELS + 2},
    "boxes": {"input_boxes": BOXES},
    "clicks and boxes": {"input_points": POINTS, "input_labels": LABELS, "input_boxes": BOXES},
    "ragged and boxes": {"input_points": RAGGED, "input_labels": RAGGED_LABELS, "input_boxes": BOXES},
    "masks": {"input_masks": MASKS},
    "one mask": {"input_masks": MASKS[:1]},
    "masks of another size": {"input_masks": noise(2, 1, 75, 51, seed=3) * 5},
    "masks and clicks": {"input_points": POINTS, "input_labels": LABELS, "input_masks": MASKS},
    "masks and boxes": {"input_boxes": BOXES, "input_masks": MASKS},
    "similarity": {"input_boxes": BOXES, "attention_similarity": noise(1, 1, 1, 64, seed=4)},
    "similarity of each": {"input_boxes": BOXES, "attention_similarity": noise(6, 4, 9, 64, seed=4)},
    "target": {"input_boxes": BOXES, "target_embedding": noise(1, 1, 1, 64, seed=5)},
    "target of each": {"input_boxes": BOXES, "target_embedding": noise(2, 3, 9, 64, seed=5)},
    "similarity and target": {
        "input_points": POINTS,
        "attention_similarity": noise(1, 4, 1, 64, seed=4),
        "target_embedding": noise(2, 1, 1, 64, seed=5),
    },
}


@pytest.mark.parametrize("multimask", [True, False], ids=["three", "one"])
@pytest.mark.parametrize("kind", PROMPTS)
def test_masks(kind, multimask, pair):
    ours, theirs = (model(PIXELS, **PROMPTS[kind], multimask_output=multimask) for model in pair)
    same(ours, theirs)
    assert ours.pred_masks.shape[2:] == (3 if multimask else 1, SIZE // 4, SIZE // 4)


@pytest.mark.parametrize("kind", ["clicks", "ragged", "boxes", "masks and clicks", "similarity and target"])
def test_masks_of_one_image(kind, pair):
    """Whose prompts share the image's tokens."""
    given = {
        name: value[:1] if name.startswith("input") or name == "target_embedding" else value
        for name, value in PROMPTS[kind].items()
    }
    same(*(model(PIXELS[:1], **given) for model in pair))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("dynamic", [False, True])
def test_the_single_mask(dynamic, training, pair, monkeypatch):
    """The first candidate, or the best of the others where that wavers: not in training."""
    ours, theirs = pair
    monkeypatch.setattr(ours.config.mask_decoder_config, "dynamic_multimask_via_stability", dynamic)
    monkeypatch.setattr(theirs.mask_decoder, "dynamic_multimask_via_stability", dynamic)
    threshold = 0.905  # between the stabilities of these masks
    monkeypatch.setattr(ours.config.mask_decoder_config, "dynamic_multimask_stability_thresh", threshold)
    monkeypatch.setattr(theirs.mask_decoder, "dynamic_multimask_stability_thresh", threshold)
    found = []
    for model in pair:
        model.train(training)
        found.append(model(PIXELS, **PROMPTS["clicks"], multimask_output=False))
        model.eval()
    same(*found)
    several = ours(PIXELS, **PROMPTS["clicks"]).iou_scores
    replaced = (found[0].iou_scores == several.max(-1, keepdim=True).values).flatten()
    if dynamic and not training:
        assert replaced.any()
        assert not replaced.all()
    else:
        assert not replaced.any()


def test_image_embeddings_are_used_again(pair):
    for model, other in (pair, pair[::-1]):
        embeddings = model.get_image_embeddings(PIXELS)
        close(embeddings, other.get_image_embeddings(PIXELS))
        given = PROMPTS["masks and clicks"]
        whole = model(PIXELS, **given)
        same(other(image_embeddings=embeddings, **given), whole)
        same(other(image_embeddings=tuple(whole.image_embeddings), **given), whole)


def test_a_second_round_with_the_best_mask_of_the_first(pair):
    found = []
    for model in pair:
        first = model(PIXELS, **PROMPTS["one object"])
        masks = first.pred_masks[:, :, 1]
        found.append(
            model(
                image_embeddings=first.image_embeddings,
                **PROMPTS["one object"],
                input_masks=masks,
                multimask_output=False,
            )
        )
    same(*found)


def test_hidden_states(pair):
    ours, theirs = (model(PIXELS, output_hidden_states=True) for model in pair)
    same(ours, theirs)
    assert len(ours.vision_hidden_states) == 1 + CONFIG.trunk.depth


def test_attentions_are_weights(pair):
    """There are as many as theirs, of the same batches and places; theirs are what the layers give."""
    given = PROMPTS["clicks"]
    ours, theirs = (model(PIXELS, **given, output_attentions=True) for model in pair)
    assert list(ours.keys()) == list(theirs.keys())
    close(ours.pred_masks, theirs.pred_masks)
    for weights, outputs in zip(ours.vision_attentions, theirs.vision_attentions, strict=True):
        assert weights.shape[0] == outputs.shape[0]
        assert weights.shape[2] == outputs.shape[1] * outputs.shape[2]
    for weights, outputs in zip(ours.mask_decoder_attentions, theirs.mask_decoder_attentions, strict=True):
        assert weights.shape == (6, 4, 64, 9)
        assert outputs.shape == (6, 1, 64, CONFIG.dim)
    for weights in (*ours.vision_attentions, *ours.mask_decoder_attentions):
        close(weights.sum(-1), torch.ones(weights.shape[:-1]))


@pytest.mark.parametrize("options", [{}, {"output_hidden_states": True}, {"return_dict": False}])
def test_image_features(options, pair):
    ours, theirs = (model.get_image_features(PIXELS, **options) for model in pair)
    close(ours, theirs) if "return_dict" in options else same(ours, theirs)


def test_outputs_without_names(pair):
    ours, theirs = (model(PIXELS, **PROMPTS["clicks"], return_dict=False) for model in pair)
    assert isinstance(ours, tuple)
    close(ours, theirs)


@pytest.mark.parametrize(
    "kind", ["nothing", "clicks", "ragged", "boxes", "clicks and boxes", "masks", "masks and clicks"]
)
def test_prompt_embeddings(kind, pair):
    sparse, dense = pair[0].get_prompt_embeddings(**PROMPTS[kind])
    their_sparse, their_dense = pair[1].get_prompt_embeddings(**PROMPTS[kind])
    close(dense, their_dense)
    if their_sparse is None:
        assert sparse is None
    else:
        close(sparse, their_sparse)


def test_positional_embeddings(pair):
    close(*(model.get_image_wide_positional_embeddings() for model in pair))


def test_input_embeddings(pair):
    close(*(model.get_input_embeddings()(PIXELS) for model in pair))


@pytest.mark.parametrize("options", [{}, {"output_hidden_states": True}])
@pytest.mark.parametrize("sides", [(SIZE, SIZE), (64, 96)], ids=str)
def test_vision_models(sides, options, pair):
    """The image encoder and its trunk alone, on images of any size that their windows divide."""
    config, theirs = pair[0].config.vision_config, pair[1].vision_encoder
    vision, trunk = Sam2VisionModel(config).eval(), Sam2HieraDetModel(config.backbone_config).eval()
    vision.load_state_dict(theirs.state_dict())
    trunk.load_state_dict(theirs.backbone.state_dict())
    pixels = PIXELS[..., : sides[0], : sides[1]]
    same(vision(pixels, **options), theirs(pixels, **options))
    same(trunk(pixels, **options), theirs.backbone(pixels, **options))


def test_gradients(pair):
    """Of all weights that a loss of masks and scores depends on, and of the prompts."""
    found = []
    for model in pair:
        points = POINTS.clone().requires_grad_()
        model.zero_grad()
        output = model(PIXELS, points, LABELS, multimask_output=True, input_masks=MASKS)
        loss = output.pred_masks.sigmoid().mean() + output.iou_scores.sum() + output.object_score_logits.sum()
        loss.backward()
        found.append(points.grad)
    close(*found)
    ours, theirs = pair
    names = {
        "trunk.blocks.0.attention.qkv.weight": "vision_encoder.backbone.blocks.0.attn.qkv.weight",
        "neck.laterals.0.weight": "vision_encoder.neck.convs.3.weight",
        "mask_decoder.transformer.layers.1.token_to_image.k_projection.weight": (
            "mask_decoder.transformer.layers.1.cross_attn_token_to_image.k_proj.weight"
        ),
        "mask_decoder.upscale1.weight": "mask_decoder.upscale_conv1.weight",
        "prompt_encoder.mask_conv1.weight": "prompt_encoder.mask_embed.conv1.weight",
        "no_memory": "no_memory_embedding",
    }
    for name, other in names.items():
        close(ours.engine.get_parameter(name).grad, theirs.get_parameter(other).grad)
    labels = ours.engine.prompt_encoder.labels.grad
    close(labels[1:], theirs.prompt_encoder.point_embed.weight.grad)
    for model in pair:
        model.zero_grad()


def test_embeddings_alone_have_no_gradients(pair):
    for model in pair:
        assert not model.get_image_embeddings(PIXELS)[0].requires_grad
        assert not model.get_prompt_embeddings(POINTS, LABELS)[0].requires_grad


WRONG: dict[str, dict[str, Any]] = {
    "no images": {},
    "images twice": {"pixel_values": PIXELS, "image_embeddings": [PIXELS]},
    "fewer boxes than objects": {"pixel_values": PIXELS, "input_points": POINTS, "input_boxes": BOXES[:, :2]},
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_the_same_error(kind, pair):
    for model in pair:
        with pytest.raises(ValueError):  # noqa: PT011
            model(**WRONG[kind])


def test_points_without_labels_are_an_error_where_no_image_is(pair):
    for model in pair:
        with pytest.raises(ValueError, match="labels"):
            model.get_prompt_embeddings(POINTS)
