"""The training step: its passes, what each is told, and that losses and gradients are those of the formulas."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from masklet.config import ModelConfig
from masklet.model import Sam2
from masklet.ops.masks import innermost_point, resize_logits
from masklet.tracking.memory_bank import MemoryBank
from masklet.tracking.step import ABSENT_LOGIT
from masklet.training.checkpointing import checkpoint_blocks
from masklet.training.drift import WAYS, Drift, DriftConfig
from masklet.training.losses import LossConfig, Target, mask_losses
from masklet.training.precision import precision
from masklet.training.prompts import PromptConfig
from masklet.training.samples import ClipBatch
from masklet.training.step import StepConfig, StepLosses, encode_frames, train_step
from masklet.types import DecodedMasks, ImageFeatures, MemoryTokens, PointLabel, Points, PromptEmbeddings

SIDE = 64
CLICK = PromptConfig(
    click_probability=1.0,
    box_probability=0.0,
    centre_click_probability=1.0,
    max_prompted_frames=1,
    max_corrected_frames=1,
    correction_probability=0.0,
)
CORRECTED = replace(CLICK, correction_probability=1.0, num_corrections=3, truth_click_probability=0.0)
MASKS = replace(CLICK, click_probability=0.0)
LOW_RES = LossConfig(at_full_size=False)


class Recorder(Sam2):
    """A model that remembers how it was called."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.forget()

    def forget(self) -> None:
        self.images: list[int] = []
        self.prompts: list[tuple[Points | None, Tensor | None]] = []
        self.decoded: list[DecodedMasks] = []
        self.attended: list[MemoryTokens | None] = []
        self.memorised: list[Tensor] = []

    def encode_image(self, pixels: Tensor) -> ImageFeatures:
        self.images.append(len(pixels))
        return super().encode_image(pixels)

    def encode_prompts(self, points: Points | None = None, mask_logits: Tensor | None = None) -> PromptEmbeddings:
        self.prompts.append((points, mask_logits))
        return super().encode_prompts(points, mask_logits)

    def decode_masks(self, embedding: Tensor, features: ImageFeatures, prompts: PromptEmbeddings) -> DecodedMasks:
        self.decoded.append(super().decode_masks(embedding, features, prompts))
        return self.decoded[-1]

    def attend_memory(self, embedding: Tensor, memory: MemoryTokens | None = None) -> Tensor:
        self.attended.append(memory)
        return super().attend_memory(embedding, memory)

    def encode_memory(self, embedding, mask, pointer, present):
        self.memorised.append(mask)
        return super().encode_memory(embedding, mask, pointer, present)


@pytest.fixture
def model(model_config: ModelConfig) -> Recorder:
    """Random weights; objects are there, whatever is seen."""
    torch.manual_seed(0)
    model = Recorder(model_config).train()
    torch.nn.init.constant_(model.get_parameter("mask_decoder.object_head.layers.2.bias"), 3.0)
    return model


@pytest.fixture
def added(monkeypatch) -> list[tuple[int, Tensor, bool]]:
    """What was remembered: frame, pointers, and whether it conditions."""
    calls: list[tuple[int, Tensor, bool]] = []
    plain = MemoryBank.add

    def add(self, frame_index, features, pointer, *, conditioning):
        calls.append((frame_index, pointer, conditioning))
        plain(self, frame_index, features, pointer, conditioning=conditioning)

    monkeypatch.setattr(MemoryBank, "add", add)
    return calls


def make_batch(num_frames: int, clip_of_object: tuple[int, ...], absent: tuple[tuple[int, int], ...] = ()) -> ClipBatch:
    """Squares of 24 pixels that move; (frame, object) of those that are absent."""
    generator = torch.Generator().manual_seed(1)
    corners = [(0, 0), (8, 30), (36, 36), (20, 4), (33, 17), (5, 36)]
    masks = torch.zeros(num_frames, len(clip_of_object), SIDE, SIDE, dtype=torch.bool)
    centres = torch.full((num_frames, len(clip_of_object), 2), torch.nan)
    for frame in range(num_frames):
        for row in range(len(clip_of_object)):
            if (frame, row) not in absent:
                x, y = corners[row][0] + frame, corners[row][1] + 2 * frame
                masks[frame, row, y : y + 24, x : x + 20] = True
                centres[frame, row] = torch.tensor(innermost_point(masks[frame, row].numpy()))
    pixels = torch.randn(num_frames, max(clip_of_object) + 1, 3, SIDE, SIDE, generator=generator)
    return ClipBatch(pixels, masks, torch.tensor(clip_of_object), centres)


