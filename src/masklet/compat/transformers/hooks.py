"""What happens inside the engine, seen and steered from outside by PyTorch's hooks, which are there for one call.

Hidden states are the trunk's first map and what each of its blocks makes of it. Attentions are weights that sum to one
over what is attended to, which is how `transformers` describes them; what it returns under that name are the outputs of
attention layers. Guidance (`attention_similarity` and `target_embedding`) is that of PerSAM (Zhang et al., 2023).
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from masklet.model.hiera import Attention as TrunkAttention
from masklet.model.hiera import Hiera, max_pool
from masklet.model.two_way import Attention, TwoWayTransformer


@dataclass
class Seen:
    """What was recorded: tensors in the order in which they were made."""

    hidden_states: list[Tensor] = field(default_factory=list)
    attentions: list[Tensor] = field(default_factory=list)


@contextmanager
def watch_trunk(trunk: Hiera, *, hidden_states: bool = False, attentions: bool = False) -> Iterator[Seen]:
    """Record the maps (B, h, w, C) and the attention weights (windows, heads, queries, keys) of all blocks.

    There is one map more than there are blocks: the first is what the first block is given.
    """
    seen = Seen()

    def first(module: nn.Module, args: tuple[Any, ...]) -> None:
        seen.hidden_states.append(args[0])

    def state(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        seen.hidden_states.append(output)

    def weights(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        seen.attentions.append(trunk_weights(module, *args))  # type: ignore[arg-type]

    with ExitStack() as hooks:
        if hidden_states:
            hooks.enter_context(_before(trunk.blocks[:1], first))
            hooks.enter_context(_after(trunk.blocks, state))
        if attentions:
            layers = [module for module in trunk.modules() if isinstance(module, TrunkAttention)]
            hooks.enter_context(_after(layers, weights))
        yield seen


@contextmanager
def watch_decoder(transformer: TwoWayTransformer, *, attentions: bool = False) -> Iterator[Seen]:
    """Record how each layer's image attends to the tokens: weights (prompts, heads, image positions, tokens)."""
    seen = Seen()

    def weights(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        q, k, _ = args
        seen.attentions.append(token_weights(module, q, k))  # type: ignore[arg-type]

    layers = [layer.image_to_token for layer in transformer.layers]  # type: ignore[union-attr]
    with _after(layers if attentions else [], weights):  # type: ignore[arg-type]
        yield seen


@contextmanager
def guide(
    transformer: TwoWayTransformer, shape: tuple[int, int], similarity: Tensor | None, target: Tensor | None
) -> Iterator[None]:
    """Steer the mask decoder's prompts, of which there are B images times P objects.

    similarity: added to the scores of tokens that attend to the image, (B * P, heads, tokens, positions) or what
    broadcasts to it. target: added to the tokens before each layer, (B, P, tokens, channels) or what broadcasts to it.
    """

    def attend(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        return biased_attention(module, *args, similarity)  # type: ignore[arg-type]

    with ExitStack() as hooks:
        if target is not None:
            # The tokens as they come in are their own position encoding, so the target becomes a part of that, too.
            add = partial(_add_target, target, shape)
            hooks.enter_context(_before([transformer, *transformer.layers[1:]], add))
        if similarity is not None:
            layers = [layer.token_to_image for layer in transformer.layers]  # type: ignore[union-attr]
            hooks.enter_context(_after(layers, attend))  # type: ignore[arg-type]
        yield


def trunk_weights(attention: TrunkAttention, x: Float[Tensor, "B H W C"]) -> Float[Tensor, "B heads Q K"]:
    """The weights with which a layer of the trunk attends inside its maps, or windows."""
    q, k, _ = attention.qkv(x).chunk(3, dim=-1)
    q = max_pool(q) if attention.pool else q
    return _weights(_heads(q.flatten(1, 2), attention.num_heads), _heads(k.flatten(1, 2), attention.num_heads))


def token_weights(
    attention: Attention, q: Float[Tensor, "Q N C"], k: Float[Tensor, "K L C"]
) -> Float[Tensor, "B heads N L"]:
    """The weights with which queries of the mask decoder attend to keys."""
    heads = attention.num_heads
    return _weights(_heads(attention.q_projection(q), heads), _heads(attention.k_projection(k), heads))


def biased_attention(
    attention: Attention, q: Float[Tensor, "Q N C"], k: Float[Tensor, "K L C"], v: Float[Tensor, "K L C"], bias: Tensor
) -> Float[Tensor, "B N C"]:
    """What a layer of the mask decoder gives where something is added to its scores, or (boolean) some are left out.

    ValueError: a bias that does not broadcast to (B, heads, N, L).
    """
    heads, batch = attention.num_heads, len(q) if len(k) == 1 else len(k)
    scores = (batch, heads, q.shape[1], k.shape[1])
    try:
        bias = bias.to(q.device, None if bias.dtype == torch.bool else q.dtype).broadcast_to(scores)
    except RuntimeError:
        raise ValueError(
            f"attention_similarity has the shape {tuple(bias.shape)}, which does not broadcast to {scores}: prompts, "
            "heads, tokens, positions of the image embedding"
        ) from None
    q, k, v = (
        _heads(projection(x), heads).expand(batch, -1, -1, -1)
        for projection, x in ((attention.q_projection, q), (attention.k_projection, k), (attention.v_projection, v))
    )
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    return attention.out_projection(out.transpose(1, 2).flatten(2))


def _add_target(target: Tensor, shape: tuple[int, int], module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    tokens, *rest = args
    whole = (*shape, *tokens.shape[1:])
    try:
        added = target.to(tokens).broadcast_to(whole).flatten(0, 1)
    except RuntimeError:
        raise ValueError(
            f"target_embedding has the shape {tuple(target.shape)}, which does not broadcast to {whole}: images, "
            "objects, tokens, channels"
        ) from None
    return tokens + added, *rest


def _heads(x: Tensor, num_heads: int) -> Tensor:
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def _weights(q: Tensor, k: Tensor) -> Tensor:
    scores = (q * q.shape[-1] ** -0.5) @ k.mT
    return scores.softmax(-1, dtype=torch.float32).to(q.dtype)


def _before(modules: Iterable[nn.Module], hook: Callable[..., Any]) -> AbstractContextManager[None]:
    return _until_left([module.register_forward_pre_hook(_of_this_thread(hook)) for module in modules])


def _after(modules: Iterable[nn.Module], hook: Callable[..., Any]) -> AbstractContextManager[None]:
    return _until_left([module.register_forward_hook(_of_this_thread(hook)) for module in modules])


@contextmanager
def _until_left(handles: list[RemovableHandle]) -> Iterator[None]:
    """The hooks are there until the block is left."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _of_this_thread(hook: Callable[..., Any]) -> Callable[..., Any]:
    """The hook for calls of this thread alone: another one may be using the same model."""
    owner = threading.get_ident()
    return lambda *args: hook(*args) if threading.get_ident() == owner else None
