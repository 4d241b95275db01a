"""What a checkpoint is, from the names and shapes of its tensors alone: its layout and the model's configuration.

Shapes tell everything but three things: attention heads, window sizes and where global attention sits. Those come with
the trunk, so a trunk of known shape is taken for the preset's. A model of another make says its configuration in its
own file (see `files`), or its user does.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from masklet.checkpoint.files import Contents
from masklet.checkpoint.layouts import State, holds_memory, is_memory_part, knows, native_shapes
from masklet.checkpoint.names import Layout
from masklet.config import PRESETS, DecoderConfig, MemoryConfig, ModelConfig, TrunkConfig

Shapes = dict[str, tuple[int, ...]]

_TRUNK_MARKS = {
    Layout.MASKLET: "trunk.blocks.",
    Layout.OFFICIAL: "image_encoder.trunk.blocks.",
    Layout.HF_VIDEO: "vision_encoder.backbone.blocks.",
}
_NUM_STAGES = 4


@dataclass(frozen=True)
class Recognised:
    """A checkpoint's layout and configuration, and the preset's name if it is one.

    has_memory: False for an image-only checkpoint. The still-image parts of SAM 2.0 and 2.1 have the same shapes, so
    such a checkpoint counts as 2.1.
    """

    layout: Layout
    config: ModelConfig
    variant: str | None
    has_memory: bool


def recognise(state: State, config: ModelConfig | None = None, hint: ModelConfig | None = None) -> Recognised:
    """What the tensors make up. `config`, where it is known, is taken as it is; a `hint` for what shapes do not tell.

    ValueError where the tensors are not of a SAM 2 model, or of one whose configuration shapes do not tell.
    """
    layout = find_layout(state)
    config = config or find_config(native_shapes(state, layout), hint)
    return Recognised(layout, config, variant_name(config), holds_memory(state, layout))


def recognise_contents(contents: Contents, config: ModelConfig | None = None) -> Recognised:
    """What a file's tensors make up; `config` goes before what the file states. Errors name the file."""
    try:
        return recognise(contents.state, config or contents.config, contents.hint)
    except ValueError as error:
        error.args = (f"{contents.path}: {error}",)
        raise


def find_layout(names: Iterable[str]) -> Layout:
    """The layout that tensor names belong to. ValueError where no SAM 2 model has such names."""
    names = list(names)
    for layout, mark in _TRUNK_MARKS.items():
        if any(name.startswith(mark) for name in names) and sum(knows(name, layout) for name in names) * 2 > len(names):
            image_only = layout is Layout.HF_VIDEO and not holds_memory(names, layout)
            return Layout.HF_IMAGE if image_only else layout
    raise ValueError(f"its tensors are not those of a SAM 2 model{_guess(names)}")


def find_config(shapes: Shapes, hint: ModelConfig | None = None) -> ModelConfig:
    """The configuration of a model with these native tensor shapes; the rest is the hint's, or else a preset's."""
    try:
        trunk_shape, dim = _trunk_shape(shapes), shapes["neck.laterals.0.weight"][0]
        candidates = (*PRESETS.values(), *([hint] if hint else []))
        known = [c for c in candidates if _shape_of_trunk(c.trunk) == trunk_shape and c.dim == dim]
        if not known:
            raise UnknownArchitecture(trunk_shape)
        return replace(
            known[-1],
            decoder=_decoder(shapes, known[-1].decoder),
            memory=_memory(shapes, known[-1].memory),
            **_switches(shapes),
        )
    except (KeyError, IndexError) as error:
        raise ValueError(f"it cannot be told what model this is: {error} is missing or misshapen") from None


@dataclass(frozen=True)
class TrunkShape:
    """What tensor shapes tell of a trunk."""

    embed_dim: int
    stage_depths: tuple[int, ...]
    first_window: int
    position_grid: tuple[int, ...]


class UnknownArchitecture(ValueError):
    """A SAM 2 model whose trunk is none of the presets'."""

    def __init__(self, trunk_shape: TrunkShape) -> None:
        super().__init__(
            f"its trunk (width {trunk_shape.embed_dim}, stages of {trunk_shape.stage_depths} blocks) is none of the "
            f"known models' ({', '.join(PRESETS)}), and attention heads and windows do not show in a tensor's shape: "
            "give the model's configuration as config="
        )


def variant_name(config: ModelConfig) -> str | None:
    """The preset that a configuration is, whatever its image size."""
    for name, known in PRESETS.items():
        if config == known.with_image_size(config.image_size):
            return name
    return None


def _trunk_shape(shapes: Shapes) -> TrunkShape:
    depth = _count(shapes, "trunk.blocks.#.norm1.weight")
    starts = [i for i in range(depth) if f"trunk.blocks.{i}.shortcut.weight" in shapes]
    if len(starts) != _NUM_STAGES - 1:
        raise ValueError(f"its trunk has {len(starts) + 1} stages, where a SAM 2 model has {_NUM_STAGES}")
    return TrunkShape(
        embed_dim=shapes["trunk.patch_embedding.projection.weight"][0],
        stage_depths=tuple(end - start for start, end in pairwise((0, *starts, depth))),
        first_window=shapes["trunk.window_position"][-1],
        position_grid=shapes["trunk.position"][-2:],
    )


def _shape_of_trunk(trunk: TrunkConfig) -> TrunkShape:
    return TrunkShape(trunk.embed_dim, trunk.stage_depths, trunk.window_sizes[0], trunk.position_grid)


def _decoder(shapes: Shapes, known: DecoderConfig) -> DecoderConfig:
    return replace(
        known,
        depth=_count(shapes, "mask_decoder.transformer.layers.#.norm1.weight"),
        mlp_dim=shapes["mask_decoder.transformer.layers.0.mlp.layers.0.weight"][0],
        num_multimasks=shapes["mask_decoder.mask_tokens"][0] - 1,
    )


def _memory(shapes: Shapes, known: MemoryConfig) -> MemoryConfig:
    if not any(is_memory_part(name) for name in shapes):
        return known
    return replace(
        known,
        dim=shapes["memory_encoder.projection.weight"][0],
        attention_layers=_count(shapes, "memory_attention.layers.#.norm1.weight"),
        attention_mlp_dim=shapes["memory_attention.layers.0.linear1.weight"][0],
        fuser_layers=_count(shapes, "memory_encoder.fuser.#.scale"),
        num_memories=shapes["memory_time"][0],
    )


def _switches(shapes: Shapes) -> dict[str, bool]:
    """SAM 2.1's two additions. A model without memory needs neither, and then they are taken to be there."""
    if not any(is_memory_part(name) for name in shapes):
        return {"pointer_time_encoding": True, "absence_embedding": True}
    return {
        "pointer_time_encoding": any(name.startswith("pointer_time_projection.") for name in shapes),
        "absence_embedding": "absence" in shapes,
    }


def _count(shapes: Shapes, template: str) -> int:
    """How many tensors are named like the template, whose `#` stands for an index."""
    pattern = re.compile(re.escape(template).replace(r"\#", r"\d+"))
    return sum(bool(pattern.fullmatch(name)) for name in shapes)


def _guess(names: list[str]) -> str:
    if any(name.startswith("image_encoder.patch_embed.") for name in names):
        return "; they look like those of the first SAM, which is another model"
    return f" (the first of {len(names)} is {names[0]!r})" if names else ": there are none"