IMAGES = make_batch(1, (0, 0, 1, 1, 1, 1))
CLIP = make_batch(3, (0, 0, 1), absent=((2, 1),))
LONG = make_batch(7, (0, 0, 1))


def run(
    model: Sam2,
    batch: ClipBatch,
    prompts: PromptConfig,
    loss: LossConfig = LOW_RES,
    seed: int = 0,
    clicks: int = 0,
    drift: float = 0.0,
) -> StepLosses:
    if isinstance(model, Recorder):
        model.forget()
    decisions, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed + clicks)
    config = StepConfig(prompts=prompts, drift=DriftConfig(probability=drift), loss=loss)
    return train_step(model, batch, config, decisions, generator)


def test_images_are_encoded_once_and_all_objects_decoded_together(model):
    found = run(model, IMAGES, CLICK)
    assert model.images == [2]
    assert len(model.prompts) == 1
    points, mask = model.prompts[0]
    assert mask is None
    assert torch.equal(points.coords[:, 0], IMAGES.centres[0])
    assert points.labels.tolist() == [[PointLabel.POSITIVE]] * 6
    losses = mask_losses(model.decoded[0], Target.of_masks(IMAGES.masks[0], LOW_RES), True, LOW_RES)
    torch.testing.assert_close(found.total, losses.total(LOW_RES) / 6)
    torch.testing.assert_close(found.parts["first_iou"], losses.true_ious.mean())
    assert set(found.parts) == {"mask", "dice", "iou", "class", "first_iou"}
    assert not model.memorised, "nobody would look at it"


def test_objects_are_found_on_their_own_image(model):
    run(model, IMAGES, CLICK)
    together = model.decoded[0].logits
    for clip, rows in ((0, slice(0, 2)), (1, slice(2, 6))):
        masks, centres = IMAGES.masks[:, rows], IMAGES.centres[:, rows]
        one = ClipBatch(IMAGES.pixels[:, clip : clip + 1], masks, torch.zeros(len(masks[0]), dtype=torch.long), centres)
        run(model, one, CLICK)
        torch.testing.assert_close(model.decoded[0].logits, together[rows], atol=1e-4, rtol=1e-4)


def test_a_box_is_clear_and_teaches_the_single_mask(model):
    found = run(model, IMAGES, replace(CLICK, box_probability=1.0))
    points = model.prompts[0][0]
    assert points.labels.tolist() == [[PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT]] * 6
    losses = mask_losses(model.decoded[0], Target.of_masks(IMAGES.masks[0], LOW_RES), False, LOW_RES)
    torch.testing.assert_close(found.total, losses.total(LOW_RES) / 6)
    assert found.predictions[0].prompt == "box"


def test_corrections(model):
    """A click more each, somewhere wrong; the logits so far beside it; then the single mask is taught."""
    found = run(model, IMAGES, CORRECTED)
    assert (len(model.images), len(model.prompts), len(model.attended)) == (1, 4, 1)
    rows = torch.arange(6)
    for number in range(1, 4):
        previous = model.decoded[number - 1]
        chosen = previous.iou_scores[:, 1:].argmax(1) + 1 if number == 1 else torch.zeros(6, dtype=torch.long)
        shown = previous.logits[rows, chosen][:, None]
        points, mask = model.prompts[number]
        assert torch.equal(mask, shown), "not clamped"
        assert mask.requires_grad, "as in the released training code"
        assert points.coords.shape == (6, number + 1, 2)
        assert torch.equal(points.coords[:, :number], model.prompts[number - 1][0].coords), "clicks accumulate"
        x, y = points.coords[:, number].long().unbind(-1)
        wanted = IMAGES.masks[0][rows, y, x]
        assert torch.equal(wanted, resize_logits(shown, (SIDE, SIDE))[rows, 0, y, x] <= 0)
        assert torch.equal(points.labels[:, number] == PointLabel.POSITIVE, wanted)
    target = Target.of_masks(IMAGES.masks[0], LOW_RES)
    losses = [mask_losses(each, target, number == 0, LOW_RES) for number, each in enumerate(model.decoded)]
    torch.testing.assert_close(found.total, sum(each.total(LOW_RES) for each in losses) / 6)
    torch.testing.assert_close(found.parts["corrected_iou"], losses[-1].true_ious.mean())
    torch.testing.assert_close(found.parts["dice"], sum(each.dice for each in losses) / 6)


