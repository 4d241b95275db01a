"""transformers and masklet on the same weights, converted by masklet: each verb of the model beside theirs.

Not compared, as transformers itself differs from the original there: points of label -10, with which it fills ragged
batches, are zero tokens that take part in attention, where the original has nothing; memories of frames without
prompts are binarised where any object of the frame was prompted; pointers of mask prompts are of the best of several
masks, not of the single one; and prompts on frames seen before are not given the logits that were found. These belong
to the classes over the model, not to the model.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from masklet.checkpoint.convert import convert
from masklet.model import Sam2
from masklet.ops.multimask import RELEASED_STABILITY, single_mask
from masklet.runtime.load import load_model
from masklet.types import ImageFeatures, MemoryTokens, PointLabel, Points

transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SIZE, SIDE = 256, 16
TOLERANCE = 1e-3
"""Absolute plus relative."""

VARIANTS = ["sam2.1_hiera_tiny", "sam2_hiera_tiny"]


@dataclass(frozen=True)
class Pair:
    """One set of weights, three models; and two images, encoded by ours and by their video model."""

    ours: Sam2
    image_model: Any
    video_model: Any
    pixels: Tensor
    features: ImageFeatures
    embedding: Tensor
    their_features: Any


@pytest.fixture(scope="module", params=VARIANTS)
def pair(
    request: pytest.FixtureRequest, standin: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Pair:
    path, folder = standin(request.param), tmp_path_factory.mktemp(request.param)
    ours = load_model(path, device="cpu", image_size=SIZE)
    convert(path, folder, "hf-video", config=ours.config)
    theirs = []
    for name in ("Sam2Model", "Sam2VideoModel"):
        model, info = getattr(transformers, name).from_pretrained(folder, output_loading_info=True)
        assert not info["missing_keys"]
        assert not info["mismatched_keys"]
        theirs.append(model.eval())
    (folder / "model.safetensors").unlink()
    pixels = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = ours.encode_image(pixels)
        embedding = ours.attend_memory(features.stride16)
        their_features = theirs[1].get_image_features(pixels, return_dict=True)
    return Pair(ours, *theirs, pixels, features, embedding, their_features)


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.inference_mode():
        yield


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=TOLERANCE)


def noise(*shape: int, seed: int = 1, scale: float = 1.0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def tokens_first(x: Tensor) -> Tensor:
    """From (batch, tokens, channels) to the order that the video model takes."""
    return x.transpose(0, 1)


def test_image_features(pair):
    """The neck's maps, projected as the decoder takes them, at once and through the video model."""
    embeddings = pair.image_model.get_image_embeddings(pair.pixels)
    for ours, theirs in zip((pair.features.stride4, pair.features.stride8, pair.embedding), embeddings, strict=True):
        close(ours, theirs)
    maps = pair.their_features.fpn_hidden_states
    for ours, theirs in zip((pair.features.stride4, pair.features.stride8, pair.features.stride16), maps, strict=True):
        close(ours, theirs.permute(1, 2, 0).view_as(ours))


CLICKS = torch.tensor([[[100.0, 150.0], [30.0, 40.0]], [[0.0, 255.0], [200.5, 17.25]], [[128.0, 128.0], [-9.0, 300.0]]])
CLICK_LABELS = torch.tensor([[1, 0], [1, 1], [0, 1]])
BOXES = torch.tensor([[20.0, 30.0, 200.0, 180.0], [5.5, 0.0, 60.0, 255.0], [100.0, 90.0, 130.0, 140.0]])


def corners(boxes: Tensor) -> Points:
    labels = torch.tensor([[PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT]])
    return Points(boxes.view(-1, 2, 2), labels.expand(len(boxes), 2))


