"""The mask decoder: from an image embedding and encoded prompts to candidate masks and their scores.

One candidate is meant for prompts that are clear, three for prompts that may mean a whole, a part or a subpart; all
are always scored, and which to use is the caller's policy (`masklet.ops.multimask`). Unlike upstream, scoring and
drawing are two halves, so that whoever asks with a thousand clicks can leave most masks undrawn.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from masklet.config import ModelConfig
from masklet.model.layers import LayerNorm2d, Mlp
from masklet.model.two_way import TwoWayTransformer
from masklet.types import DecodedMasks, PromptEmbeddings, ScoredPrompts


class MaskDecoder(nn.Module):
    """Decodes masks at stride 4, with high-resolution features of the image, an IoU score each, and an object score."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim = config.dim
        num_masks = 1 + config.decoder.num_multimasks
        self.object_token = nn.Parameter(torch.randn(1, dim))
        self.iou_token = nn.Parameter(torch.randn(1, dim))
        self.mask_tokens = nn.Parameter(torch.randn(num_masks, dim))
        self.transformer = TwoWayTransformer(dim, config.decoder)
        self.upscale1 = nn.ConvTranspose2d(dim, dim // 4, 2, stride=2)
        self.upscale_norm = LayerNorm2d(dim // 4)
        self.upscale2 = nn.ConvTranspose2d(dim // 4, dim // 8, 2, stride=2)
        self.stride4_projection = nn.Conv2d(dim, dim // 8, 1)
        self.stride8_projection = nn.Conv2d(dim, dim // 4, 1)
        self.hypernetworks = nn.ModuleList(Mlp(dim, dim, dim, dim // 8) for _ in range(num_masks))
        self.iou_head = Mlp(dim, dim, dim, num_masks)
        self.object_head = Mlp(dim, dim, dim, 1)

    def forward(
        self,
        embedding: Float[Tensor, "D C H W"],
        stride8: Float[Tensor, "E C8 H8 W8"],
        stride4: Float[Tensor, "E C4 H4 W4"],
        prompts: PromptEmbeddings,
        grid_position: Float[Tensor, "1 L C"],
    ) -> DecodedMasks:
        """`stride8` and `stride4` are already projected (see `project_high_res`); each of B images, or of one."""
        scored = self.score(embedding, prompts, grid_position)
        return DecodedMasks(
            logits=self.draw(scored, stride8, stride4),
            iou_scores=scored.iou_scores,
            tokens=scored.tokens,
            object_score=scored.object_score,
        )

    def score(
        self, embedding: Float[Tensor, "E C H W"], prompts: PromptEmbeddings, grid_position: Float[Tensor, "1 L C"]
    ) -> ScoredPrompts:
        """The first half: scores of all candidates, and what their masks can be drawn from."""
        outputs = torch.cat((self.object_token, self.iou_token, self.mask_tokens))
        tokens = torch.cat((outputs.expand(len(prompts.sparse), -1, -1), prompts.sparse), dim=1)
        image = (embedding + prompts.dense).flatten(2).transpose(1, 2).contiguous()
        tokens, image = self.transformer(tokens, image, grid_position)
        return ScoredPrompts(
            iou_scores=self.iou_head(tokens[:, 1]).sigmoid(),
            object_score=self.object_head(tokens[:, 0]),
            tokens=tokens[:, 2 : len(outputs)],
            image=image,
        )

    def draw(
        self, scored: ScoredPrompts, stride8: Float[Tensor, "E C8 H8 W8"], stride4: Float[Tensor, "E C4 H4 W4"]
    ) -> Float[Tensor, "B M H4 W4"]:
        """The second half: low-res mask logits of all candidates."""
        height, width = stride8.shape[2] // 2, stride8.shape[3] // 2
        upscaled = self._upscale(scored.image.transpose(1, 2).unflatten(2, (height, width)), stride8, stride4)
        weights = torch.stack([mlp(scored.tokens[:, i]) for i, mlp in enumerate(self.hypernetworks)], dim=1)
        return (weights @ upscaled.flatten(2)).unflatten(2, upscaled.shape[2:])

    def project_high_res(
        self, stride4: Float[Tensor, "B C H W"], stride8: Float[Tensor, "B C H2 W2"]
    ) -> tuple[Float[Tensor, "B C4 H W"], Float[Tensor, "B C8 H2 W2"]]:
        """The neck's two finer maps, projected to the widths at which they are added; once an image."""
        # Channels last, as the decoder's own maps are: adding across layouts takes several times as long.
        stride4, stride8 = self.stride4_projection(stride4), self.stride8_projection(stride8)
        layout = torch.channels_last
        return stride4.contiguous(memory_format=layout), stride8.contiguous(memory_format=layout)

    def _upscale(self, image: Tensor, stride8: Tensor, stride4: Tensor) -> Tensor:
        x = F.gelu(self.upscale_norm(_add(self.upscale1(image), stride8)))
        return F.gelu(_add(self.upscale2(x), stride4))


def _add(x: Tensor, y: Tensor) -> Tensor:
    """The sum, in the memory of x: these are the largest maps of all, and fresh memory costs as much as the sum.

    Not so for gradients, since PyTorch forbids it where a module has a backward hook.
    """
    return x + y if torch.is_grad_enabled() else x.add_(y)
