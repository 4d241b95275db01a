"""What the models return, in the words of `transformers`.

Each output is a dataclass that is also read like a dictionary (`output["pred_masks"]`) and like a tuple (`output[0]`).
Both leave out fields that are None. Shapes: B images, P prompts (objects) an image, M masks a prompt, O objects.
"""

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor


class ModelOutput(MutableMapping[str, Any]):
    """What all outputs are: named values, found by name, by position or as attributes.

    Made of values by name, or of one mapping, as tools that go through dictionaries make them again (accelerate).
    """

    def __post_init__(self) -> None:
        first = fields(self)[0].name  # type: ignore[arg-type]
        values = getattr(self, first)
        if isinstance(values, Mapping):
            setattr(self, first, None)
            self.update(values)

    def __getitem__(self, key: Any) -> Any:
        """The value of a name; of a position or a slice, among those that are not None."""
        if isinstance(key, int | slice):
            return self.to_tuple()[key]
        if (value := self.__dict__.get(key)) is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self, key, value)

    def __delitem__(self, key: str) -> None:
        raise TypeError(f"nothing can be removed from a {type(self).__name__}; set {key!r} to None instead")

    def __iter__(self) -> Iterator[str]:
        return (name for name, value in self.__dict__.items() if value is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def to_tuple(self) -> tuple[Any, ...]:
        """The values that are not None, in the order of the fields."""
        return tuple(self.values())


@dataclass(eq=False)
class Sam2ImageSegmentationOutput(ModelOutput):
    """Masks of prompted objects, and what they were made from."""

    iou_scores: Tensor | None = None
    """(B, P, M): the IoU that each mask is expected to have."""
    pred_masks: Tensor | None = None
    """(B, P, M, H, W): low-res logits, of a side that is a quarter of the model's input."""
    object_score_logits: Tensor | None = None
    """(B, P, 1): is there an object? Above 0 means yes."""
    image_embeddings: tuple[Tensor, ...] | list[Tensor] | None = None
    """Feature maps of strides 4, 8 and 16, each (B, C, h, w), for the next call on the same images."""
    vision_hidden_states: tuple[Tensor, ...] | None = None
    vision_attentions: tuple[Tensor, ...] | None = None
    mask_decoder_attentions: tuple[Tensor, ...] | Tensor | None = None


@dataclass(eq=False)
class Sam2VisionEncoderOutput(ModelOutput):
    """Features of images."""

    last_hidden_state: Tensor | None = None
    """(B, h, w, C): the trunk's coarsest map, channels last."""
    pooler_output: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None
    fpn_hidden_states: tuple[Tensor, ...] | list[Tensor] | None = None
    """The neck's maps, fine to coarse."""
    fpn_position_encoding: tuple[Tensor, ...] | list[Tensor] | None = None
    """Position encodings of the same shapes."""


@dataclass(eq=False)
class Sam2HieraDetModelOutput(ModelOutput):
    """What the trunk makes of images."""

    last_hidden_state: Tensor | None = None
    """(B, h, w, C): the coarsest map, channels last."""
    intermediate_hidden_states: tuple[Tensor, ...] | None = None
    """The last map of each of the four stages, channels last, fine to coarse."""
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


@dataclass(eq=False)
class Sam2VideoSegmentationOutput(ModelOutput):
    """Masks of all objects on one frame."""

    object_ids: list[int] | None = None
    pred_masks: Tensor | None = None
    """(O, 1, H, W): low-res logits, in the order of `object_ids`."""
    object_score_logits: Tensor | None = None
    """(O, 1): is the object in the frame? Above 0 means yes."""
    frame_idx: int | None = None