def test_corrections_without_the_mask_or_anywhere_in_the_object(model):
    run(model, IMAGES, replace(CORRECTED, previous_mask_probability=0.0, truth_click_probability=1.0))
    assert all(mask is None for _, mask in model.prompts)
    points = model.prompts[-1][0]
    assert (points.labels == PointLabel.POSITIVE).all()
    x, y = points.coords.long().unbind(-1)
    assert IMAGES.masks[0][torch.arange(6)[:, None], y, x].all()


def test_prompted_frames_come_first_and_the_others_follow_in_order(model, added):
    """Each of the others looks at what was found; corrected frames condition as prompted ones do, or not."""
    batch = make_batch(5, (0, 0, 1))
    config = replace(CORRECTED, max_prompted_frames=2, max_corrected_frames=3)
    seen = set()
    for condition in (True, False):
        for seed in range(12):
            added.clear()
            with torch.no_grad():
                found = run(model, batch, replace(config, corrected_frames_condition=condition), seed=seed)
            prompted = [frame for frame, each in enumerate(found.predictions) if each.prompt]
            corrected = [
                frame
                for frame, each in enumerate(found.predictions)
                if each.points is not None and each.points.labels.shape[1] >= 3
            ]
            assert set(prompted) <= set(corrected)
            order = [*prompted, *(frame for frame in range(5) if frame not in prompted)]
            conditioning = {*prompted, *corrected} if condition else {*prompted}
            expected = [(frame, frame in conditioning) for frame in order[:-1]]  # the last is remembered by none
            assert [(frame, conditions) for frame, _, conditions in added] == expected
            assert model.attended[: len(prompted)] == [None] * len(prompted)
            assert None not in model.attended[len(prompted) :]
            assert len(model.attended) == 5, "not once more for corrections"
            seen.add((len(prompted), len(corrected)))
            assert {"corrected_iou", "tracked_iou"} <= found.parts.keys()
    assert len(seen) > 3


def test_frames_look_at_maps_and_pointers_of_prompted_frames_ahead(model):
    batch = make_batch(4, (0,))
    config = replace(CLICK, max_prompted_frames=2, max_corrected_frames=2)
    for seed in range(20):
        prompts = [each.prompt for each in run(model, batch, config, seed=seed).predictions]
        if prompts == ["click", None, None, "click"]:
            break
    grid, pieces = model.config.embedding_side**2, model.config.dim // model.config.memory.dim
    # Frame 1 looks at frames 0 and 3, frame 2 at frame 1 as well.
    assert [m.num_pointer_tokens for m in model.attended[2:]] == [2 * pieces, 3 * pieces]
    assert [m.tokens.shape[1] for m in model.attended[2:]] == [2 * (grid + pieces), 3 * (grid + pieces)]


def test_a_true_mask_is_adopted_remembered_in_full_and_teaches_nothing_itself(model):
    found = run(model, CLIP, MASKS)
    assert [each.prompt for each in found.predictions] == ["mask", None, None]
    assert set(found.parts) == {"mask", "dice", "iou", "class", "tracked_iou"}
    torch.testing.assert_close(model.memorised[0][:, 0], CLIP.masks[0].float(), atol=1e-4, rtol=0)
    total = torch.zeros(())
    for frame, decoded in ((1, model.decoded[1]), (2, model.decoded[2])):
        target = Target.of_masks(CLIP.masks[frame], LOW_RES)
        total = total + mask_losses(decoded, target, True, LOW_RES).total(LOW_RES) / 3
    torch.testing.assert_close(found.total, total)


def test_memories_are_made_of_probabilities_of_the_last_prediction(model):
    run(model, CLIP, CORRECTED)
    last = model.decoded[3].logits[:, :1]
    torch.testing.assert_close(model.memorised[0], resize_logits(last, (SIDE, SIDE)).sigmoid())
    assert len(model.memorised) == 2


