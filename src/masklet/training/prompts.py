"""Simulated prompts: what a person would draw or click on an object, and how they would correct a wrong mask.

Two kinds of chance are kept apart. `draw_plan` decides which frames are prompted how and which are corrected: that
shapes the work to be done, so all processes of a run must decide alike. Where a click falls is each object's own.

Source: the SAM 2 paper, appendix D.2, and the released training code, with three departures. An absent object, which
the original would give a box turned inside out, gets a click beside it. A click "on the background" of a mask that
fills the image is one on the mask. And people tend to click in the middle, so first clicks may be taken from there.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from masklet.ops.boxes import masks_to_boxes
from masklet.training.checks import check_probabilities
from masklet.types import PointLabel, Points

BOX_NOISE = 0.1
"""Largest shift of a box's corner, as a share of the box's side."""

MAX_BOX_NOISE = 20 / 1024
"""The same as a share of the image's side: 20 pixels of 1024."""

MANY = 2**62
"""Random whole numbers below this, divided by a number of pixels, leave every remainder as often as any other."""


@dataclass(frozen=True, kw_only=True)
class PromptConfig:
    """How often which prompt is simulated. The defaults are those of the published fine-tuning on MOSE.

    A still image is always given clicks or a box, never the mask.
    """

    click_probability: float = 0.5
    """Of clicks or boxes on a clip's prompted frames; otherwise they are given the true mask."""
    box_probability: float = 0.5
    """Of a box rather than a click, where it is one of them; drawn frame by frame."""
    centre_click_probability: float = 0.0
    """Of a first click on the object's innermost point; otherwise it falls anywhere in the object."""
    max_prompted_frames: int = 2
    """The first frame and so many others, a random number up to this."""
    max_corrected_frames: int = 2
    """Those with clicks or boxes and so many others, a random number up to this."""
    num_corrections: int = 7
    """Clicks that a corrected frame is given one after the other."""
    correction_probability: float = 1.0
    """Of correcting at all."""
    truth_click_probability: float = 0.1
    """Of a correction that falls anywhere in the object, not where the prediction is wrong; drawn click by click."""
    previous_mask_probability: float = 1.0
    """Of showing the logits so far with a correction, as interactive use does; drawn click by click."""
    corrected_frames_condition: bool = True
    """Whether frames that were only corrected are remembered as prompted ones are."""

    def __post_init__(self) -> None:
        check_probabilities(self)
        if self.max_prompted_frames < 1:
            raise ValueError(f"max_prompted_frames is {self.max_prompted_frames}, but the first frame is always one")
        corrects = self.num_corrections > 0 and self.correction_probability > 0
        if corrects and self.max_corrected_frames < self.max_prompted_frames:
            raise ValueError(
                f"max_corrected_frames is {self.max_corrected_frames}, but it must be at least max_prompted_frames, "
                f"{self.max_prompted_frames}: frames with clicks are corrected; correction_probability=0 corrects none"
            )
        if self.num_corrections < 0:
            raise ValueError(f"num_corrections is {self.num_corrections}, but a number of clicks cannot be negative")


PromptKind: TypeAlias = Literal["mask", "box", "click"]


@dataclass(frozen=True)
class Correction:
    """One click more. from_truth: it falls anywhere in the object. with_mask: the logits so far are shown with it."""

    from_truth: bool
    with_mask: bool


@dataclass(frozen=True)
class PromptPlan:
    """What is said on which frame of a clip. prompts: the first frame's first. corrections: click by click."""

    prompts: dict[int, PromptKind]
    corrections: dict[int, tuple[Correction, ...]]

    def taught(self, num_frames: int, tracked_frames: int | None) -> list[int]:
        """Frames with losses: those on which something is said, and of the others all, or so many of the last."""
        tracked = [frame for frame in range(num_frames) if frame not in self.prompts and frame not in self.corrections]
        without = [] if tracked_frames is None else tracked[:-tracked_frames]
        return [frame for frame in range(num_frames) if frame not in without]


def draw_plan(config: PromptConfig, num_frames: int, decisions: np.random.Generator) -> PromptPlan:
    """Decide what is said on a clip of so many frames, at least one. With masks, one frame is left to be found."""
    by_clicks = num_frames == 1 or decisions.random() < config.click_probability
    most = min(config.max_prompted_frames, num_frames if by_clicks else num_frames - 1)
    num_prompted = int(decisions.integers(1, most, endpoint=True))
    prompted = [0, *_choose(range(1, num_frames), num_prompted - 1, decisions)]
    if not by_clicks:
        return PromptPlan(dict.fromkeys(prompted, "mask"), {})
    prompts: dict[int, PromptKind] = {
        frame: "box" if decisions.random() < config.box_probability else "click" for frame in prompted
    }
    if not config.num_corrections or decisions.random() >= config.correction_probability:
        return PromptPlan(prompts, {})
    num_corrected = int(decisions.integers(num_prompted, min(config.max_corrected_frames, num_frames), endpoint=True))
    others = [frame for frame in range(num_frames) if frame not in prompts]
    corrected = [*prompted, *_choose(others, num_corrected - num_prompted, decisions)]
    draws = decisions.random((num_corrected, config.num_corrections, 2))
    chances = draws < (config.truth_click_probability, config.previous_mask_probability)
    clicks = (tuple(Correction(*pair) for pair in frame) for frame in chances.tolist())
    return PromptPlan(prompts, dict(zip(corrected, clicks, strict=True)))


