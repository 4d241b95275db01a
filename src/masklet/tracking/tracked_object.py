"""One object's history: what was said of it, what was found, what is remembered."""

from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor

from masklet.tracking.memory_bank import MemoryBank
from masklet.tracking.step import ObjectMasks
from masklet.types import KeptTensor, Points

Bank: TypeAlias = MemoryBank[KeptTensor, Tensor]
"""Memory features may be kept elsewhere; object pointers are small and stay on the device."""


@dataclass(frozen=True)
class FramePrompt:
    """What a person said of an object on one frame: a box and clicks, or a mask.

    box: its two corners as points. clicks: any number of points. Both are of one prompt, in model pixels, on the CPU.
    mask: (1, 1, S, S), boolean, at model pixels.
    """

    box: Points | None = None
    clicks: Points | None = None
    mask: Tensor | None = None

    @property
    def points(self) -> Points | None:
        """All points, those of the box first."""
        if self.box is None or self.clicks is None:
            return self.clicks if self.box is None else self.box
        return self.box.join(self.clicks)

    def with_more(self, other: "FramePrompt") -> "FramePrompt":
        """Clicks of both, and the other's box if it has one; a mask gives way to them."""
        if self.clicks is None or other.clicks is None:
            clicks = other.clicks or self.clicks
        else:
            clicks = self.clicks.join(other.clicks)
        return FramePrompt(box=other.box or self.box, clicks=clicks)


@dataclass(frozen=True)
class FrameResult:
    """What was found of an object on one frame. logits: (1, h, w), low-res, float32. Scores as in `FrameMasks`."""

    logits: KeptTensor
    iou_score: float
    object_score: float

    @property
    def visible(self) -> bool:
        """Whether the object is on the frame."""
        return self.object_score > 0


@dataclass(frozen=True)
class Pending:
    """An answer to a prompt that is not remembered yet."""

    masks: ObjectMasks
    conditioning: bool


@dataclass
class TrackedObject:
    """An object's state, by frame index.

    reverse: of frames that were tracked, whether in reverse. settled: those of them that were tracked since the
    prompts, or the frames before them, last changed, with their direction: they need no new look.
    """

    bank: Bank
    prompts: dict[int, FramePrompt] = field(default_factory=dict)
    results: dict[int, FrameResult] = field(default_factory=dict)
    pending: dict[int, Pending] = field(default_factory=dict)
    reverse: dict[int, bool] = field(default_factory=dict)
    settled: dict[int, bool] = field(default_factory=dict)

    def is_settled(self, frame_index: int, reverse: bool) -> bool:
        """Whether the frame's result holds for tracking in this direction.

        A prompted frame's does. A tracked one's does if it came in this direction, or if in its own it lay behind a
        conditioning frame: to guess from prompts ahead is worth less than to follow from a prompt.
        """
        if frame_index in self.prompts:
            return frame_index in self.results
        if frame_index not in self.settled:
            return False
        found_in_reverse = self.settled[frame_index]
        if found_in_reverse == reverse:
            return True
        return any((frame > frame_index) == found_in_reverse for frame in self.bank.conditioning)

    def note_tracked(self, frame_index: int, reverse: bool) -> None:
        """The frame was tracked in this direction. What was found beyond it came of what it was before, and no longer
        holds.
        """
        beyond = [frame for frame in self.settled if (frame > frame_index) != reverse and frame != frame_index]
        for frame in beyond:
            del self.settled[frame]
        self.reverse[frame_index] = self.settled[frame_index] = reverse

    def take_back(self, frame_index: int) -> None:
        """Forget what was said and found of a frame.

        If that leaves nothing to follow the object from, corrections that were ordinary memories become conditioning;
        without any, what came of the prompt is forgotten on all frames.
        """
        self.bank.remove(frame_index)
        for by_frame in (self.prompts, self.results, self.reverse):
            by_frame.pop(frame_index, None)
        self.settled.clear()
        if self.bank.conditioning:
            return
        self.bank.conditioning.update(self.prompts)
        if not self.prompts:
            for by_frame in (self.bank.features, self.bank.pointers, self.results, self.reverse):
                by_frame.clear()

    def clear_around(self, frame_index: int) -> None:
        """Forget the memories around a prompted frame, but not those of other prompted ones."""
        self.bank.clear_around(frame_index, keep=self.prompts)

    def clear_around_prompts_before(self, frame_index: int, reverse: bool) -> None:
        """`clear_around` the prompted frames that come right before this one in the direction of tracking."""
        past = 1 if reverse else -1
        before = frame_index + past
        while before in self.prompts:
            self.clear_around(before)
            before += past

    def low_res_logits(self, frame_index: int) -> Tensor | None:
        """The mask logits (1, h, w) found on a frame, float32, whether remembered yet or not."""
        if frame_index in self.pending:
            return self.pending[frame_index].masks.logits[0]
        if frame_index in self.results:
            return self.results[frame_index].logits.load()
        return None


@dataclass(frozen=True)
class InPlace:
    """A tensor that stays where it is."""

    tensor: Tensor

    def load(self) -> Tensor:
        """The tensor."""
        return self.tensor


@dataclass(frozen=True)
class KeepOn:
    """Keeps copies of tensors on a device; None: where they are."""

    device: torch.device | None = None

    def __call__(self, tensor: Tensor) -> InPlace:
        return InPlace(tensor.to(self.device or tensor.device, copy=True))
