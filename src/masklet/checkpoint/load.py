"""From a name or a file to a model with its weights: what using a model and training it both begin with."""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from masklet.checkpoint.files import read
from masklet.checkpoint.locate import locate
from masklet.checkpoint.recognise import recognise_contents
from masklet.checkpoint.strict import load_into
from masklet.config import ModelConfig
from masklet.model import Sam2


def load_weights(source: str | Path, *, image_size: int | None = None, config: ModelConfig | None = None) -> Sam2:
    """A model in float32 on the CPU, in training mode. Arguments and errors are those of `masklet.load_model`."""
    path = locate(source)
    contents = read(path)
    recognised = recognise_contents(contents, config)
    model = new_model(recognised.config.with_image_size(image_size))
    load_into(model, contents.state, recognised.layout, path)
    return model


def new_model(config: ModelConfig) -> Sam2:
    """A model whose weights are still to be loaded: they hold no particular values.

    Drawing random weights takes longer than reading a checkpoint, and would disturb the caller's random numbers.
    """
    with _WeightsOnMeta():
        model = Sam2(config)
    for module in model.modules():
        for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
            if tensor.is_meta:
                empty = torch.empty_like(tensor, device="cpu")
                setattr(module, name, nn.Parameter(empty) if isinstance(tensor, nn.Parameter) else empty)
    return model


class _WeightsOnMeta(TorchFunctionMode):
    """Makes the tensors that weights are born as without storage, so that initialising them costs nothing."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.empty, torch.randn):
            kwargs = {**kwargs, "device": "meta"}
        return func(*args, **kwargs)
