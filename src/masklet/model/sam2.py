"""SAM 2 put together: the parts of the network and its five stateless verbs.

`encode_image`, `encode_prompts`, `decode_masks`, `attend_memory`, `encode_memory`: values in, values out. What is
remembered, which candidate mask is used and what happens on a frame is decided elsewhere. `decode_masks` can also be
had in two halves, `score_masks` and `draw_masks`.

Source: Ravi et al., "SAM 2: Segment Anything in Images and Videos", 2024.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from masklet.config import ModelConfig
from masklet.model.hiera import Hiera
from masklet.model.layers import Mlp
from masklet.model.mask_decoder import MaskDecoder
from masklet.model.memory_attention import MemoryAttention
from masklet.model.memory_encoder import MemoryEncoder
from masklet.model.neck import Neck
from masklet.model.position import sine_map
from masklet.model.prompt_encoder import PromptEncoder
from masklet.types import (
    DecodedMasks,
    FrameMemory,
    ImageFeatures,
    MemoryTokens,
    Points,
    PromptEmbeddings,
    ScoredPrompts,
)

MASK_SCALE, MASK_BIAS = 20.0, -10.0
"""The memory encoder sees masks as 20 * probability - 10 (released configurations)."""


class Sam2(nn.Module):
    """A SAM 2 model of any configuration, with random weights until some are loaded."""

    memory_position: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim, memory_dim, side = config.dim, config.memory.dim, config.embedding_side
        self.config = config
        self.trunk = Hiera(config.trunk)
        self.neck = Neck(config.trunk.stage_dims, dim)
        self.prompt_encoder = PromptEncoder(config)
        self.mask_decoder = MaskDecoder(config)
        self.memory_attention = MemoryAttention(config)
        self.memory_encoder = MemoryEncoder(config)

        self.pointer_projection = Mlp(dim, dim, dim, dim)
        self.pointer_time_projection = nn.Linear(dim, memory_dim) if config.pointer_time_encoding else None
        self.mask_downsample = nn.Conv2d(1, 1, 4, stride=4)
        self.memory_time = nn.Parameter(torch.empty(config.memory.num_memories, 1, 1, memory_dim))
        self.no_memory = nn.Parameter(torch.empty(1, 1, dim))
        # Released models never read it; it is here because their checkpoints hold it.
        self.no_memory_position = nn.Parameter(torch.empty(1, 1, dim))
        self.no_object_pointer = nn.Parameter(torch.empty(1, dim))
        self.absence = nn.Parameter(torch.empty(1, memory_dim)) if config.absence_embedding else None
        for vector in (self.memory_time, self.no_memory, self.no_memory_position, self.no_object_pointer, self.absence):
            if vector is not None:
                nn.init.trunc_normal_(vector, std=0.02)
        position = sine_map(side, side, memory_dim).flatten(1).T[None]
        self.register_buffer("memory_position", position, persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.no_memory.device

    @property
    def dtype(self) -> torch.dtype:
        """The weights' dtype; images are to be given in it."""
        return self.no_memory.dtype

    def encode_image(self, pixels: Float[Tensor, "B 3 S S"]) -> ImageFeatures:
        """Encode normalised RGB images of side `config.image_size`."""
        stride4, stride8, stride16 = self.neck(self.trunk(pixels))
        stride4, stride8 = self.mask_decoder.project_high_res(stride4, stride8)
        height, width = pixels.shape[2:]
        return ImageFeatures(stride16, stride8, stride4, ((height, width),) * len(pixels))

    def encode_prompts(
        self, points: Points | None = None, mask_logits: Float[Tensor, "B 1 H W"] | None = None
    ) -> PromptEmbeddings:
        """Encode points in model pixels and/or low-res mask logits (side `config.mask_side`)."""
        return self.prompt_encoder(points, mask_logits)

    def decode_masks(
        self, embedding: Float[Tensor, "E C H W"], features: ImageFeatures, prompts: PromptEmbeddings
    ) -> DecodedMasks:
        """Masks for each prompt from `embedding`, the output of `attend_memory` for `features`.

        All are batches of the same length B, or one image for B prompts.
        """
        position = self.prompt_encoder.grid_position()
        return self.mask_decoder(embedding, features.stride8, features.stride4, prompts, position)

    def score_masks(self, embedding: Float[Tensor, "E C H W"], prompts: PromptEmbeddings) -> ScoredPrompts:
        """The first half of `decode_masks`: the scores of each prompt's candidates, none of which is drawn yet."""
        return self.mask_decoder.score(embedding, prompts, self.prompt_encoder.grid_position())

    def draw_masks(
        self,
        scored: ScoredPrompts,
        features: ImageFeatures,
        prompt_index: Int[Tensor, "K"],
        candidate: Int[Tensor, "K"],
    ) -> Float[Tensor, "K H W"]:
        """The second half of `decode_masks`: low-res logits of K chosen candidates, each of one of the prompts.

        What candidates of the same prompt have in common is computed once.
        """
        rows, places = prompt_index.unique(return_inverse=True)
        of_rows = rows if len(features) > 1 else slice(None)
        logits = self.mask_decoder.draw(scored[rows], features.stride8[of_rows], features.stride4[of_rows])
        return logits[places, candidate]

    def attend_memory(
        self, embedding: Float[Tensor, "E C H W"], memory: MemoryTokens | None = None
    ) -> Float[Tensor, "B C H W"]:
        """Condition an image embedding on memory; with None, as for a still image, on there being none.

        E is B, the number of memories, or 1: one image for B objects.
        """
        if memory is None:
            return embedding + self.no_memory.transpose(1, 2)[..., None]
        return self.memory_attention(embedding, memory.tokens, memory.position, memory.num_pointer_tokens, memory.mask)

    def encode_memory(
        self,
        embedding: Float[Tensor, "E C H W"],
        mask: Float[Tensor, "B 1 S S"],
        pointer: Float[Tensor, "B C"],
        present: Bool[Tensor, "B 1"],
    ) -> FrameMemory:
        """What to remember of a frame.

        embedding: `ImageFeatures.stride16`, not conditioned on memory; E is B, or 1 for one image. mask: in [0, 1], at
        model pixels (a probability, or 0 and 1 where a person has drawn it). pointer: of `object_pointer`. present: is
        the object in the frame?
        """
        features = self.memory_encoder(embedding, mask * MASK_SCALE + MASK_BIAS)
        tokens = features.flatten(2).transpose(1, 2)
        if self.absence is not None:
            tokens = tokens + (~present).to(tokens.dtype)[..., None] * self.absence
        return FrameMemory(tokens, self.memory_position.to(tokens.dtype), pointer)

    def object_pointer(self, token: Float[Tensor, "B C"], present: Bool[Tensor, "B 1"]) -> Float[Tensor, "B C"]:
        """The pointer made of a mask's output token; a learned vector where the object is absent."""
        return torch.where(present, self.pointer_projection(token), self.no_object_pointer)
