"""Prompts to embeddings: points and boxes become sparse tokens, masks a dense map (SAM, Kirillov et al., 2023).

A box is two points. Unlike upstream there is one table of label embeddings, padding included, so a point's token is
its Fourier features plus its label's row, with no branch by label.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from masklet.config import ModelConfig
from masklet.model.layers import LayerNorm2d
from masklet.model.position import fourier
from masklet.types import PointLabel, Points, PromptEmbeddings

MASK_CHANNELS = 16
PADDING = int(PointLabel.PADDING)  # a plain number: the compiler takes "tensor == enumerated label" for one False


class PromptEncoder(nn.Module):
    """Encodes points in model pixels and mask logits."""

    frequencies: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.image_size = config.image_size
        self.grid_side = config.embedding_side
        self.register_buffer("frequencies", torch.randn(2, config.dim // 2))
        self.labels = nn.Parameter(torch.randn(len(PointLabel), config.dim))
        self.no_mask = nn.Parameter(torch.randn(1, config.dim))
        self.mask_conv1 = nn.Conv2d(1, MASK_CHANNELS // 4, 2, stride=2)
        self.mask_norm1 = LayerNorm2d(MASK_CHANNELS // 4)
        self.mask_conv2 = nn.Conv2d(MASK_CHANNELS // 4, MASK_CHANNELS, 2, stride=2)
        self.mask_norm2 = LayerNorm2d(MASK_CHANNELS)
        self.mask_conv3 = nn.Conv2d(MASK_CHANNELS, config.dim, 1)

    def forward(self, points: Points | None, mask_logits: Float[Tensor, "B 1 H W"] | None) -> PromptEmbeddings:
        """Either may be None. The token of a padding point follows the points, as in the released models' training."""
        if points is not None:
            sparse = self.encode_points(points)
        else:
            batch = 1 if mask_logits is None else len(mask_logits)
            sparse = self.labels.new_empty(batch, 0, self.labels.shape[1])
        return PromptEmbeddings(sparse, self.encode_mask(mask_logits))

    def encode_points(self, points: Points) -> Float[Tensor, "B N C"]:
        """Tokens of points and of one padding point more. A label below all others makes a token of zeros."""
        coords = F.pad(points.coords.float() + 0.5, (0, 0, 0, 1))  # to the pixel's centre
        labels = F.pad(points.labels, (0, 1), value=PADDING).long()
        where = fourier(coords / self.image_size, self.frequencies.float()).to(self.labels.dtype)
        where = where.masked_fill((labels == PADDING)[..., None], 0.0)
        tokens = where + self.labels[labels.clamp(min=PADDING) - PADDING]
        return tokens.masked_fill((labels < PADDING)[..., None], 0.0)

    def encode_mask(self, logits: Float[Tensor, "B 1 H W"] | None) -> Float[Tensor, "E C H2 W2"]:
        """The dense map of mask logits (at a quarter of the image's side), or of no mask: one for all prompts."""
        if logits is None:
            return self.no_mask[:, :, None, None].expand(-1, -1, self.grid_side, self.grid_side)
        x = F.gelu(self.mask_norm1(self.mask_conv1(logits.to(self.no_mask.dtype))))
        x = F.gelu(self.mask_norm2(self.mask_conv2(x)))
        return self.mask_conv3(x)

    def grid_position(self) -> Float[Tensor, "1 N C"]:
        """Position encoding of the image embedding's tokens: Fourier features of their centres, row by row."""
        steps = (
            torch.arange(self.grid_side, device=self.frequencies.device, dtype=torch.float32) + 0.5
        ) / self.grid_side
        centres = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)
        return fourier(centres.flatten(0, 1), self.frequencies.float())[None].to(self.labels.dtype)
