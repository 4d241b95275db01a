"""The values that pass between masklet's parts: small, frozen, typed.

Letters in shapes: B batch, O objects, N points or tokens, C channels, H W rows and columns, M masks, T frames.
Coordinates are (x, y) in pixels with the origin at the top left corner of the image; "image pixels" are those of the
picture as it was given, "model pixels" those of the square of side `image_size` that the model sees.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from numpy.typing import ArrayLike
from torch import Tensor


class PointLabel(IntEnum):
    """What a point says. Boxes enter the model as their two corners."""

    PADDING = -1
    NEGATIVE = 0
    POSITIVE = 1
    BOX_TOP_LEFT = 2
    BOX_BOTTOM_RIGHT = 3


@dataclass(frozen=True)
class Points:
    """Points of B prompts, each with N points.

    coords: (x, y) in model pixels, float32. labels: values of `PointLabel`.
    """

    coords: Float[Tensor, "B N 2"]
    labels: Int[Tensor, "B N"]

    @classmethod
    def of_boxes(cls, corners: Float[Tensor, "B 2 2"]) -> "Points":
        """Boxes as points: the top left corner, then the bottom right one."""
        kinds = torch.tensor((PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT), device=corners.device)
        return cls(corners, kinds.expand(len(corners), 2))

    def join(self, other: "Points") -> "Points":
        """The points of both, prompt by prompt."""
        return Points(torch.cat((self.coords, other.coords), dim=1), torch.cat((self.labels, other.labels), dim=1))

    def __getitem__(self, rows: slice) -> "Points":
        """Some of the prompts."""
        return Points(self.coords[rows], self.labels[rows])

    def to(self, device: torch.device | str) -> "Points":
        """Copy to a device."""
        return Points(self.coords.to(device), self.labels.to(device))


@dataclass(frozen=True)
class PromptEmbeddings:
    """Encoded prompts: `sparse` tokens of points and boxes, `dense` maps of mask prompts.

    E is B, or 1 where no prompt has a mask: one map for all.
    """

    sparse: Float[Tensor, "B N C"]
    dense: Float[Tensor, "E C H W"]


@dataclass(frozen=True)
class ImageFeatures:
    """An image, encoded once, ready for any number of prompts. Can be saved and reused.

    stride16: the image embedding, before anything is added to it for memory. stride8 and stride4: finer maps, already
    projected to the mask decoder's widths. image_sizes: (height, width) in pixels of each image of the batch.
    """

    stride16: Float[Tensor, "B C H W"]
    stride8: Float[Tensor, "B C2 H2 W2"]
    stride4: Float[Tensor, "B C4 H4 W4"]
    image_sizes: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return self.stride16.shape[0]

    def __getitem__(self, index: int) -> "ImageFeatures":
        """One image of the batch, as a batch of one."""
        index = range(len(self))[index]
        part = slice(index, index + 1)
        return ImageFeatures(self.stride16[part], self.stride8[part], self.stride4[part], self.image_sizes[part])

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "ImageFeatures":
        """Copy to a device, to a dtype, or both."""
        return replace(
            self,
            stride16=self.stride16.to(device=device, dtype=dtype),
            stride8=self.stride8.to(device=device, dtype=dtype),
            stride4=self.stride4.to(device=device, dtype=dtype),
        )


@dataclass(frozen=True)
class ScoredPrompts:
    """What the mask decoder says of B prompts before it draws a mask, which can then be drawn for the best alone.

    iou_scores, tokens and object_score: as in `DecodedMasks`. image: the image's tokens as each prompt left them.
    """

    iou_scores: Float[Tensor, "B M"]
    object_score: Float[Tensor, "B 1"]
    tokens: Float[Tensor, "B M C"]
    image: Float[Tensor, "B L C"]

    def __getitem__(self, rows: slice | Int[Tensor, "K"]) -> "ScoredPrompts":
        """Some of the prompts, in the order given."""
        return ScoredPrompts(self.iou_scores[rows], self.object_score[rows], self.tokens[rows], self.image[rows])


@dataclass(frozen=True)
class DecodedMasks:
    """All that the mask decoder says of B prompts; candidate 0 is the single-mask output, the others the multimasks.

    logits: low-res mask logits (stride 4). iou_scores: predicted IoU in [0, 1] of each candidate. tokens: output token
    of each candidate, from which the object pointer is made. object_score: logit that the object is in the image.
    """

    logits: Float[Tensor, "B M H W"]
    iou_scores: Float[Tensor, "B M"]
    tokens: Float[Tensor, "B M C"]
    object_score: Float[Tensor, "B 1"]

    @classmethod
    def join(cls, parts: Sequence["DecodedMasks"]) -> "DecodedMasks":
        """The answers to the prompts of several, at least one, in their order."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            logits=torch.cat([part.logits for part in parts]),
            iou_scores=torch.cat([part.iou_scores for part in parts]),
            tokens=torch.cat([part.tokens for part in parts]),
            object_score=torch.cat([part.object_score for part in parts]),
        )