def prompt(kind: str) -> tuple[Points, Tensor | None, dict[str, Tensor]]:
    """Points and mask as ours takes them, and the arguments of theirs."""
    if kind == "points":
        return Points(CLICKS, CLICK_LABELS), None, {"input_points": CLICKS[None], "input_labels": CLICK_LABELS[None]}
    if kind == "boxes":
        return corners(BOXES), None, {"input_boxes": BOXES[None]}
    if kind == "boxes and points":
        box = corners(BOXES)
        points = Points(torch.cat((box.coords, CLICKS), dim=1), torch.cat((box.labels, CLICK_LABELS), dim=1))
        theirs = {"input_points": CLICKS[None], "input_labels": CLICK_LABELS[None], "input_boxes": BOXES[None]}
        return points, None, theirs
    mask = noise(1, 1, SIZE // 4, SIZE // 4, scale=5.0)
    if kind == "mask":
        # Where there is nothing else, one padding point is given, beside the one that always follows.
        return Points(torch.zeros(1, 1, 2), torch.tensor([[-1]])), mask, {"input_masks": mask}
    if kind == "mask of another size":
        small = noise(1, 1, 90, 70, scale=5.0)
        mask = torch.nn.functional.interpolate(small, (SIZE // 4, SIZE // 4), mode="bilinear", antialias=True)
        return Points(torch.zeros(1, 1, 2), torch.tensor([[-1]])), mask, {"input_masks": small}
    assert kind == "mask and points"
    points = Points(CLICKS[:1], CLICK_LABELS[:1])
    return (
        points,
        mask,
        {
            "input_points": CLICKS[None, :1],
            "input_labels": CLICK_LABELS[None, :1],
            "input_masks": mask,
        },
    )


KINDS = ["points", "boxes", "boxes and points", "mask", "mask of another size", "mask and points"]


@pytest.mark.parametrize("kind", KINDS)
def test_masks_and_scores(kind, pair):
    """Multimask on, then off, where the most certain of several takes the place of a mask that wavers."""
    points, mask, arguments = prompt(kind)
    for image in range(2 if kind == "points" else 1):
        features, embedding = pair.features[image], pair.embedding[image : image + 1]
        decoded = pair.ours.decode_masks(embedding, features, pair.ours.encode_prompts(points, mask))
        image_embeddings = [features.stride4, features.stride8, embedding]

        several = pair.image_model(image_embeddings=image_embeddings, multimask_output=True, **arguments)
        close(decoded.logits[:, 1:], several.pred_masks[0])
        close(decoded.iou_scores[:, 1:], several.iou_scores[0])
        close(decoded.object_score, several.object_score_logits[0])

        one = pair.image_model(image_embeddings=image_embeddings, multimask_output=False, **arguments)
        rows = torch.arange(len(decoded.logits))
        chosen = single_mask(decoded.logits, decoded.iou_scores, RELEASED_STABILITY)
        close(decoded.logits[rows, chosen], one.pred_masks[0, :, 0])
        close(decoded.iou_scores[rows, chosen], one.iou_scores[0, :, 0])


def test_the_single_mask_without_the_dynamic_rule(pair, monkeypatch):
    monkeypatch.setattr(pair.image_model.mask_decoder, "dynamic_multimask_via_stability", False)
    points, _, arguments = prompt("points")
    decoded = pair.ours.decode_masks(pair.embedding[:1], pair.features[0], pair.ours.encode_prompts(points))
    embeddings = [pair.features.stride4[:1], pair.features.stride8[:1], pair.embedding[:1]]
    one = pair.image_model(image_embeddings=embeddings, multimask_output=False, **arguments)
    close(decoded.logits[:, 0], one.pred_masks[0, :, 0])
    close(decoded.iou_scores[:, 0], one.iou_scores[0, :, 0])


def test_prompt_embeddings(pair):
    points, mask, arguments = prompt("mask and points")
    ours = pair.ours.encode_prompts(points, mask)
    sparse, dense = pair.image_model.get_prompt_embeddings(
        arguments["input_points"], arguments["input_labels"], None, arguments["input_masks"]
    )
    close(ours.sparse, sparse[0])
    close(ours.dense, dense)
    grid = pair.image_model.get_image_wide_positional_embeddings()
    close(pair.ours.prompt_encoder.grid_position(), grid.flatten(2).transpose(1, 2))


@pytest.mark.parametrize(("num_maps", "num_pointers"), [(1, 0), (1, 1), (3, 2), (0, 2)])
def test_memory_attention(num_maps, num_pointers, pair):
    ours, theirs = pair.ours, pair.video_model
    width = ours.config.memory.dim
    num_pointer_tokens = num_pointers * ours.config.dim // width
    length = num_maps * SIDE * SIDE + num_pointer_tokens
    memory, position = noise(2, length, width), noise(2, length, width, seed=2)
    found = ours.attend_memory(pair.features.stride16, MemoryTokens(memory, position, num_pointer_tokens))

    expected = theirs.memory_attention(
        current_vision_features=tokens_first(pair.features.stride16.flatten(2).transpose(1, 2)),
        current_vision_position_embeddings=pair.their_features.fpn_position_encoding[-1],
        memory=tokens_first(memory),
        memory_posision_embeddings=tokens_first(position),
        num_object_pointer_tokens=num_pointer_tokens,
    )
    close(found.flatten(2).transpose(1, 2), expected.reshape(2, SIDE * SIDE, -1))


def test_memory_encoder(pair):
    ours, theirs = pair.ours, pair.video_model
    embedding = pair.features.stride16
    probability = noise(2, 1, SIZE, SIZE, scale=5.0).sigmoid()
    pointer, present = noise(2, ours.config.dim), torch.ones(2, 1, dtype=torch.bool)
    found = ours.encode_memory(embedding, probability, pointer, present)
    scale, bias = theirs.config.sigmoid_scale_for_mem_enc, theirs.config.sigmoid_bias_for_mem_enc
    features, position = theirs.memory_encoder(embedding, probability * scale + bias)
    close(found.features, features.flatten(2).transpose(1, 2))
    close(found.position, position[:1].flatten(2).transpose(1, 2))


def test_a_memory_of_an_absent_object(pair):
    ours, theirs = pair.ours, pair.video_model
    present = torch.tensor([[True], [False]])
    logits = noise(2, 1, SIZE, SIZE, scale=5.0)
    found = ours.encode_memory(pair.features.stride16, logits.sigmoid(), noise(2, ours.config.dim), present)
    features, _ = theirs._encode_new_memory(
        tokens_first(pair.features.stride16.flatten(2).transpose(1, 2)),
        logits,
        (present * 20.0 - 10.0)[..., None],
        False,
    )
    # Which are stored in bfloat16.
    torch.testing.assert_close(found.features, tokens_first(features).float(), atol=2e-3, rtol=2**-7)


def test_pointers(pair):
    ours, theirs = pair.ours, pair.video_model
    tokens, present = noise(3, ours.config.dim), torch.tensor([[True], [False], [True]])
    expected = torch.where(present, theirs.object_pointer_proj(tokens), theirs.no_object_pointer)
    close(ours.object_pointer(tokens, present), expected)


def test_single_parameters(pair):
    """Those that the tracking code reads itself."""
    ours, theirs = pair.ours, pair.video_model
    close(ours.memory_time, theirs.memory_temporal_positional_encoding)
    mask = noise(1, 1, SIZE, SIZE)
    close(ours.mask_downsample(mask), theirs.mask_downsample(mask))
    if ours.pointer_time_projection is not None:
        time = noise(3, ours.config.dim)
        close(ours.pointer_time_projection(time), theirs.temporal_positional_encoding_projection_layer(time))
