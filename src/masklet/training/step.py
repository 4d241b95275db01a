"""One training step, for images and videos alike: prompt objects as a person would, follow them, and sum the losses.

The frames with prompts come first, the others follow in temporal order, each by the step of inference
(`masklet.tracking.step`) with memories that carry gradients. A corrected frame is decoded again and again, with a click
more each time and the logits so far, which carry gradients, too. All passes count. A still image is a clip of one
frame, of which nothing need be remembered. In a long clip only the last of the frames on which nothing is said may have
losses; those before are followed without gradients. What is remembered of frames that do not condition may be spoilt on
purpose (`masklet.training.drift`); so `tracked_iou` is lower then.

As in the released training code, memories are made of probabilities, and frames look at object pointers of prompted
frames that lie ahead. Unlike there, a true mask that is taken as the answer has no loss: it would be a constant. And
the model drops nothing at random: the original drops activations of its memory attention, and paths of its trunk.

Source: the SAM 2 paper, section 5 and appendix D.2; the released training code.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

from masklet.model import Sam2
from masklet.ops.masks import MASK_LOGIT, resize_logits
from masklet.tracking.memory_bank import MemoryBank
from masklet.tracking.policy import MemoryPolicy
from masklet.tracking.step import MAX_AMBIGUOUS_POINTS, ObjectMasks, adopt_masks, answer, look_back, remember
from masklet.training.drift import Drift, DriftConfig, draw_drift
from masklet.training.losses import LossConfig, Losses, Target, mask_losses
from masklet.training.precision import no_gradients
from masklet.training.prompts import (
    Correction,
    PromptConfig,
    PromptKind,
    PromptPlan,
    clicks_in,
    correction_clicks,
    draw_plan,
    first_clicks,
    noisy_boxes,
)
from masklet.training.samples import ClipBatch
from masklet.types import ImageFeatures, Points


@dataclass(frozen=True, kw_only=True)
class StepConfig:
    """What is asked about a batch, what goes wrong meanwhile, and what counts."""

    prompts: PromptConfig
    drift: DriftConfig
    loss: LossConfig


@dataclass(frozen=True)
class FramePrediction:
    """The last that was found on a frame, without gradients, and what was said there.

    logits: low-res. prompt: how the frame was prompted, if it was. points: all clicks and corners of boxes, in model
    pixels.
    """

    logits: Float[Tensor, "N 1 h w"]
    prompt: PromptKind | None
    points: Points | None


@dataclass(frozen=True)
class StepLosses:
    """What a step found. total: what to minimise. predictions: frame by frame.

    parts, for reports, without gradients: `mask`, `dice`, `iou` and `class`, not weighted, summed over passes and
    divided by the number of objects; and mean true IoUs of objects that are there, by the candidates that the model
    rates best: `first_iou` of the first answers to clicks or boxes, `tracked_iou` of frames without prompt, before they
    are corrected, `corrected_iou` after the last correction. What did not occur is missing, and so are frames without
    losses, which makes `tracked_iou` one of the last frames.
    """

    total: Float[Tensor, ""]
    parts: dict[str, Tensor]
    predictions: tuple[FramePrediction, ...]


@dataclass(frozen=True)
class _Pass:
    """One decoder pass: what was said so far, and what was found."""

    points: Points | None
    found: ObjectMasks

    @property
    def multimask(self) -> bool:
        """Whether the prompt is ambiguous, so that the multimasks are taught."""
        return self.points is None or self.points.labels.shape[1] <= MAX_AMBIGUOUS_POINTS


def train_step(
    model: Sam2,
    batch: ClipBatch,
    config: StepConfig,
    decisions: np.random.Generator,
    generator: torch.Generator,
) -> StepLosses:
    """Losses on a batch.

    decisions: draws which frames are prompted how; the same in all processes. generator: draws where clicks fall, and
    which memories go wrong.
    """
    prompts = config.prompts
    plan = draw_plan(prompts, len(batch.pixels), decisions)
    conditioning = {*plan.prompts, *(plan.corrections if prompts.corrected_frames_condition else ())}
    drift = draw_drift(config.drift, batch.clip_of_object, len(batch.pixels), generator)
    taught = plan.taught(len(batch.pixels), config.loss.tracked_frames)
    follower = _Follower(model, batch, conditioning, drift, taught)
    passes: dict[int, list[_Pass]] = {}
    predictions: dict[int, FramePrediction] = {}
    order = [*plan.prompts, *(frame for frame in range(len(batch.pixels)) if frame not in plan.prompts)]
    for frame in order:
        with no_gradients(frame not in taught):
            if plan.prompts.get(frame) == "mask":
                found = follower.adopt(frame)
                made = [_Pass(None, found)]
                # Remembered at full size, as in the released training code.
                found = replace(found, logits=(batch.masks[frame][:, None].float() * 2 - 1) * MASK_LOGIT)
            else:
                points = _first_points(batch, frame, plan, prompts.centre_click_probability, generator)
                made = follower.find(frame, points, plan.corrections.get(frame, ()), generator)
                found = made[-1].found
            if frame != order[-1]:
                follower.remember(frame, found)
        last = made[-1]
        predictions[frame] = FramePrediction(last.found.logits.detach(), plan.prompts.get(frame), last.points)
        if frame in taught:
            passes[frame] = made
    total, parts = _summarise(batch, plan, passes, config.loss)
    return StepLosses(total, parts, tuple(predictions[frame] for frame in sorted(predictions)))


class _Follower:
    """The objects of a batch, and what is remembered of them: of all on the same frames, so one bank is enough.

    Each frame is looked at once. Taught ones are encoded together, others when their turn comes.
    """

    def __init__(
        self, model: Sam2, batch: ClipBatch, conditioning: set[int], drift: Drift | None, taught: Sequence[int]
    ) -> None:
        self.model = model
        self.batch = batch
        self.conditioning = conditioning
        self.drift = drift
        self.features = dict(zip(taught, encode_frames(model, batch, taught), strict=True))
        policy = MemoryPolicy.of_model(model.config.memory)
        self.bank = MemoryBank[Tensor, Tensor](policy)

    def adopt(self, frame: int) -> ObjectMasks:
        """The true masks, as if a person had drawn them."""
        return adopt_masks(self.model, self.features[frame], self.batch.masks[frame][:, None])

    def find(
        self, frame: int, points: Points | None, corrections: Iterable[Correction], generator: torch.Generator
    ) -> list[_Pass]:
        """Answer points, or find the objects from memory where there are none, then correct the answer."""
        if frame not in self.features:
            (self.features[frame],) = encode_frames(self.model, self.batch, [frame])
        features, masks = self.features[frame], self.batch.masks[frame]
        selection = self.bank.select(frame, num_frames=len(self.batch.pixels), future_pointers=True)
        embedding = look_back(self.model, features, [selection] if points is None else None)
        found = answer(self.model, embedding, features, points)
        passes = [_Pass(points, found)]
        for correction in corrections:
            if correction.from_truth:
                clicks = clicks_in(masks, masks, generator)
            else:
                wide = resize_logits(found.logits.detach(), (masks.shape[1], masks.shape[2]))[:, 0]
                clicks = correction_clicks(wide > 0, masks, generator)
            points = clicks if points is None else points.join(clicks)
            found = answer(self.model, embedding, features, points, found.logits if correction.with_mask else None)
            passes.append(_Pass(points, found))
        return passes

    def remember(self, frame: int, found: ObjectMasks) -> None:
        """For the frames that come later."""
        conditioning = frame in self.conditioning
        if self.drift is not None and not conditioning:
            found = self.drift.spoil(frame, found, self.model.no_object_pointer)
        memory = remember(self.model, self.features.pop(frame), found)
        self.bank.add(frame, memory, found.pointers, conditioning=conditioning)


def encode_frames(model: Sam2, batch: ClipBatch, frames: Sequence[int] | None = None) -> list[ImageFeatures]:
    """Features of each frame, or of some, with a row for every object; all are encoded at once.

    Where trunk and neck are frozen, nothing of them is kept for a backward pass.
    """
    pixels = batch.pixels
    if frames is not None and len(frames) < len(pixels):
        pixels = torch.stack([pixels[frame] for frame in frames])
    num_frames, num_clips = pixels.shape[:2]
    encoded = model.encode_image(pixels.flatten(0, 1))

    def of_objects(maps: Float[Tensor, "TB C H W"]) -> Iterable[Float[Tensor, "N C H W"]]:
        by_frame = maps.unflatten(0, (num_frames, num_clips))
        return by_frame.index_select(1, batch.clip_of_object).unbind()

    sizes = encoded.image_sizes[:1] * len(batch.clip_of_object)
    rows = zip(*map(of_objects, (encoded.stride16, encoded.stride8, encoded.stride4)), strict=True)
    return [ImageFeatures(stride16, stride8, stride4, sizes) for stride16, stride8, stride4 in rows]


def _first_points(
    batch: ClipBatch, frame: int, plan: PromptPlan, centre_probability: float, generator: torch.Generator
) -> Points | None:
    masks = batch.masks[frame]
    if frame not in plan.prompts:
        return None
    if plan.prompts[frame] == "box":
        return noisy_boxes(masks, generator)
    return first_clicks(masks, batch.centres[frame], centre_probability, generator)


def _summarise(
    batch: ClipBatch, plan: PromptPlan, passes: dict[int, list[_Pass]], config: LossConfig
) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
    """Total and parts of `StepLosses`."""
    losses: list[Losses] = []
    ious: dict[str, list[Tensor]] = {}
    present: dict[str, list[Tensor]] = {}
    for frame, found in passes.items():
        kind = plan.prompts.get(frame)
        if kind == "mask":
            continue
        target = Target.of_masks(batch.masks[frame], config)
        of_frame = [mask_losses(one.found.candidates, target, one.multimask, config) for one in found]
        losses += of_frame
        reports = [("first_iou" if kind else "tracked_iou", of_frame[0])]
        if len(of_frame) > 1:
            reports.append(("corrected_iou", of_frame[-1]))
        for name, report in reports:
            ious.setdefault(name, []).append(report.true_ious)
            present.setdefault(name, []).append(target.present)
    scale = 1 / _num_objects(batch)
    total = torch.stack([each.total(config) for each in losses]).sum() * scale
    parts = {
        name.rstrip("_"): torch.stack([getattr(each, name).detach() for each in losses]).sum() * scale
        for name in ("mask", "dice", "iou", "class_")
    }
    for name, values in ious.items():
        parts[name] = torch.stack(values).sum() / torch.stack(present[name]).sum().clamp(min=1)
    return total, parts


def _num_objects(batch: ClipBatch) -> Float[Tensor, ""]:
    """At least 1; in a distributed run the mean over the processes, so that each object counts the same in all."""
    number = torch.full((), float(len(batch.clip_of_object)), device=batch.pixels.device)
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(number)
        number = number / dist.get_world_size()
    return number.clamp(min=1)
