"""Memories that went wrong, as they do in long videos, so that a model learns not to follow them.

An error on a frame is remembered, the next frame believes it, and after a hundred frames a tracker follows a skirt, or
the bed, instead of the child it was shown. Clips to train on are a few frames long, so hardly any of this is met there.
Therefore what is remembered of frames that nobody prompted is spoilt for some objects, in one way, from some frame of
the clip to its end: part of the mask is lost, or a neighbour is taken for part of it, or another object or nothing at
all for the object. What is to be answered stays: prompted frames, whose memories stay right, say what the object is.

The released training code has nothing like it.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from masklet.tracking.step import ABSENT_LOGIT, ObjectMasks

WAYS = {"cut": 0.35, "leak": 0.35, "switch": 0.15, "lose": 0.15}
"""How memories are spoilt, and how often each."""

MAX_CUT = 0.8
"""How far from its middle a mask is cut, in standard deviations of where its pixels are."""

REACHES = (0.8, 2.0)
"""How far the surplus of a leak lies from the mask, likewise."""


@dataclass(frozen=True, kw_only=True)
class DriftConfig:
    """Section `drift`: how often memories of frames without prompts are wrong."""

    probability: float = 0.0
    """Of an object of a clip."""

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability is {self.probability}, but a probability lies between 0 and 1")


@dataclass(frozen=True)
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

    def spoil(self, frame: int, found: ObjectMasks, no_object_pointer: Float[Tensor, "C"]) -> ObjectMasks:
        """What is remembered of a frame instead of what was found on it."""
        wrong = frame >= self.begin
        cut, leak, switch, lose = ((wrong & (self.way == index)) for index in range(len(WAYS)))
        source = torch.where(switch, self.other, torch.arange(len(wrong), device=wrong.device))
        logits, pointers, scores = found.logits[source], found.pointers[source], found.object_scores[source]
        logits = torch.where(_wide(cut | leak), self._misshapen(logits, cut), logits)
        return replace(
            found,
            logits=logits.masked_fill(_wide(lose), ABSENT_LOGIT),
            pointers=torch.where(lose[:, None], no_object_pointer, pointers),
            object_scores=scores.masked_fill(lose[:, None], ABSENT_LOGIT),
        )

    def _misshapen(self, logits: Float[Tensor, "N 1 h w"], cut: Bool[Tensor, "N"]) -> Float[Tensor, "N 1 h w"]:
        """Without what lies beyond a line across the mask, or with a copy of it beside it."""
        height, width = logits.shape[-2:]
        ys, xs = torch.meshgrid(
            torch.arange(height, device=logits.device), torch.arange(width, device=logits.device), indexing="ij"
        )
        along = self.direction[:, 0, None, None] * xs + self.direction[:, 1, None, None] * ys
        mask = logits[:, 0] > 0
        total = mask.sum((1, 2)).clamp(min=1)
        middle = (along * mask).sum((1, 2)) / total
        spread = (((along - middle[:, None, None]) ** 2 * mask).sum((1, 2)) / total).sqrt()
        beyond = along > (middle + (2 * self.amount - 1) * MAX_CUT * spread)[:, None, None]
        low, high = REACHES
        shift = (self.direction * (spread * (low + (high - low) * self.amount))[:, None]).round().long()
        rows = torch.arange(len(logits), device=logits.device)[:, None, None]
        from_y, from_x = ys - shift[:, 1, None, None], xs - shift[:, 0, None, None]
        inside = (from_y >= 0) & (from_y < height) & (from_x >= 0) & (from_x < width)
        copy = logits[rows, 0, from_y.clamp(0, height - 1), from_x.clamp(0, width - 1)]
        surplus = torch.where(inside, torch.maximum(logits[:, 0], copy), logits[:, 0])
        lost = torch.where(beyond, -logits[:, 0].abs(), logits[:, 0])
        return torch.where(cut[:, None, None], lost, surplus)[:, None]


def draw_drift(
    config: DriftConfig, clip_of_object: Int64[Tensor, "N"], num_frames: int, generator: torch.Generator
) -> Drift | None:
    """Decide what goes wrong in a batch of clips of so many frames; None where nothing ever does."""
    if not config.probability or num_frames < 3:
        return None
    number, device = len(clip_of_object), clip_of_object.device

    def random(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=generator.device).to(device)

    begin = 1 + (random(number) * (num_frames - 2)).long()
    begin = torch.where(random(number) < config.probability, begin, num_frames)
    ways = torch.tensor(list(WAYS.values()), device=device).cumsum(0)
    angle = random(number) * (2 * torch.pi)
    same = clip_of_object[:, None] == clip_of_object
    rank = random(number, number).masked_fill(~same | torch.eye(number, dtype=torch.bool, device=device), -1)
    return Drift(
        begin=begin,
        way=torch.searchsorted(ways, random(number)).clamp(max=len(WAYS) - 1),
        direction=torch.stack((angle.cos(), angle.sin()), dim=1),
        amount=random(number),
        other=torch.where(same.sum(1) > 1, rank.argmax(1), torch.arange(number, device=device)),
    )


def _wide(rows: Bool[Tensor, "N"]) -> Bool[Tensor, "N 1 1 1"]:
    return rows[:, None, None, None]
