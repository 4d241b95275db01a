"""Simulated prompts: what a person would click on an object, and how they would correct a wrong mask.

Clicks and boxes follow the SAM 2 paper, appendix D.2: a first click anywhere in the object, boxes with jittered
corners, corrections anywhere in the region that is wrong. Half of the first clicks fall on the object's innermost
point instead, which is where people tend to click.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from masklet.ops.boxes import masks_to_boxes
from masklet.ops.masks import innermost_point
from masklet.types import PointLabel, Points

INNERMOST_CLICKS = 0.5
"""Share of first clicks on the object's innermost point; the others fall anywhere in it."""

BOX_JITTER = 0.1
"""Largest shift of a box's corner, as a share of the box's side."""

MAX_BOX_JITTER = 20 / 1024
"""The same as a share of the image's side: 20 pixels of 1024."""


def first_click(mask: Bool[np.ndarray, "H W"], rng: np.random.Generator) -> Float[np.ndarray, "2"]:
    """A click (x, y) on the object that a non-empty mask shows, float32, in pixels of the mask."""
    if rng.random() < INNERMOST_CLICKS:
        return np.array(innermost_point(mask), np.float32)
    inside = np.flatnonzero(mask)
    row, column = divmod(int(inside[rng.integers(len(inside))]), mask.shape[1])
    return np.array((column, row), np.float32)


def random_pixels(region: Bool[Tensor, "B H W"], generator: torch.Generator | None = None) -> Float[Tensor, "B 2"]:
    """A random pixel (x, y) of each region, in pixels of the map; of the whole map where the region is empty."""
    weights = region.flatten(1).float()
    weights = torch.where(weights.sum(1, keepdim=True) > 0, weights, torch.ones_like(weights))
    index = torch.multinomial(weights, 1, generator=generator)[:, 0]
    width = region.shape[2]
    return torch.stack((index % width, index.div(width, rounding_mode="floor")), dim=-1).float()


def correction_clicks(
    prediction: Bool[Tensor, "B H W"], target: Bool[Tensor, "B H W"], generator: torch.Generator | None = None
) -> Points:
    """One click each in the region where prediction and target differ: positive where something is missing.

    Coordinates are in pixels of the masks. A perfect prediction gets a click anywhere, with the label that is true.
    """
    coords = random_pixels(prediction ^ target, generator)
    column, row = coords.long().unbind(-1)
    inside = target[torch.arange(len(target), device=target.device), row, column]
    labels = torch.where(inside, int(PointLabel.POSITIVE), int(PointLabel.NEGATIVE))
    return Points(coords[:, None], labels[:, None])


def noisy_boxes(masks: Bool[Tensor, "B H W"], generator: torch.Generator | None = None) -> Points:
    """The bounding boxes of non-empty masks as corner points, jittered as a hand would and kept inside the image."""
    height, width = masks.shape[1:]
    corners = masks_to_boxes(masks).float()
    side = (corners[:, 2:] - corners[:, :2]).repeat(1, 2)
    limit = corners.new_tensor((width, height, width, height))
    reach = torch.minimum(side * BOX_JITTER, limit * MAX_BOX_JITTER)
    noise = torch.rand(corners.shape, generator=generator, device=corners.device) * 2 - 1
    corners = torch.minimum((corners + noise * reach).clamp(min=0), limit - 1)
    return Points.of_boxes(corners.view(-1, 2, 2))