def test_memories_drift_but_not_those_that_condition(model, added, monkeypatch):
    clip = make_batch(5, (0, 0, 1))
    config = replace(CORRECTED, num_corrections=1, max_prompted_frames=2, max_corrected_frames=3)
    lost = Drift(
        begin=torch.ones(3, dtype=torch.long),
        way=torch.full((3,), list(WAYS).index("lose")),
        direction=torch.ones(3, 2),
        amount=torch.ones(3),
        other=torch.tensor([1, 0, 2]),
    )
    monkeypatch.setattr("masklet.training.step.draw_drift", lambda *_: lost)
    kinds = set()
    for seed in range(12):
        added.clear()
        with torch.no_grad():
            found = run(model, clip, config, seed=seed)
        for (frame, pointer, _), mask in zip(added, model.memorised, strict=True):
            conditions = found.predictions[frame].points is not None
            nobody = bool((pointer == model.no_object_pointer).all())
            assert nobody == (not conditions)
            assert bool((mask == 0).all()) == (not conditions)
            kinds.add((frame > 0, conditions))
    assert kinds == {(False, True), (True, True), (True, False)}


def test_drift_changes_what_is_found_but_not_what_is_to_be_found(model):
    clip = make_batch(4, (0, 0, 1))
    run(model, clip, MASKS)
    plain = model.decoded
    found = run(model, clip, MASKS, drift=1.0)
    assert torch.equal(model.decoded[1].logits, plain[1].logits), "nothing was wrong yet"
    assert not torch.equal(model.decoded[3].logits, plain[3].logits)
    loss = torch.zeros(())
    for frame in (1, 2, 3):
        target = Target.of_masks(clip.masks[frame], LOW_RES)
        loss = loss + mask_losses(model.decoded[frame], target, True, LOW_RES).total(LOW_RES)
    torch.testing.assert_close(found.total, loss / 3)


def test_what_the_object_score_misses_is_shown_as_nothing_and_clicked(model):
    """As published, but that its mask learns: the logits so far are those of an absent object, so is the memory."""
    torch.nn.init.constant_(model.get_parameter("mask_decoder.object_head.layers.2.bias"), -3.0)
    found = run(model, CLIP, CORRECTED)
    assert all((mask == ABSENT_LOGIT).all() for _, mask in model.prompts[1:4])
    clicks = model.prompts[3][0]
    assert (clicks.labels == PointLabel.POSITIVE).all()
    assert not any(mask.any() for mask in model.memorised)
    assert all((each.logits == ABSENT_LOGIT).all() for each in found.predictions)
    (taught,) = torch.autograd.grad(found.total, model.decoded[0].logits)
    assert taught.flatten(1).any(1).all()


def test_an_absent_object_on_a_prompted_frame_is_told_where_it_is_not(model):
    batch = make_batch(2, (0, 0), absent=((1, 1),))
    for box, labels in ((0.0, [PointLabel.NEGATIVE]), (1.0, [PointLabel.NEGATIVE, PointLabel.PADDING])):
        config = replace(CLICK, max_prompted_frames=2, max_corrected_frames=2, box_probability=box)
        for seed in range(20):
            found = run(model, batch, config, LossConfig(mask=1, dice=1, iou=1, class_=0), seed=seed)
            if found.predictions[1].prompt:
                break
        assert found.predictions[1].points.labels[1].tolist() == labels
        (gradient,) = torch.autograd.grad(found.total, model.decoded[1].logits)
        assert gradient[0].any()
        assert not gradient[1].any()
        assert "tracked_iou" not in found.parts


# A second reading of the specification, in plain torch. Only the model's verbs are shared.


def reference_losses(decoded: DecodedMasks, multimask: bool, masks: Tensor, config: LossConfig) -> Tensor:
    total = torch.zeros(())
    for row in range(len(masks)):
        candidates = [1, 2, 3] if multimask else [0]
        present = masks[row].any().float()
        s = decoded.object_score[row, 0]
        total = total - config.class_ * (present * F.logsigmoid(s) + (1 - present) * F.logsigmoid(-s))
        if not present:
            continue
        focals, dices, errors = [], [], []
        for candidate in candidates:
            x, t = decoded.logits[row, candidate], masks[row].float()
            if config.at_full_size:
                x = F.interpolate(x[None, None], (SIDE, SIDE), mode="bilinear", align_corners=False)[0, 0]
            else:
                t = t.reshape(SIDE // 4, 4, SIDE // 4, 4).mean((1, 3))
            p = torch.sigmoid(x)
            entropy = -t * F.logsigmoid(x) - (1 - t) * F.logsigmoid(-x)
            p_t = p * t + (1 - p) * (1 - t)
            focals.append(((0.25 * t + 0.75 * (1 - t)) * (1 - p_t) ** 2 * entropy).mean())
            dices.append(1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1))
            a, b = x > 0, t > 0.5
            true = (a & b).sum() / max((a | b).sum(), torch.tensor(1))
            errors.append((decoded.iou_scores[row, candidate] - true).abs())
        costs = [config.mask * f + config.dice * d for f, d in zip(focals, dices, strict=True)]
        total = total + min(costs, key=lambda cost: cost.item()) + config.iou * sum(errors) / len(errors)
    return total / len(masks)


