"""Where training from scratch starts: random weights in which the decoder already looks where it is pointed.

With the usual initialisation attention starts nearly flat, so a click's position hardly reaches the mask; in short
trials the losses then sat on a plateau of empty masks (the model card tells which settings were tried). Here the
queries and keys of the decoder's attention start equal, so that a token attends to tokens at its own position, and
values pass through. Everything is learned on from there.
"""

import torch
from torch import nn

from masklet.model import Sam2
from masklet.model.two_way import Attention

TRUNK_STD = 0.02
"""Of the trunk's linear layers, as vision transformers usually start."""

TOKEN_STD = 0.3
"""Of label and output embeddings: small beside the Fourier features that they are added to."""

SHARPNESS = 2.0
"""Gain of the decoder's queries and keys: about 8 of attention logit between tokens at the same position."""


@torch.no_grad()
def initialise(model: Sam2) -> None:
    """Draw all weights that the defaults leave unsuitable for training from scratch; uses the global generator."""
    for module in model.trunk.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=TRUNK_STD)
            nn.init.zeros_(module.bias)
    for module in model.mask_decoder.modules():
        if isinstance(module, Attention):
            _look_at_own_place(module)
    decoder, prompts = model.mask_decoder, model.prompt_encoder
    for tokens in (decoder.object_token, decoder.iou_token, decoder.mask_tokens, prompts.labels, prompts.no_mask):
        nn.init.normal_(tokens, std=TOKEN_STD)


def _look_at_own_place(attention: Attention) -> None:
    query, key, value, out = (
        attention.q_projection,
        attention.k_projection,
        attention.v_projection,
        attention.out_projection,
    )
    nn.init.orthogonal_(query.weight, gain=SHARPNESS)
    key.weight.copy_(query.weight)
    nn.init.orthogonal_(value.weight)
    out.weight.copy_(value.weight.T)
    for projection in (query, key, value, out):
        nn.init.zeros_(projection.bias)
