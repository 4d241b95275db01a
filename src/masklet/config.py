"""What a SAM 2 model is made of: frozen configurations and the presets of the published checkpoints.

A field exists where models differ; what follows from other fields is a property. The four sizes differ in the
trunk alone, and SAM 2.1 differs from 2.0 in two switches (`pointer_time_encoding`, `absence_embedding`). `nano` is
masklet's own: the same design at a width that answers quickly on a CPU.

Source: the SAM 2 paper (Ravi et al., 2024), appendix C, and the released checkpoints; the trunk is Hiera
(Ryali et al., 2023).
"""

from dataclasses import asdict, dataclass, field, is_dataclass, replace
from itertools import accumulate
from typing import Any, get_args, get_origin, get_type_hints

TRUNK_STRIDES = (4, 8, 16, 32)
"""Strides of the trunk's four feature maps, fine to coarse."""

EMBEDDING_STRIDE = 16
"""Stride of the image embedding that the mask decoder and the memory work on."""

MASK_STRIDE = 4
"""Stride of the low-res mask logits."""


@dataclass(frozen=True, kw_only=True)
class TrunkConfig:
    """Hiera, the image encoder's trunk. Tuples with four entries hold one value a stage."""

    embed_dim: int = 96
    num_heads: int = 1
    stage_depths: tuple[int, int, int, int] = (2, 3, 16, 3)
    window_sizes: tuple[int, int, int, int] = (8, 4, 14, 7)
    global_blocks: tuple[int, ...] = (12, 16, 20)
    """Indices, over the whole trunk, of the blocks that attend to the whole map."""
    position_grid: tuple[int, int] = (7, 7)
    """Side lengths of the learned position map, which is interpolated to the input's size."""

    def __post_init__(self) -> None:
        if any(window % 2 for window in self.window_sizes[:3]):
            raise ValueError(
                f"window_sizes are {self.window_sizes}, but all before the last must be even: the next stage's first "
                "block halves the map inside them"
            )
        starts = set(accumulate(self.stage_depths[:3]))
        if wrong := sorted(index for index in self.global_blocks if index in starts or not 0 <= index < self.depth):
            raise ValueError(f"global_blocks {wrong} cannot be: they are a stage's first block, or not of {self.depth}")

    @property
    def stage_dims(self) -> tuple[int, ...]:
        """Channels of each stage, fine to coarse: they double at every stage."""
        return tuple(self.embed_dim * 2**stage for stage in range(4))

    @property
    def stage_heads(self) -> tuple[int, ...]:
        """Attention heads of each stage: they double too, so that the width of a head stays."""
        return tuple(self.num_heads * 2**stage for stage in range(4))

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return sum(self.stage_depths)


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """The mask decoder and its two-way transformer."""

    depth: int = 2
    num_heads: int = 8
    mlp_dim: int = 2048
    num_multimasks: int = 3


@dataclass(frozen=True, kw_only=True)
class MemoryConfig:
    """Memory attention, the memory encoder, and how much is remembered."""

    dim: int = 64
    """Channels of a memory map; an object pointer is split into tokens of this width."""
    attention_layers: int = 4
    attention_mlp_dim: int = 2048
    fuser_layers: int = 2
    num_memories: int = 7
    """Spatial memories a frame attends to: one slot for prompted frames and six for recent ones."""
    max_pointers: int = 16


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A whole SAM 2 model."""

    image_size: int = 1024
    """Side, in pixels, of the square that images are resized to; a multiple of 32."""
    dim: int = 256
    """Channels of the image embedding, the prompt tokens and the object pointers."""
    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    pointer_time_encoding: bool = True
    """Pointers know, with a sign, how many frames away they are (2.1); in 2.0 they carry no time."""
    absence_embedding: bool = True
    """A memory of a frame where the object is absent is marked by a learned vector (2.1)."""

    def __post_init__(self) -> None:
        coarsest = TRUNK_STRIDES[-1]
        if not isinstance(self.image_size, int):
            raise ValueError(f"image_size is {self.image_size!r}, but it must be a whole number of pixels")
        if self.image_size <= 0 or self.image_size % coarsest:
            raise ValueError(
                f"image_size is {self.image_size}, but it must be a positive multiple of {coarsest}, the trunk's "
                f"coarsest stride: {max(coarsest, round(self.image_size / coarsest) * coarsest)} would do"
            )
        if self.dim % self.memory.dim:
            raise ValueError(
                f"dim {self.dim} is not a multiple of memory.dim {self.memory.dim}: an object pointer is split into "
                "tokens of the memory's width"
            )

    @property
    def embedding_side(self) -> int:
        """Side of the image embedding: 64 at 1024 px."""
        return self.image_size // EMBEDDING_STRIDE

    @property
    def mask_side(self) -> int:
        """Side of the low-res mask logits: 256 at 1024 px."""
        return self.image_size // MASK_STRIDE

    def with_image_size(self, image_size: int | None) -> "ModelConfig":
        """The same model for another input size (None keeps it); no weight depends on the size."""
        return self if image_size is None else replace(self, image_size=image_size)

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionaries and lists, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelConfig":
        """The inverse of `to_dict`. ValueError names a field that does not exist."""
        return _from_dict(cls, values)


def _from_dict(cls: type, values: Any) -> Any:
    if not isinstance(values, dict):
        raise ValueError(f"a {cls.__name__} is made of a dictionary of its fields, not of {values!r}")
    kinds = get_type_hints(cls)
    if unknown := sorted(values.keys() - kinds.keys()):
        raise ValueError(f"{cls.__name__} has no field {', '.join(unknown)}; its fields are {', '.join(sorted(kinds))}")
    return cls(**{name: _checked(f"{cls.__name__}.{name}", value, kinds[name]) for name, value in values.items()})


def _checked(name: str, value: Any, kind: Any) -> Any:
    """The value as its field's type. Numbers are positive, but for the entries of tuples, which may be 0."""
    if is_dataclass(kind):
        return value if isinstance(value, kind) else _from_dict(kind, value)  # type: ignore[arg-type]
    if get_origin(kind) is tuple:
        args = get_args(kind)
        fits = isinstance(value, list | tuple) and all(type(entry) is int and entry >= 0 for entry in value)
        if fits and (Ellipsis in args or len(value) == len(args)):
            return tuple(value)
        many = "" if Ellipsis in args else f"{len(args)} "
        raise ValueError(f"{name} is {value!r}, but it must be a list of {many}whole numbers")
    if type(value) is not kind or (kind is int and value < 1):
        raise ValueError(
            f"{name} is {value!r}, but it must be {'true or false' if kind is bool else 'a whole number of at least 1'}"
        )
    return value


