"""Memories that went wrong, as they do in long videos, so that a model learns not to follow them.

An error on a frame is remembered, the next frame believes it, and after a hundred frames a tracker follows a skirt, or
the bed, instead of the child it was shown. Clips to train on are a few frames long, so hardly any of this is met there.
Therefore what is remembered of frames that do not condition is spoilt for some objects, in one way, from some frame of
the clip to its end: part of the mask is lost, or something beside it is taken along, or another object or nothing at
all is taken for the object. What is to be answered stays, and so do the memories of conditioning frames, which say what
the object is. What was spoilt carries no gradient to where it was found, since nothing was wrong there.

The object's pointer stays with a mask that was cut or that leaks, as there is none of such a mask. The released
training code has nothing like all this.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from masklet.tracking.step import ABSENT_LOGIT, ObjectMasks
from masklet.training.checks import check_probabilities

WAYS = {"cut": 0.35, "leak": 0.35, "switch": 0.15, "lose": 0.15}
"""How memories are spoilt, and how often each. An object that is alone is lost instead of switched."""

MAX_CUT = 0.8
"""How far from its middle a mask is cut at most, to either side, in standard deviations of where its pixels are."""

SHIFTS = (0.8, 2.0)
"""How far a mask is shifted to be its own leak, at least and at most, in the same measure."""


@dataclass(frozen=True, kw_only=True)
class DriftConfig:
    """Section `drift`: how often memories of frames that do not condition are wrong."""

    probability: float = 0.0
    """Of an object of a clip, at most: an error may begin so late that no frame looks back at it."""

    def __post_init__(self) -> None:
        check_probabilities(self)


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What goes wrong with the memories of N objects.

    begin: the first frame on which they are wrong; beyond the clip where they stay right. way: index into `WAYS`.
    direction: (x, y) of length 1, in which a cut or a leak lies. amount: 0..1, how far. other: the object, of the same
    clip, that is taken for this one.
    """

    begin: Int64[Tensor, "N"]
    way: Int64[Tensor, "N"]
    direction: Float[Tensor, "N 2"]
    amount: Float[Tensor, "N"]
    other: Int64[Tensor, "N"]

    def spoil(self, frame: int, found: ObjectMasks, no_object_pointer: Float[Tensor, "1 C"]) -> ObjectMasks:
        """What is remembered of a frame instead of what was found on it: logits, pointers and whether it is there."""
        wrong = frame >= self.begin
        cut, leak, switch, lose = (wrong & (self.way == index) for index in range(len(WAYS)))
        seen, pointers = found.logits.detach(), found.pointers.detach()
        along, spread = self._along(seen)
        logits = torch.where(_wide(cut), self._cut(seen, along, spread), found.logits)
        logits = torch.where(_wide(leak), self._leak(seen, spread), logits)
        logits = torch.where(_wide(switch), seen[self.other], logits)
        scores = torch.where(switch[:, None], found.object_scores[self.other], found.object_scores)
        pointers = torch.where(switch[:, None], pointers[self.other], found.pointers)
        return replace(
            found,
            logits=logits.masked_fill(_wide(lose), ABSENT_LOGIT),
            pointers=torch.where(lose[:, None], no_object_pointer, pointers),
            object_scores=scores.masked_fill(lose[:, None], ABSENT_LOGIT),
        )

    def _along(self, logits: Float[Tensor, "N 1 h w"]) -> tuple[Float[Tensor, "N 1 h w"], Float[Tensor, "N"]]:
        """How far each pixel lies from the middle of its mask in the direction of the error, and how far the mask's own
        pixels do (standard deviation); in pixels."""
        ys, xs = _pixels(logits)
        along = self.direction[:, 0, None, None, None] * xs + self.direction[:, 1, None, None, None] * ys
        mask = logits > 0
        total = mask.sum((1, 2, 3)).clamp(min=1)
        along = along - _wide((along * mask).sum((1, 2, 3)) / total)
        return along, ((along**2 * mask).sum((1, 2, 3)) / total).sqrt()

    def _cut(
        self, logits: Float[Tensor, "N 1 h w"], along: Float[Tensor, "N 1 h w"], spread: Float[Tensor, "N"]
    ) -> Float[Tensor, "N 1 h w"]:
        """Without what lies beyond a line across the mask."""
        beyond = along > _wide((2 * self.amount - 1) * MAX_CUT * spread)
        return torch.where(beyond, -logits.abs(), logits)

    def _leak(self, logits: Float[Tensor, "N 1 h w"], spread: Float[Tensor, "N"]) -> Float[Tensor, "N 1 h w"]:
        """With a copy of the mask beside it."""
        least, most = SHIFTS
        shift = (self.direction * (spread * (least + (most - least) * self.amount))[:, None]).round().long()
        ys, xs = _pixels(logits)
        y, x = ys - shift[:, 1, None, None], xs - shift[:, 0, None, None]
        height, width = logits.shape[-2:]
        inside = ((y >= 0) & (y < height) & (x >= 0) & (x < width))[:, None]
        rows = torch.arange(len(logits), device=logits.device)[:, None, None]
        copy = logits[rows, 0, y.clamp(0, height - 1), x.clamp(0, width - 1)][:, None]
        return torch.where(inside, torch.maximum(logits, copy), logits)


def draw_drift(
    config: DriftConfig, clip_of_object: Int64[Tensor, "N"], num_frames: int, generator: torch.Generator
) -> Drift | None:
    """Decide what goes wrong in a batch of clips of so many frames; None where nothing ever does."""
    if not config.probability or num_frames < 3:
        return None
    clips = clip_of_object.cpu()
    number = len(clips)
    starts, happens, ways, angle, amount = torch.rand(5, number, generator=generator, device=generator.device).cpu()
    begin = torch.where(happens < config.probability, 1 + (starts * (num_frames - 2)).long(), num_frames)
    # Of the objects of its clip any other; itself only where it is alone.
    rank = torch.rand(number, number, generator=generator, device=generator.device).cpu()
    other = rank.masked_fill(clips[:, None] != clips, -2).fill_diagonal_(-1).argmax(1)
    limits = torch.tensor(list(WAYS.values())).cumsum(0)
    way = torch.searchsorted(limits, ways).clamp(max=len(WAYS) - 1)
    switch, lose = list(WAYS).index("switch"), list(WAYS).index("lose")
    alone = other == torch.arange(number)
    device = clip_of_object.device
    angle = angle * (2 * torch.pi)
    return Drift(
        begin=begin.to(device),
        way=torch.where(alone & (way == switch), lose, way).to(device),
        direction=torch.stack((angle.cos(), angle.sin()), dim=1).to(device),
        amount=amount.to(device),
        other=other.to(device),
    )


def _pixels(logits: Float[Tensor, "N 1 h w"]) -> tuple[Int64[Tensor, "h 1"], Int64[Tensor, "w"]]:
    """Rows and columns of a map."""
    height, width = logits.shape[-2:]
    return torch.arange(height, device=logits.device)[:, None], torch.arange(width, device=logits.device)


def _wide(rows: Tensor) -> Tensor:
    """A value for each object, over its map."""
    return rows[:, None, None, None]