@dataclass(frozen=True)
class FrameMemory:
    """What one frame leaves for later ones, for B objects. `features` and `position` are attention-ready tokens.

    features: memory features of the frame's H*W positions, row by row. position: their position encoding, without the
    temporal part, which depends on who asks. pointer: object pointer.
    """

    features: Float[Tensor, "B N C"]
    position: Float[Tensor, "1 N C"]
    pointer: Float[Tensor, "B C2"]


@dataclass(frozen=True)
class MemoryTokens:
    """Memories as memory attention takes them: whole spatial maps, then the tokens of object pointers.

    mask: True where a token counts. None: all do. Objects with shorter histories than others of their batch are padded.
    """

    tokens: Float[Tensor, "B L C"]
    position: Float[Tensor, "B L C"]
    num_pointer_tokens: int
    mask: Bool[Tensor, "B L"] | None = None


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What a person says about one image: one prompt, or P of them, each asking for one object.

    points: (N, 2) for one prompt, (P, N, 2) for several, or a list of P arrays whose N may differ; (x, y) in image
    pixels. labels: `PointLabel` of each point, 1 in the object and 0 outside it. boxes: (4,) or (P, 4) as
    (x0, y0, x1, y1) in image pixels. mask: a binary mask of the image's size, (H, W) or (P, H, W), or the low-res
    logits of an earlier prediction, (1, h, w) or (P, 1, h, w). Any combination; each prompt takes its row of each.
    """

    points: ArrayLike | None = None
    labels: ArrayLike | None = None
    boxes: ArrayLike | None = None
    mask: ArrayLike | Tensor | None = None


@dataclass(frozen=True)
class MaskPrediction:
    """Answer to P prompts on one image, M masks each; a single prompt has no leading axis P.

    masks: boolean, at the image's size. scores: predicted IoU in [0, 1].
    low_res_logits: at a quarter of the model's side, to be given back as a mask prompt. logits: mask logits at the
    image's size, only on request. object_score: logit that there is an object, one a prompt.
    """

    masks: np.ndarray
    scores: np.ndarray
    low_res_logits: np.ndarray
    object_score: np.ndarray
    logits: np.ndarray | None = None

    @property
    def best(self) -> np.ndarray:
        """The mask of highest predicted IoU for each prompt: (H, W), or (P, H, W) for several prompts."""
        choice = self.scores.argmax(-1)
        if self.scores.ndim == 1:
            return self.masks[choice]
        return self.masks[np.arange(len(choice)), choice]


@dataclass(frozen=True)
class FrameMasks:
    """What is known of every object on one frame of a video, by object id.

    masks: boolean (H, W), at the video's size. scores: predicted IoU in [0, 1]. object_scores: logit that the object is
    on the frame. visible: whether it is. prompted: ids of the objects that were prompted on this frame. logits: mask
    logits (H, W), float32, only on request. An object that was neither prompted nor tracked on the frame yet is absent
    from all of them.
    """

    frame_index: int
    masks: Mapping[int, Bool[np.ndarray, "H W"]]
    scores: Mapping[int, float]
    object_scores: Mapping[int, float]
    visible: Mapping[int, bool]
    prompted: frozenset[int]
    logits: Mapping[int, Float[np.ndarray, "H W"]] | None = None


@runtime_checkable
class KeptTensor(Protocol):
    """A tensor that was put somewhere: left where it was, on another device, or on disk."""

    def load(self) -> Tensor:
        """The tensor, wherever it is now."""
        ...


class FrameSource(Protocol):
    """A video whose frames can be had in any order, as 8-bit RGB (H, W, 3), all of one size."""

    @property
    def frame_size(self) -> tuple[int, int]:
        """(height, width) in pixels of every frame."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        """One frame. IndexError beyond the video; ValueError, naming the frame, for one that cannot be read."""
        ...

    def close(self) -> None:
        """Let go of files and threads."""
        ...


class FrameStream(Protocol):
    """Frames that go by once, as 8-bit RGB (H, W, 3): a camera, a network stream, any iterator."""

    def __iter__(self) -> Iterator[UInt8[np.ndarray, "H W 3"]]: ...

    def __next__(self) -> UInt8[np.ndarray, "H W 3"]: ...

    def close(self) -> None:
        """Let go of the camera, the connection, the thread."""
        ...