_TRUNKS = {
    "tiny": TrunkConfig(stage_depths=(1, 2, 7, 2), global_blocks=(5, 7, 9)),
    "small": TrunkConfig(stage_depths=(1, 2, 11, 2), global_blocks=(7, 10, 13)),
    "base_plus": TrunkConfig(embed_dim=112, num_heads=2, position_grid=(14, 14)),
    "large": TrunkConfig(
        embed_dim=144,
        num_heads=2,
        stage_depths=(2, 6, 36, 4),
        window_sizes=(8, 4, 16, 8),
        global_blocks=(23, 33, 43),
    ),
}


def _presets() -> dict[str, ModelConfig]:
    presets = {}
    for size, trunk in _TRUNKS.items():
        presets[f"sam2_hiera_{size}"] = ModelConfig(trunk=trunk, pointer_time_encoding=False, absence_embedding=False)
        presets[f"sam2.1_hiera_{size}"] = ModelConfig(trunk=trunk)
    # For the shape see benchmarks/README.md. At 256 and 512 px windows divide every map, so that nothing is padded; at
    # 288 px masks of pictures are as good and videos are followed better (model card).
    presets["nano"] = ModelConfig(
        image_size=288,
        dim=128,
        trunk=TrunkConfig(
            embed_dim=48,
            stage_depths=(1, 2, 5, 1),
            window_sizes=(8, 8, 8, 8),
            global_blocks=(4, 6),
            position_grid=(8, 8),
        ),
        decoder=DecoderConfig(num_heads=4, mlp_dim=512),
        memory=MemoryConfig(attention_layers=2, attention_mlp_dim=512),
    )
    return presets


PRESETS: dict[str, ModelConfig] = _presets()
"""Configurations by name: `nano` and the eight published models."""


def preset(name: str) -> ModelConfig:
    """The configuration of a named model. ValueError lists the names there are."""
    if name not in PRESETS:
        raise ValueError(f"no model is named {name!r}; the names are {', '.join(PRESETS)}")
    return PRESETS[name]


def is_nano(config: ModelConfig) -> bool:
    """Whether a model has the bundled one's trunk, at any image size."""
    return config.trunk == PRESETS["nano"].trunk


NANO_MAX_SPECK_SHARE = 0.003
"""Of the low-res map: holes and specks that are cleaned from `nano`'s masks, which are rougher. On 335 annotated
regions of photographs this brought the best of three from 0.624 to 0.629; twice as much brought 0.001 more, four times
cost. What videos remember is better left as it is: with three clicks J fell from 66 to 64 without its specks."""


def suited_speck_area(config: ModelConfig) -> float:
    """Holes and specks that a model's masks are best cleaned of, in low-res pixels: 0 as upstream, but for `nano`."""
    return NANO_MAX_SPECK_SHARE * (config.image_size / MASK_STRIDE) ** 2 if is_nano(config) else 0.0
