"""The tracking step on a small random model: batches that equal single objects, and the released models' rules."""

import copy
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from masklet.model import Sam2
from masklet.ops.multimask import StabilityPolicy
from masklet.tracking.memory_bank import Selection
from masklet.tracking.step import adopt_masks, answer, gather, look_back, remember, step
from masklet.types import ImageFeatures, Points

NEVER_STABLE, ALWAYS_STABLE = StabilityPolicy(threshold=2.0), StabilityPolicy(threshold=-1.0)


@pytest.fixture(scope="module")
def model(remembering_model) -> Sam2:
    return remembering_model


@pytest.fixture(scope="module")
def features(model) -> ImageFeatures:
    """Of four frames."""
    return model.encode_image(torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(1)))


def selection(seed: int, num_maps: int, num_pointers: int) -> Selection[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return Selection(
        tuple((6 - i, torch.randn(16, 16, generator=random)) for i in range(num_maps)),
        tuple((i + 1, torch.randn(32, generator=random)) for i in range(num_pointers)),
        15,
    )


def clicks(batch: int, count: int) -> Points:
    coords = torch.rand(batch, count, 2, generator=torch.Generator().manual_seed(2)) * 64
    return Points(coords, torch.ones(batch, count, dtype=torch.long))


def same(found, row: int, alone) -> None:
    torch.testing.assert_close(found.logits[row], alone.logits[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.pointers[row], alone.pointers[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.iou_scores[row], alone.iou_scores[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found.object_scores[row], alone.object_scores[0], atol=1e-5, rtol=1e-5)


SELECTIONS = [selection(0, 1, 0), selection(1, 3, 2), selection(2, 7, 16), selection(3, 2, 5), selection(4, 0, 3)]


@pytest.mark.parametrize("num_points", [0, 1, 3])
def test_objects_of_one_frame_equal_each_alone(model, features, num_points):
    points = clicks(5, num_points) if num_points else None
    previous = torch.randn(5, 1, 16, 16, generator=torch.Generator().manual_seed(3)) if num_points else None
    found = step(model, features[0], SELECTIONS, points, previous, NEVER_STABLE)
    assert (found.logits > 0).flatten(1).any(1).all()
    assert (found.logits[0] - found.logits[1]).abs().max() > 0.05
    for row, each in enumerate(SELECTIONS):
        part = slice(row, row + 1)
        same(
            found,
            row,
            step(
                model,
                features[0],
                [each],
                None if points is None else points[part],
                None if previous is None else previous[part],
                NEVER_STABLE,
            ),
        )


def test_objects_of_a_frame_each_equal_each_alone(model, features):
    found = step(model, features, SELECTIONS[:4])
    for row in range(4):
        same(found, row, step(model, features[row], [SELECTIONS[row]]))


def test_without_memory_the_frame_is_read_like_a_picture(model, features):
    points = clicks(2, 1)
    decoded = model.decode_masks(
        features[0].stride16 + model.no_memory[..., None].transpose(1, 2), features[0], model.encode_prompts(points)
    )
    torch.testing.assert_close(step(model, features[0], None, points).candidates.logits, decoded.logits)


def test_where_there_is_no_prompt_a_padding_point_stands_in(model, features):
    found = step(model, features[0], None)
    padding = Points(torch.zeros(1, 1, 2), torch.full((1, 1), -1))
    same(found, 0, step(model, features[0], None, padding))
    assert step(model, features[0], None, mask_logits=torch.zeros(3, 1, 16, 16)).logits.shape == (3, 1, 16, 16)


def test_the_mask_so_far_counts(model, features):
    points = clicks(1, 2)
    once = step(model, features[0], None, points)
    again = step(model, features[0], None, points, once.logits)
    assert (once.logits - again.logits).abs().max() > 1e-2


@pytest.mark.parametrize("num_points", [0, 1])
def test_up_to_one_point_the_best_multimask_is_the_answer(model, features, num_points):
    found = step(model, features[0], SELECTIONS, clicks(5, num_points) if num_points else None, None, ALWAYS_STABLE)
    for row in range(5):
        scores = found.candidates.iou_scores[row].tolist()
        best = max((1, 2, 3), key=scores.__getitem__)
        assert torch.equal(found.logits[row, 0], found.candidates.logits[row, best])
        assert found.iou_scores[row] == scores[best]
        token = found.candidates.tokens[row, best]
        torch.testing.assert_close(found.pointers[row], model.pointer_projection(token), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("stability", [None, ALWAYS_STABLE])
def test_from_two_points_on_the_single_mask_is(model, features, stability):
    found = step(model, features[0], SELECTIONS, clicks(5, 2), None, stability)
    assert torch.equal(found.logits[:, 0], found.candidates.logits[:, 0])
    assert torch.equal(found.iou_scores, found.candidates.iou_scores[:, 0])
    assert torch.equal(found.pointers, model.pointer_projection(found.candidates.tokens[:, 0]))


def test_where_the_single_mask_wavers_its_token_makes_the_pointer_all_the_same(model, features):
    found = step(model, features[0], SELECTIONS, clicks(5, 2), None, NEVER_STABLE)
    best = found.candidates.iou_scores[:, 1:].argmax(1) + 1
    assert torch.equal(found.logits[:, 0], found.candidates.logits[range(5), best])
    assert torch.equal(found.pointers, model.pointer_projection(found.candidates.tokens[:, 0]))


def test_an_absent_object_has_neither_mask_nor_pointer_of_its_own(model, features, monkeypatch):
    scores = torch.tensor([[2.0], [-0.5], [0.0]])
    decode = model.decode_masks
    monkeypatch.setattr(model, "decode_masks", lambda *given: replace(decode(*given), object_score=scores))
    found = step(model, features[0], SELECTIONS[:3])
    assert found.present.tolist() == [[True], [False], [False]]
    assert torch.equal(found.object_scores, scores)
    assert (found.logits[1:] == -1024).all()
    assert (found.logits[0] > -1024).all()
    assert torch.equal(found.pointers[1:], model.no_object_pointer.expand(2, -1))
    assert not torch.equal(found.pointers[:1], model.no_object_pointer)


def test_maps_come_first_with_their_place_and_their_slot(model):
    chosen = selection(5, 2, 0)
    tokens = gather(model, [chosen])
    assert tokens.num_pointer_tokens == 0
    assert tokens.mask is None
    assert torch.equal(tokens.tokens[0], torch.cat([features for _, features in chosen.spatial]))
    for row, (slot, _) in enumerate(chosen.spatial):
        expected = model.memory_position[0] + model.memory_time[slot, 0]
        assert torch.equal(tokens.position[0, 16 * row : 16 * (row + 1)], expected)


def test_pointers_are_split_into_tokens_that_know_their_distance(model):
    pointers = torch.arange(64.0).view(2, 32)
    tokens = gather(model, [Selection((), ((4, pointers[0]), (-3, pointers[1])), 7)])
    assert tokens.num_pointer_tokens == 4
    assert torch.equal(tokens.tokens[0], pointers.view(4, 16))
    for pair, far in enumerate((4 / 7, -3 / 7)):
        angles = [far / 10_000 ** (2 * (i // 2) / 16) for i in range(16)]
        sine = torch.tensor([*map(math.sin, angles), *map(math.cos, angles)])
        for place in (2 * pair, 2 * pair + 1):
            expected = model.pointer_time_projection(sine)
            torch.testing.assert_close(tokens.position[0, place], expected, atol=1e-5, rtol=1e-5)


def test_pointers_of_the_first_models_carry_no_time(tiny):
    model = Sam2(replace(tiny, pointer_time_encoding=False)).eval()
    tokens = gather(model, [selection(0, 0, 3)])
    assert torch.equal(tokens.position, torch.zeros(1, 6, 16))


def test_shorter_histories_are_padded_and_masked(model):
    tokens = gather(model, [selection(0, 1, 3), selection(1, 2, 1)])
    assert tokens.tokens.shape == tokens.position.shape == (2, 2 * 16 + 3 * 2, 16)
    assert tokens.num_pointer_tokens == 6
    assert tokens.mask is not None
    assert tokens.mask[0].tolist() == [True] * 16 + [False] * 16 + [True] * 6
    assert tokens.mask[1].tolist() == [True] * 34 + [False] * 4
    assert gather(model, [selection(0, 2, 1), selection(1, 2, 1)]).mask is None


def test_objects_that_look_at_the_same_frames_are_one_selection(model):
    rows, other = [selection(0, 2, 3), selection(1, 2, 3)], selection(2, 1, 1)
    spatial = [(slot, torch.stack((a, b))) for (slot, a), (_, b) in zip(*(row.spatial for row in rows), strict=True)]
    pointers = [(far, torch.stack((a, b))) for (far, a), (_, b) in zip(*(row.pointers for row in rows), strict=True)]
    together = Selection(tuple(spatial), tuple(pointers), rows[0].pointer_span)
    for rest in ([], [other]):
        found, expected = gather(model, [together, *rest]), gather(model, [*rows, *rest])
        assert torch.equal(found.tokens, expected.tokens)
        torch.testing.assert_close(found.position, expected.position, atol=1e-6, rtol=1e-6)
        assert found.num_pointer_tokens == expected.num_pointer_tokens
        assert (found.mask is None) == (expected.mask is None) == (not rest)
        assert found.mask is None or torch.equal(found.mask, expected.mask)


def drawn() -> torch.Tensor:
    """Three masks: a block, a triangle and nothing."""
    masks = torch.zeros(3, 1, 64, 64, dtype=torch.bool)
    masks[0, 0, 8:33, 10:50] = True
    masks[1, 0] = torch.ones(64, 64).tril().bool()
    return masks


def test_a_drawn_mask_is_taken_as_it_is(model, features):
    found = adopt_masks(model, features[0], drawn())
    expected = F.interpolate(drawn().float() * 20 - 10, (16, 16), mode="bilinear", antialias=True)
    torch.testing.assert_close(found.logits, expected, atol=1e-4, rtol=1e-4)
    assert found.iou_scores.tolist() == [1, 1, 1]
    assert found.object_scores.tolist() == [[10], [10], [-10]]


def test_a_drawn_mask_makes_a_pointer_of_the_frame_as_it_is(model, features):
    """Without the "no memory" vector, from the single mask's token; none where nothing is drawn."""
    dense = F.conv2d(drawn().float(), model.mask_downsample.weight, model.mask_downsample.bias, stride=4)
    padding = Points(torch.zeros(3, 1, 2), torch.full((3, 1), -1))
    decoded = model.decode_masks(features[0].stride16, features[0], model.encode_prompts(padding, dense))
    found = adopt_masks(model, features[0], drawn())
    torch.testing.assert_close(found.pointers[:2], model.pointer_projection(decoded.tokens[:2, 0]))
    assert (found.pointers[0] - found.pointers[1]).abs().max() > 1e-3
    assert torch.equal(found.pointers[2:], model.no_object_pointer)


def test_an_exact_drawn_mask_makes_a_pointer_of_the_best_multimask_and_is_remembered_as_it_is(
    model, features, monkeypatch
):
    found = adopt_masks(model, features[0], drawn(), exact=True)
    best = found.candidates.iou_scores[:, 1:].argmax(1) + 1
    tokens = found.candidates.tokens[range(3), best]
    torch.testing.assert_close(found.pointers[:2], model.pointer_projection(tokens[:2]))
    assert torch.equal(found.pointers[2:], model.no_object_pointer)
    assert torch.equal(found.logits, adopt_masks(model, features[0], drawn()).logits)
    given = []
    encode = model.encode_memory
    monkeypatch.setattr(model, "encode_memory", lambda *all_: given.append(all_) or encode(*all_))
    remember(model, features[0], found, binary=True)
    assert torch.equal(given[0][1], drawn().float())


def test_an_object_that_the_decoder_does_not_see_in_a_drawn_mask_has_no_pointer_but_is_there(model, features):
    blind = copy.deepcopy(model)
    blind.mask_decoder.object_head.layers[-1].bias.fill_(-9.0)
    found = adopt_masks(blind, features[0], drawn())
    assert torch.equal(found.pointers, blind.no_object_pointer.expand(3, -1))
    assert found.present.tolist() == [[True], [True], [False]]
    assert (found.logits[0] > 0).any()


@pytest.mark.parametrize("binary", [True, False])
def test_a_memory_is_made_of_the_mask_or_of_its_probabilities(model, features, binary, monkeypatch):
    found = step(model, features[0], SELECTIONS[:2])
    given = []
    encode = model.encode_memory
    monkeypatch.setattr(model, "encode_memory", lambda *all_: given.append(all_) or encode(*all_))
    memory = remember(model, features[0], found, binary=binary)
    ((embedding, mask, pointers, present),) = given
    logits = F.interpolate(found.logits, (64, 64), mode="bilinear", align_corners=False)
    torch.testing.assert_close(mask, (logits > 0).float() if binary else logits.sigmoid())
    assert torch.equal(embedding, features[0].stride16)  # not conditioned on memory
    assert pointers is found.pointers
    assert torch.equal(present, found.present)
    assert memory.shape == (2, 16, 16)


def test_the_gradient_reaches_an_earlier_frame(model):
    learner = copy.deepcopy(model).requires_grad_(True)
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    frames = learner.encode_image(pixels)
    first = step(learner, frames[0], None, clicks(2, 1))
    memory = remember(learner, frames[0], first)
    selections = [Selection(((6, memory[row]),), ((1, first.pointers[row]),), 15) for row in range(2)]
    step(learner, frames[1], selections).logits.square().mean().backward()
    assert pixels.grad is not None
    assert (pixels.grad.abs().amax((1, 2, 3)) > 1e-7).all()
    for part in (learner.memory_encoder, learner.memory_attention, learner.pointer_projection, learner.mask_decoder):
        assert max(weights.grad.abs().max() for weights in part.parameters() if weights.grad is not None) > 1e-7
    assert learner.memory_time.grad is not None
    assert learner.memory_time.grad[6].any()
    assert not learner.memory_time.grad[:6].any()


def test_the_two_halves_of_a_step_make_a_whole(model, features):
    """So that one look back serves any number of prompts."""
    embedding = look_back(model, features[0], SELECTIONS)
    for num_points in (1, 2):
        points, previous = clicks(5, num_points), torch.randn(5, 1, 16, 16, generator=torch.Generator().manual_seed(3))
        found = answer(model, embedding, features[0], points, previous, NEVER_STABLE)
        whole = step(model, features[0], SELECTIONS, points, previous, NEVER_STABLE)
        assert torch.equal(found.logits, whole.logits)
        assert torch.equal(found.pointers, whole.pointers)