def answer_of(decoded: DecodedMasks, multimask: bool) -> tuple[Tensor, Tensor]:
    """Logits (N, 1, h, w) and output token of the answer: the multimask rated best, or the single mask."""
    rows = range(len(decoded.logits))
    index = [1 + int(scores[1:].argmax()) if multimask else 0 for scores in decoded.iou_scores]
    logits = torch.stack([decoded.logits[row, i] for row, i in zip(rows, index, strict=True)])[:, None]
    return logits, torch.stack([decoded.tokens[row, i] for row, i in zip(rows, index, strict=True)])


def reference_frame(
    model: Sam2, embedding: Tensor, features: ImageFeatures, clicks: Points | None, masks: Tensor, config: LossConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss, logits and token after all clicks of a frame, one more each time."""
    none = Points(torch.zeros(len(masks), 1, 2), torch.full((len(masks), 1), -1))
    steps = [none] if clicks is None else [Points(clicks.coords[:, :n], clicks.labels[:, :n]) for n in range(1, 5)]
    loss, logits, token = torch.zeros(()), None, torch.zeros(())
    for number, points in enumerate(steps):
        decoded = model.decode_masks(embedding, features, model.encode_prompts(points, logits))
        loss = loss + reference_losses(decoded, number == 0, masks, config)
        logits, token = answer_of(decoded, number == 0)
    assert logits is not None
    return loss, logits, token


def reference_step(model: Sam2, batch: ClipBatch, clicks: Points, config: LossConfig) -> Tensor:
    """Frame 0 is clicked and corrected; frame 1 looks at it; frame 2 at both."""
    total, memories, pointers = torch.zeros(()), [], []
    no_memory = model.no_memory[0, 0][:, None, None]
    for frame, masks in enumerate(batch.masks):
        encoded = model.encode_image(batch.pixels[frame])
        pick = batch.clip_of_object.tolist()
        maps = [torch.stack([m[c] for c in pick]) for m in (encoded.stride16, encoded.stride8, encoded.stride4)]
        features = ImageFeatures(*maps, ((SIDE, SIDE),) * len(pick))
        embedding = features.stride16 + no_memory
        if frame:
            # Row 6 of the time table is that of prompted frames, row 0 that of the frame before.
            times = [6, 0][: len(memories)]
            places = [m.position + model.memory_time[slot] for m, slot in zip(memories, times, strict=True)]
            place = torch.cat([p.expand(len(pick), -1, -1) for p in places], dim=1)
            told = torch.cat([p.unflatten(1, (-1, model.config.memory.dim)) for p in pointers], dim=1)
            pieces = told.shape[1] // len(pointers)
            far = torch.arange(frame, 0, -1) / (len(batch.masks) - 1)
            half = model.config.dim // 2
            angles = far[:, None] / 10000 ** (2 * (torch.arange(half) // 2) / half)
            when = model.pointer_time_projection(torch.cat((angles.sin(), angles.cos()), dim=1))
            when = when.repeat_interleave(pieces, dim=0).expand(len(pick), -1, -1)
            tokens = torch.cat((*(m.features for m in memories), told), dim=1)
            memory = MemoryTokens(tokens, torch.cat((place, when), dim=1), told.shape[1])
            embedding = model.attend_memory(features.stride16, memory)
        loss, logits, token = reference_frame(model, embedding, features, None if frame else clicks, masks, config)
        total = total + loss
        present = torch.ones(len(pick), 1, dtype=torch.bool)
        mask = F.interpolate(logits, (SIDE, SIDE), mode="bilinear", align_corners=False).sigmoid()
        pointers.append(model.object_pointer(token, present))
        memories.append(model.encode_memory(features.stride16, mask, pointers[-1], present))
    return total


@pytest.mark.parametrize("at_full_size", [True, False])
@pytest.mark.parametrize("batch", [IMAGES, CLIP], ids=["images", "clip"])
def test_step_equals_reference(model, batch, at_full_size):
    config = LossConfig(at_full_size=at_full_size)
    found = run(model, batch, CORRECTED, config)
    clicks = found.predictions[0].points
    assert (torch.cat([each.object_score for each in model.decoded]) > 0).all(), "the reference takes it for granted"
    found.total.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    expected = reference_step(model, batch, clicks, config)
    expected.backward()
    torch.testing.assert_close(found.total, expected, atol=1e-4, rtol=1e-5)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None and parameter.grad.any():
            scale = parameter.grad.abs().max().item()
            torch.testing.assert_close(gradients[name], parameter.grad, atol=1e-3 * scale + 1e-7, rtol=1e-3)
        else:
            assert name not in gradients or not gradients[name].any()


def taught(model: Sam2) -> set[str]:
    return {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}


def test_gradients_reach_every_part_that_still_images_use(model):
    run(model, IMAGES, CORRECTED).total.backward()
    parts = {name.split(".")[0] for name in taught(model)}
    assert parts == {"trunk", "neck", "prompt_encoder", "mask_decoder", "no_memory"}
    encoder = {name for name, _ in model.named_parameters() if name.startswith(("trunk.", "neck."))}
    assert not {name for name in encoder - taught(model) if "qkv.bias" not in name}
    assert "prompt_encoder.mask_conv1.weight" in taught(model)


@pytest.mark.parametrize("prompts", [MASKS, CORRECTED], ids=["masks", "clicks"])
def test_gradients_reach_every_part_that_videos_use(model, prompts):
    run(model, CLIP, prompts).total.backward()
    expected = {
        "trunk.blocks.0.mlp.layers.0.weight",
        "memory_time",
        "pointer_time_projection.weight",
        "pointer_projection.layers.0.weight",
        "memory_encoder.projection.weight",
        "memory_encoder.mask_downsampler.convs.0.weight",
        "memory_attention.layers.0.cross_attention.k_projection.weight",
        *(["mask_downsample.weight"] if prompts is MASKS else ["no_memory"]),
    }
    assert expected <= taught(model)


def test_a_frozen_image_encoder_leaves_nothing_to_keep(model):
    model.trunk.requires_grad_(False)
    model.neck.requires_grad_(False)
    features = encode_frames(model, CLIP)
    assert not features[0].stride16.requires_grad
    run(model, CLIP, CORRECTED).total.backward()
    assert "mask_decoder.stride4_projection.weight" in taught(model), "which belongs to the decoder"
    assert not any(name.startswith(("trunk", "neck")) for name in taught(model))


def test_frames_are_encoded_at_once_and_keep_their_places(model):
    features = encode_frames(model, CLIP)
    assert model.images == [6]
    for frame, maps in enumerate(features):
        assert len(maps) == 3
        alone = model.encode_image(CLIP.pixels[frame])
        for name in ("stride16", "stride8", "stride4"):
            rows = getattr(alone, name)[CLIP.clip_of_object]
            torch.testing.assert_close(getattr(maps, name), rows, atol=1e-5, rtol=1e-4)


def test_decisions_are_the_same_for_other_pixels_and_clicks(model):
    """So that two processes do the same work, each on a batch of its own."""
    other = ClipBatch(CLIP.pixels + 1, CLIP.masks.roll(5, -1), CLIP.clip_of_object, CLIP.centres)
    for seed in range(10):
        kinds = []
        for batch, clicks in ((CLIP, 0), (other, 100)):
            with torch.no_grad():
                found = run(model, batch, PromptConfig(num_corrections=2), seed=seed, clicks=clicks)
            said = [each.points for each in found.predictions]
            shapes = [None if points is None else points.labels.shape for points in said]
            kinds.append(([each.prompt for each in found.predictions], shapes, len(model.decoded)))
        assert kinds[0] == kinds[1]


def test_a_step_is_the_same_with_the_same_generators(model):
    first, second = (run(model, CLIP, PromptConfig(num_corrections=2), seed=5).total.item() for _ in range(2))
    assert first == second


def test_in_a_distributed_run_the_number_of_objects_is_the_processes_mean(model, monkeypatch):
    alone = run(model, IMAGES, CLICK)
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "all_reduce", lambda number: number.add_(12))  # six here, twelve there
    together = run(model, IMAGES, CLICK)
    torch.testing.assert_close(together.total, alone.total * 6 / 9)
    torch.testing.assert_close(together.parts["dice"], alone.parts["dice"] * 6 / 9)
    assert together.parts["first_iou"] == alone.parts["first_iou"]


def test_reports_and_predictions_have_no_gradient(model):
    found = run(model, CLIP, CORRECTED)
    assert found.total.requires_grad
    assert not any(value.requires_grad for value in found.parts.values())
    weights = {"mask": 20.0, "dice": 1.0, "iou": 1.0, "class": 1.0}
    torch.testing.assert_close(found.total.detach(), sum(weights[name] * found.parts[name] for name in weights))
    assert len(found.predictions) == 3
    for each in found.predictions:
        assert each.logits.shape == (3, 1, SIDE // 4, SIDE // 4)
        assert not each.logits.requires_grad


LAST_TWO = replace(LOW_RES, tracked_frames=2)


def test_of_a_long_clip_the_last_frames_have_losses(model):
    every = run(model, LONG, MASKS)
    found = run(model, LONG, MASKS, LAST_TWO)
    assert model.images == [2 * 3, 2, 2, 2, 2], "those that are taught at once, the others in their turn"
    assert len(model.decoded) == len(found.predictions) == 7
    for one, other in zip(every.predictions, found.predictions, strict=True):
        torch.testing.assert_close(one.logits, other.logits, msg="all frames are followed, as before")
    loss = torch.zeros(())
    for frame in (5, 6):
        target = Target.of_masks(LONG.masks[frame], LOW_RES)
        loss = loss + mask_losses(model.decoded[frame], target, True, LOW_RES).total(LOW_RES)
    torch.testing.assert_close(found.total, loss / 3)


def test_gradients_stop_at_frames_without_losses(model):
    pixels = LONG.pixels.clone().requires_grad_()
    run(model, replace(LONG, pixels=pixels), CORRECTED, LAST_TWO).total.backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().amax((1, 2, 3, 4)).bool().tolist() == [True, False, False, False, False, True, True]


def test_what_is_said_has_losses_wherever_it_is(model):
    prompts = replace(CORRECTED, num_corrections=1, max_prompted_frames=2, max_corrected_frames=3)
    for seed in range(6):
        model.zero_grad()
        pixels = LONG.pixels.clone().requires_grad_()
        found = run(model, replace(LONG, pixels=pixels), prompts, replace(LAST_TWO, tracked_frames=1), seed)
        found.total.backward()
        assert pixels.grad is not None
        taught = [frame for frame, grad in enumerate(pixels.grad) if grad.any()]
        told = [frame for frame, each in enumerate(found.predictions) if each.points is not None]
        last = max(frame for frame in range(7) if frame not in told)
        assert taught == sorted({*told, last})


@pytest.mark.parametrize("prompts", [MASKS, CORRECTED], ids=["masks", "clicks"])
def test_long_clips_have_the_same_gradients_where_parts_are_computed_anew(model, prompts):
    found = []
    for anew in (False, True):
        if anew:
            checkpoint_blocks(model)
        model.zero_grad(set_to_none=True)
        run(model, LONG, prompts, LAST_TWO).total.backward()
        found.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(grad, found[1][name]) for name, grad in found[0].items())


def test_frames_without_losses_cost_no_weight_its_gradient_in_mixed_precision(model):
    run(model, LONG, CORRECTED, LAST_TWO).total.backward()
    exact = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    with precision("bf16-mixed", "cpu"):
        run(model, LONG, CORRECTED, LAST_TWO).total.backward()
    mixed = {name: p.grad for name, p in model.named_parameters()}
    assert {name for name, grad in mixed.items() if grad is not None} == {
        name for name, grad in exact.items() if grad is not None
    }
    flat, near = (torch.cat([g.flatten() for g in each.values() if g is not None]) for each in (exact, mixed))
    assert F.cosine_similarity(flat, near, dim=0) > 0.98


@pytest.mark.parametrize("batch", [IMAGES, CLIP], ids=["images", "clip"])
def test_in_mixed_precision_losses_and_gradients_are_near(model, batch):
    exact = run(model, batch, replace(CORRECTED, truth_click_probability=1.0))
    with precision("bf16-mixed", "cpu"):
        mixed = run(model, batch, replace(CORRECTED, truth_click_probability=1.0))
    assert mixed.total.dtype == torch.float32
    torch.testing.assert_close(mixed.total, exact.total, atol=0, rtol=0.03)
    mixed.total.backward()
    assert all(p.grad.dtype == torch.float32 for p in model.parameters() if p.grad is not None)
