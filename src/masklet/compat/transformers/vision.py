"""The image encoder and its trunk as models of their own, under the names of `transformers`.

Their maps are those of the engine. `hidden_states` and `attentions` are collected on demand; see `hooks` for what they
are.
"""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from masklet.compat.transformers.config import Sam2HieraDetConfig, Sam2VisionConfig
from masklet.compat.transformers.config_base import PreTrainedConfig
from masklet.compat.transformers.hooks import watch_trunk
from masklet.compat.transformers.outputs import Sam2HieraDetModelOutput, Sam2VisionEncoderOutput
from masklet.compat.transformers.pretrained import PreTrainedModel
from masklet.config import TRUNK_STRIDES
from masklet.model.hiera import Hiera
from masklet.model.neck import Neck
from masklet.model.position import sine_map


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a call is to return; what it does not say, the configuration does."""

    hidden_states: bool
    attentions: bool
    names: bool

    @classmethod
    def of(cls, config: PreTrainedConfig, keywords: dict[str, Any]) -> "Wanted":
        """From `output_hidden_states`, `output_attentions` and `return_dict`; other keywords say nothing here."""

        def get(name: str) -> bool:
            value = keywords.get(name)
            return bool(getattr(config, name) if value is None else value)

        return cls(
            hidden_states=get("output_hidden_states"), attentions=get("output_attentions"), names=get("return_dict")
        )


class Sam2HieraDetModel(PreTrainedModel):
    """The trunk: four maps of an image, fine to coarse."""

    config_class = Sam2HieraDetConfig

    def forward(
        self, pixel_values: Float[Tensor, "B 3 H W"] | None = None, **kwargs: Any
    ) -> Sam2HieraDetModelOutput | tuple[Any, ...]:
        """Maps of normalised RGB images whose sides are multiples of 32.

        kwargs: output_hidden_states, output_attentions, return_dict. ValueError: no images, or of another shape.
        """
        wanted = Wanted.of(self.config, kwargs)
        pixels = checked_pixels(pixel_values).to(self.dtype)
        with watch_trunk(self.engine.trunk, hidden_states=wanted.hidden_states, attentions=wanted.attentions) as seen:
            maps = self.engine.trunk(pixels)
        output = Sam2HieraDetModelOutput(
            last_hidden_state=maps[-1],
            intermediate_hidden_states=tuple(maps),
            hidden_states=tuple(seen.hidden_states) or None,
            attentions=tuple(seen.attentions) or None,
        )
        return output if wanted.names else output.to_tuple()


class Sam2VisionModel(PreTrainedModel):
    """The image encoder: the trunk, and a neck that makes three maps of one width of the trunk's four."""

    config_class = Sam2VisionConfig

    def forward(
        self, pixel_values: Float[Tensor, "B 3 H W"] | None = None, **kwargs: Any
    ) -> Sam2VisionEncoderOutput | tuple[Any, ...]:
        """Maps of normalised RGB images whose sides are multiples of 32, at strides 4, 8 and 16.

        kwargs: output_hidden_states, output_attentions, return_dict. ValueError: no images, or of another shape.
        """
        wanted = Wanted.of(self.config, kwargs)
        pixels = checked_pixels(pixel_values).to(self.dtype)
        output = encode(self.engine.trunk, self.engine.neck, pixels, wanted)
        return output if wanted.names else output.to_tuple()


def encode(trunk: Hiera, neck: Neck, pixels: Float[Tensor, "B 3 H W"], wanted: Wanted) -> Sam2VisionEncoderOutput:
    """All that the image encoder says of images; the neck's maps as they are, not projected for the mask decoder."""
    with watch_trunk(trunk, hidden_states=wanted.hidden_states, attentions=wanted.attentions) as seen:
        maps = trunk(pixels)
    pyramid = neck(maps)
    return Sam2VisionEncoderOutput(
        last_hidden_state=maps[-1],
        hidden_states=tuple(seen.hidden_states) or None,
        attentions=tuple(seen.attentions) or None,
        fpn_hidden_states=tuple(pyramid),
        fpn_position_encoding=tuple(positions(x) for x in pyramid),
    )


def positions(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """The sine encoding of a map's positions."""
    _, channels, height, width = x.shape
    return sine_map(height, width, channels).to(x).expand_as(x)


def checked_pixels(pixels: Tensor | None, side: int | None = None) -> Tensor:
    """Images of the right shape: (B, 3, side, side), or with any sides that are multiples of 32. ValueError if not."""
    words = f"{side} x {side}" if side else f"multiples of {TRUNK_STRIDES[-1]}"
    if not isinstance(pixels, Tensor):
        kind = "missing" if pixels is None else f"a {type(pixels).__name__}"
        raise ValueError(f"pixel_values is {kind}: give a tensor (images, 3, height, width), as processors make it")
    sides = pixels.shape[-2:]
    fits = sides == (side, side) if side else not any(length % TRUNK_STRIDES[-1] for length in sides)
    if pixels.ndim != 4 or pixels.shape[1] != 3 or not fits:
        raise ValueError(
            f"pixel_values have the shape {tuple(pixels.shape)}; they must be (images, 3, height, width), with height "
            f"and width {words}"
        )
    return pixels
