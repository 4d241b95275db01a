"""Activation checkpointing (Chen et al., 2016): parts forget what they computed, and compute it again for gradients.

It takes about a third more time and a fraction of the memory, which grows with the frames of a clip and the passes of
the mask decoder. The gradients are the same. Upstream has it for correction clicks alone.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack
from torch.utils.checkpoint import checkpoint

from masklet.checkpoint.strict import MemoryNotLoaded
from masklet.model import Sam2


def checkpoint_blocks(model: Sam2) -> None:
    """From now on, keep for gradients only what goes into each trunk block, memory attention layer and decoder pass.

    Names of parameters stay. Without gradients, as in validation, nothing is different.
    """
    memory = model.memory_attention
    layers = [] if isinstance(memory, MemoryNotLoaded) else memory.layers
    parts: list[nn.Module] = [*model.trunk.blocks, *layers, model.mask_decoder]
    for part in parts:
        part.forward = partial(_checkpointed, part.forward)


def _checkpointed(forward: Callable[..., Any], *args: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args)
    # Nothing in the model is random, so the state of random numbers need not be kept.
    return checkpoint(forward, *args, use_reentrant=False, preserve_rng_state=False, context_fn=_same_modes)


def _same_modes() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    """Contexts for the first pass and for the second, which runs in the function modes of the first.

    PyTorch brings back autocast by itself, but not modes, such as one that keeps attention in float32: without them
    the second pass would not compute what the first did.
    """
    return nullcontext(), _Modes(_get_current_function_mode_stack())


class _Modes(ExitStack):
    """The given function modes, entered together."""

    def __init__(self, modes: list[TorchFunctionMode]) -> None:
        super().__init__()
        self.modes = modes

    def __enter__(self) -> "_Modes":
        for mode in self.modes:
            self.enter_context(mode)
        return self
