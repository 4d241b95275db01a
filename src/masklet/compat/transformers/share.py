"""How much of masklet's model a model of `transformers` is, and what its tensors are called there."""

from dataclasses import dataclass

from masklet.checkpoint.layouts import State, foreign_name, from_native, holds_memory, is_memory_part, native_name
from masklet.checkpoint.layouts import to_native as with_native_names
from masklet.checkpoint.names import TABLES, Layout
from masklet.compat.transformers.config import Sam2Config, Sam2HieraDetConfig, Sam2VideoConfig, Sam2VisionConfig
from masklet.compat.transformers.config_base import PreTrainedConfig

_VISION, _TRUNK = "vision_encoder.", "vision_encoder.backbone."


@dataclass(frozen=True)
class Share:
    """A whole model, its still-image parts, its image encoder or its trunk.

    prefix: of the tensors' names in a whole model, which a part leaves out. parts: of masklet's model; empty for all.
    """

    layout: Layout
    prefix: str = ""
    parts: tuple[str, ...] = ()

    def take_from(self, state: State) -> State:
        """A checkpoint's tensors that belong to it, under the names that they have in a whole model.

        The checkpoint is one of this or of a larger share. ValueError: it has no memory parts, but they are needed.
        """
        if self.layout is Layout.HF_VIDEO:
            if not holds_memory(state, self.layout):
                raise ValueError(
                    "these are the still-image parts of a model alone, which cannot follow objects through a video: "
                    "load a checkpoint with the memory parts, or take Sam2Model for still images"
                )
            return state
        if self.prefix and not any(name.startswith(_VISION) for name in state):
            left_out = _VISION if any(name.startswith("backbone.") for name in state) else _TRUNK
            state = {left_out + name: tensor for name, tensor in state.items()}
        return {
            name: tensor
            for name, tensor in state.items()
            if name.startswith(self.prefix) and not is_memory_part(native_name(name, self.layout) or "")
        }

    def from_native(self, state: State) -> State:
        """masklet's tensors under the names of `transformers`."""
        return {name.removeprefix(self.prefix): tensor for name, tensor in from_native(state, self.layout).items()}

    def to_native(self, state: State) -> State:
        """Tensors of `transformers` under masklet's names; those it does not know keep theirs."""
        return with_native_names({self.prefix + name: tensor for name, tensor in state.items()}, self.layout)

    def names_of(self, native: str) -> list[str]:
        """What `transformers` calls one of masklet's tensors: one name, or those that its rows are spread over."""
        stack = TABLES[self.layout].stacks.get(native, ())
        theirs = [part for part, _ in stack] or [foreign_name(native, self.layout) or native]
        return [name.removeprefix(self.prefix) for name in theirs]


SHARES: dict[type[PreTrainedConfig], Share] = {
    Sam2VideoConfig: Share(Layout.HF_VIDEO),
    Sam2Config: Share(Layout.HF_IMAGE),
    Sam2VisionConfig: Share(Layout.HF_IMAGE, _VISION, ("trunk", "neck")),
    Sam2HieraDetConfig: Share(Layout.HF_IMAGE, _TRUNK, ("trunk",)),
}
"""The share of each kind of model, by its configuration."""
