"""The tracker: objects and their histories, and the step applied to them, whatever drives it.

It sees frames as features and knows neither videos nor files. The answer to a prompt is remembered at once, or, as the
original has it, when tracking begins (`commit`).
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

import torch
from torch import Tensor

from masklet.model import Sam2
from masklet.ops.masks import fill_holes
from masklet.tracking.memory_bank import Selection
from masklet.tracking.policy import MemoryPolicy, TrackingPolicy
from masklet.tracking.step import ObjectMasks, adopt_masks, remember, step
from masklet.tracking.tracked_object import Bank, FramePrompt, FrameResult, KeepOn, Pending, TrackedObject
from masklet.types import ImageFeatures, KeptTensor

PREVIOUS_LIMIT = 32.0
"""Logits that are given back as a prompt are clamped to this range (released predictors)."""

MAX_TOKENS_PER_PASS = 64 * 64 * 16
"""Objects that go through the model at once are so many that their image tokens are no more: 16 at 1024 px."""

MAX_TOKENS_PER_PASS_ON_CPU = 2048
"""A CPU is busy with one object, and more at once only crowd its caches: 8 at 256 px, 2 at 512 px, 1 at 1024 px."""

ObjectId = TypeVar("ObjectId", bound=Hashable)


class Tracker(Generic[ObjectId]):
    """Objects on the frames of one video.

    num_frames: length of the video; None for a stream. keep: where copies of memory features and logits are put.
    """

    def __init__(
        self,
        model: Sam2,
        policy: TrackingPolicy,
        num_frames: int | None = None,
        keep: Callable[[Tensor], KeptTensor] | None = None,
    ) -> None:
        self.model = model
        self.policy = policy
        self.num_frames = num_frames
        self.keep = keep or KeepOn()
        self.objects: dict[ObjectId, TrackedObject] = {}

    @property
    def memory_policy(self) -> MemoryPolicy:
        """Which frames a frame looks back at, by the model's configuration and the policy."""
        return MemoryPolicy.of_model(
            self.model.config.memory,
            stride=self.policy.memory_stride,
            max_conditioning_frames=self.policy.max_conditioning_frames,
            all_conditioning_pointers=self.policy.all_conditioning_pointers,
        )

    def new_object(self) -> TrackedObject:
        """An object of which nothing is known, not yet among the tracked ones."""
        return TrackedObject(Bank(self.memory_policy))

    @torch.no_grad()
    def prompt(
        self,
        features: ImageFeatures,
        frame_index: int,
        object_id: ObjectId,
        prompt: FramePrompt,
        *,
        refine: bool = True,
        own: bool = False,
        defer: bool = False,
    ) -> None:
        """Answer a prompt, the whole of what is said of the object on this frame, and remember the answer.

        On a frame on which the object was tracked this is a correction, which looks at memory; on another the prompt
        alone counts. refine: from the mask found there so far. own: a correction also looks at the memory of the frame
        itself. defer: leave the answer pending, to be remembered by `commit`. An object that is not known yet is added.
        If this fails, nothing has changed.
        """
        known = self.objects.get(object_id) or self.new_object()
        initial = frame_index not in known.reverse
        if prompt.mask is not None:
            drawn, exact = prompt.mask.to(self.model.device), self.policy.exact_drawn_masks
            found = adopt_masks(self.model, features, drawn, exact=exact)
        else:
            points, previous = prompt.points, known.low_res_logits(frame_index) if refine else None
            if previous is not None:
                previous = previous[None].to(self.model.device).clamp(-PREVIOUS_LIMIT, PREVIOUS_LIMIT)
            selection = None
            if not initial:
                selection = self._select(known, frame_index, known.reverse[frame_index], own)
            found = step(
                self.model,
                features,
                [selection] if selection else None,
                None if points is None else points.to(self.model.device),
                previous,
                self.policy.stability,
            )
        answer = Pending(self._filled(found), initial or self.policy.corrections_condition)
        if defer:
            known.pending[frame_index] = answer
        else:
            self._remember_answer(features, frame_index, known, answer)
        known.prompts[frame_index] = prompt
        known.settled.clear()
        self.objects[object_id] = known

    @torch.no_grad()
    def commit(self, features: ImageFeatures, frame_index: int, object_id: ObjectId) -> None:
        """Remember the pending answer to a prompt.

        One that does not condition, on a frame that does, is dropped: what such a correction says has no effect on
        later frames. So it is in the original, where corrections do not condition by default.
        """
        known = self.objects[object_id]
        answer = known.pending[frame_index]
        if answer.conditioning or frame_index not in known.bank.conditioning:
            self._remember_answer(features, frame_index, known, answer)
        del known.pending[frame_index]

    @torch.no_grad()
    def track(
        self, features: ImageFeatures, frame_index: int, object_ids: Sequence[ObjectId], *, reverse: bool = False
    ) -> None:
        """Find objects on a frame from what is remembered of them, in large batches, and remember it."""
        for part in self._passes(object_ids):
            objects = [self.objects[id_] for id_ in part]
            selections = [self._select(known, frame_index, reverse) for known in objects]
            found = step(self.model, features, selections)
            memory = remember(self.model, features, found)
            self._store(objects, frame_index, self._filled(found), memory, conditioning=False)
            for known in objects:
                known.note_tracked(frame_index, reverse)

    def forget(self, frame_index: int) -> None:
        """In a stream: drop results of frames before this one, and all that neither it, which may yet be corrected, nor
        a frame after it can look at."""
        for known in self.objects.values():
            known.bank.forget(frame_index - 1)
            for by_frame in (known.prompts, known.results, known.reverse, known.settled):
                for old in [frame for frame in by_frame if frame < frame_index]:
                    del by_frame[old]

    def _remember_answer(
        self, features: ImageFeatures, frame_index: int, known: TrackedObject, answer: Pending
    ) -> None:
        memory = remember(self.model, features, answer.masks, binary=self.policy.binary_prompted_memory)
        self._store([known], frame_index, answer.masks, memory, answer.conditioning)
        if self.policy.clear_around_corrections:
            known.clear_around(frame_index)

    def _passes(self, object_ids: Sequence[ObjectId]) -> Iterator[Sequence[ObjectId]]:
        limit = MAX_TOKENS_PER_PASS_ON_CPU if self.model.device.type == "cpu" else MAX_TOKENS_PER_PASS
        per_pass = max(1, limit // self.model.config.embedding_side**2)
        for start in range(0, len(object_ids), per_pass):
            yield object_ids[start : start + per_pass]

    def _select(
        self, known: TrackedObject, frame_index: int, reverse: bool, own: bool = False
    ) -> Selection[Tensor, Tensor]:
        chosen = known.bank.select(frame_index, reverse=reverse, num_frames=self.num_frames, own=own)
        loaded = tuple((slot, features.load()) for slot, features in chosen.spatial)
        return Selection(loaded, chosen.pointers, chosen.pointer_span)

    def _filled(self, found: ObjectMasks) -> ObjectMasks:
        return replace(found, logits=fill_holes(found.logits, self.policy.max_hole_area))

    def _store(
        self, objects: Sequence[TrackedObject], frame_index: int, found: ObjectMasks, memory: Tensor, conditioning: bool
    ) -> None:
        """Each object's row is copied, so that none keeps the others' alive. Features are rounded to bfloat16, as the
        released predictors do, in float32 too. If they cannot be kept, nothing has changed."""
        memory = memory.bfloat16()
        scores = torch.stack((found.iou_scores.float(), found.object_scores[:, 0].float()), dim=1).tolist()
        kept = [(self.keep(features), self.keep(logits)) for features, logits in zip(memory, found.logits, strict=True)]
        for row, (known, (features, logits)) in enumerate(zip(objects, kept, strict=True)):
            known.bank.add(frame_index, features, found.pointers[row].clone(), conditioning=conditioning)
            known.results[frame_index] = FrameResult(logits, *scores[row])
