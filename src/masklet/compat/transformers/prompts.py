"""What a model is told of objects, as embeddings: the engine's prompt encoder by the rules of `transformers`.

Prompts come as a batch of B images with P objects each. Where objects have different numbers of points, the short
ones are filled up with points of label -10. Such a point is a token of zeros, which says nothing but is attended to, so
the masks differ a little from those of the object alone; in the original there is no such token. One token of "not a
point" ends every prompt, as in the original. A mask may be one for all objects of an image, as in `transformers`, or
one for each, which is what a second round for several objects needs.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from masklet.compat.transformers.nested import PAD_VALUE
from masklet.model.prompt_encoder import PADDING, PromptEncoder
from masklet.types import PointLabel, Points


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """Prompts for B images, in model pixels.

    points: (B, P, N, 2) as (x, y), with labels (B, P, N): 1 in the object, 0 outside it, -1 not a point, -10 filling.
    boxes: (B, P, 4) as (x0, y0, x1, y1). masks: logits of any size, (B, 1, h, w) or (B, h, w), one for all objects of
    an image, or (B, P, h, w); of B = 1 for all images.

    ValueError says which of them has another shape, or how they contradict each other.
    """

    points: Float[Tensor, "B P N 2"] | None = None
    labels: Int[Tensor, "B P N"] | None = None
    boxes: Float[Tensor, "B P 4"] | None = None
    masks: Float[Tensor, "D Q h w"] | Float[Tensor, "D h w"] | None = None

    def __post_init__(self) -> None:
        _check("input_points", self.points, "(images, objects, points, 2)", (4,), 2)
        _check("input_labels", self.labels, "(images, objects, points)", (3,))
        _check("input_boxes", self.boxes, "(images, objects, 4)", (3,), 4)
        _check("input_masks", self.masks, "(images, 1 or objects, height, width)", (3, 4))
        if self.points is not None:
            self._check_labels(self.points, self.labels)
        if self.points is not None and self.boxes is not None and self.points.shape[:2] != self.boxes.shape[:2]:
            raise ValueError(
                f"input_points are for {_counts(self.points)}, input_boxes for {_counts(self.boxes)}: give every "
                "object of every image its points and its box, or only one of the two"
            )

    def _check_labels(self, points: Tensor, labels: Tensor | None) -> None:
        if labels is None:
            raise ValueError("input_points come without input_labels: give each point 1 (in the object) or 0 (outside)")
        if labels.shape != points.shape[:3]:
            raise ValueError(
                f"input_labels have the shape {tuple(labels.shape)}, but there must be one for each point: "
                f"{tuple(points.shape[:3])}"
            )
        wrong = (labels != PAD_VALUE) & ((labels < PADDING) | (labels > PointLabel.BOX_BOTTOM_RIGHT))
        if wrong.any():
            raise ValueError(
                f"input_labels have {labels[wrong][0].item()}; they can be 1 (in the object), 0 (outside it), -1 (not "
                "a point), -10 (filling), 2 and 3 (the top left and the bottom right corner of a box)"
            )

    @property
    def shape(self) -> tuple[int, int] | None:
        """Number of images, and of objects in each; None where there are neither points nor boxes."""
        prompts = self.boxes if self.points is None else self.points
        return None if prompts is None else (prompts.shape[0], prompts.shape[1])


def sparse_embeddings(encoder: PromptEncoder, prompts: Prompts) -> Float[Tensor, "B P K C"] | None:
    """Tokens of points, of boxes and of one point more that is none; None where there are neither."""
    device, parts = encoder.labels.device, []
    if prompts.points is not None and prompts.labels is not None:
        parts.append(Points(prompts.points.to(device).flatten(0, 1), prompts.labels.to(device).flatten(0, 1)))
    if prompts.boxes is not None:
        parts.append(Points.of_boxes(prompts.boxes.to(device).reshape(-1, 2, 2)))
    if prompts.shape is None:
        return None
    return encoder.encode_points(reduce(Points.join, parts)).unflatten(0, prompts.shape)


def dense_embeddings(encoder: PromptEncoder, masks: Tensor | None, shape: tuple[int, int]) -> Float[Tensor, "E C h w"]:
    """The maps of masks for B images with P objects: B times P of them, or one where all are the same.

    Masks of another size than the decoder's (a quarter of the model's input) are resized.
    """
    if masks is None:
        return encoder.encode_mask(None)
    if masks.ndim == 3:
        masks = masks[:, None]
    if masks.shape[0] not in (1, shape[0]) or masks.shape[1] not in (1, shape[1]):
        raise ValueError(
            f"input_masks have the shape {tuple(masks.shape)}, but for {shape[0]} images of {shape[1]} objects they "
            f"must begin with ({shape[0]}, 1), or with {shape} where each object has its own, as pred_masks[:, :, k] do"
        )
    given = masks.shape[:2]
    resized = resize_masks(masks.flatten(0, 1)[:, None].to(encoder.no_mask.device), 4 * encoder.grid_side)
    dense = encoder.encode_mask(resized)
    if given == (1, 1):
        return dense
    return dense.unflatten(0, given).expand(*shape, -1, -1, -1).flatten(0, 1)


def resize_masks(masks: Float[Tensor, "B 1 H W"], side: int) -> Float[Tensor, "B 1 S S"]:
    """Masks at the side that the prompt encoder takes: bilinear, and antialiased where that makes them smaller."""
    if masks.shape[-2:] == (side, side):
        return masks
    return F.interpolate(masks.float(), (side, side), mode="bilinear", align_corners=False, antialias=True)


def _check(name: str, value: Any, words: str, ranks: tuple[int, ...], last: int | None = None) -> None:
    if value is None:
        return
    if not isinstance(value, Tensor):
        raise ValueError(
            f"{name} must be a tensor {words}, and is a {type(value).__name__}: processors make tensors with "
            "return_tensors='pt'"
        )
    if value.ndim not in ranks or last not in (None, value.shape[-1]):
        raise ValueError(f"{name} must be a tensor {words}, and has the shape {tuple(value.shape)}")


def _counts(prompts: Tensor) -> str:
    return f"{prompts.shape[0]} images of {prompts.shape[1]} objects"