def _choose(frames: range | list[int], number: int, decisions: np.random.Generator) -> list[int]:
    return decisions.choice(frames, number, replace=False).tolist() if number else []


def first_clicks(
    masks: Bool[Tensor, "N H W"],
    centres: Float[Tensor, "N 2"],
    centre_probability: float,
    generator: torch.Generator,
) -> Points:
    """One click each: positive, on the centre or anywhere in the mask; negative, beside it, for an absent object.

    Coordinates are in pixels of the masks. centres: as in `ClipBatch`, NaN for an absent object.
    """
    anywhere = clicks_in(masks, masks, generator)
    central = (_random(len(masks), masks.device, generator) < centre_probability) & ~centres.isnan().any(-1)
    return Points(torch.where(central[:, None], centres, anywhere.coords[:, 0])[:, None], anywhere.labels)


def correction_clicks(
    prediction: Bool[Tensor, "N H W"], masks: Bool[Tensor, "N H W"], generator: torch.Generator
) -> Points:
    """One click each where prediction and mask differ: positive where something is missing, negative on a surplus.

    A perfect prediction gets a negative click beside the object. Coordinates are in pixels of the masks.
    """
    return clicks_in(prediction ^ masks, masks, generator)


def clicks_in(regions: Bool[Tensor, "N H W"], masks: Bool[Tensor, "N H W"], generator: torch.Generator) -> Points:
    """One click each, anywhere in a region, positive where it falls in the mask.

    Where the region is empty the click falls outside the mask; where that is empty too, on its last pixel.
    """
    empty = _count(regions, (1, 2)) == 0
    column, row = random_pixels(regions | (~masks & empty[:, None, None]), generator).unbind(-1)
    inside = masks[torch.arange(len(masks), device=masks.device), row, column]
    labels = torch.where(inside, int(PointLabel.POSITIVE), int(PointLabel.NEGATIVE))
    return Points(torch.stack((column, row), dim=-1)[:, None].float(), labels[:, None])


def random_pixels(regions: Bool[Tensor, "N H W"], generator: torch.Generator) -> Int[Tensor, "N 2"]:
    """A pixel (x, y) of each region, each as likely as any other; the last of the map for an empty region.

    The pixels of a region are numbered row by row; the number drawn is looked for among the rows, then in its row.
    """
    num_pixels = _count(regions, 2)
    until_row = num_pixels.cumsum(1)
    drawn = torch.randint(MANY, (len(regions), 1), generator=generator, device=generator.device)
    number = drawn.to(regions.device) % until_row[:, -1:].clamp(min=1)
    row = _first_above(until_row, number)
    number = number - (until_row - num_pixels).gather(1, row)
    until_column = regions[torch.arange(len(regions), device=regions.device), row[:, 0]].cumsum(1)
    return torch.cat((_first_above(until_column, number), row), dim=1)


def _count(regions: Bool[Tensor, "N H W"], axes: int | tuple[int, int]) -> Int[Tensor, "N *H"]:
    return regions.sum(axes, dtype=torch.int32)  # twice as quick as 64 bits


def _first_above(ascending: Int[Tensor, "N L"], number: Int[Tensor, "N 1"]) -> Int[Tensor, "N 1"]:
    """Index of the first entry that exceeds a number; the last if none does."""
    return torch.searchsorted(ascending, number, right=True).clamp(max=ascending.shape[1] - 1)


def noisy_boxes(masks: Bool[Tensor, "N H W"], generator: torch.Generator) -> Points:
    """The masks' bounding boxes as corner points, shifted as by a hand that is not exact, and kept inside the image.

    An absent object gets a negative click anywhere, and a padding point beside it.
    """
    height, width = masks.shape[1:]
    corners = masks_to_boxes(masks).float()
    side = (corners[:, 2:] - corners[:, :2]).repeat(1, 2)
    limit = corners.new_tensor((width, height, width, height))
    reach = torch.minimum(side * BOX_NOISE, limit * MAX_BOX_NOISE)
    noise = _random((len(masks), 4), masks.device, generator) * 2 - 1
    corners = torch.minimum((corners + noise * reach).clamp(min=0), limit - 1)
    boxes = Points.of_boxes(corners.view(-1, 2, 2))
    beside = clicks_in(masks, masks, generator)
    instead = Points(beside.coords.expand(-1, 2, -1), F.pad(beside.labels, (0, 1), value=int(PointLabel.PADDING)))
    present = (_count(masks, (1, 2)) > 0)[:, None]
    return Points(
        torch.where(present[..., None], boxes.coords, instead.coords),
        torch.where(present, boxes.labels, instead.labels),
    )


def _random(shape: int | tuple[int, ...], device: torch.device, generator: torch.Generator) -> Float[Tensor, "..."]:
    """Uniform in [0, 1), drawn where the generator is, so that the values are the same on any device."""
    return torch.rand(shape, generator=generator, device=generator.device).to(device)
