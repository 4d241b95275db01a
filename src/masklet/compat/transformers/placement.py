"""Where a model goes and in which numbers: `device_map`, `dtype` and `attn_implementation` of `from_pretrained`."""

from dataclasses import dataclass
from typing import Any

import torch

from masklet.checkpoint.layouts import State
from masklet.compat.transformers.config_base import PreTrainedConfig
from masklet.runtime.load import default_device, find_device

ATTENTION = ("eager", "sdpa", "flash_attention_2")
_WHOLE_MAPS = ("auto", "balanced", "balanced_low_0", "sequential")


@dataclass(frozen=True, kw_only=True)
class Placement:
    """device_map: "auto" takes CUDA, else MPS, else the CPU; a device, or the number of a CUDA device, takes that one,
    and None the CPU. A model is never split: one fits on any device.

    dtype: of the weights; a torch.dtype, its name, or "auto" (and None), which is the dtype in the files.

    attn_implementation: "sdpa", "eager" or "flash_attention_2", as `transformers` names them. All run PyTorch's
    `scaled_dot_product_attention`, which takes its fastest way on the device by itself, FlashAttention on CUDA in half
    precision among them. The value is kept in the configuration and changes no number.
    """

    device: torch.device
    dtype: torch.dtype | None
    attention: str | None

    @classmethod
    def take_from(cls, keywords: dict[str, Any]) -> "Placement":
        """The choices among keywords, which are removed there. ValueError names one that cannot be."""
        torch_dtype, dtype = keywords.pop("torch_dtype", None), keywords.pop("dtype", None)
        return cls(
            device=_device(keywords.pop("device_map", None)),
            dtype=_dtype(dtype if dtype is not None else torch_dtype),
            attention=_attention(keywords.pop("attn_implementation", None)),
        )

    def apply_to(self, config: PreTrainedConfig) -> None:
        """Note the attention in a configuration."""
        if self.attention:
            config.attn_implementation = self.attention

    def dtype_of(self, config: PreTrainedConfig, state: State | None) -> torch.dtype:
        """The dtype of the weights: the one asked for, else that of the configuration or of the tensors."""
        stated = config.dtype if isinstance(config.dtype, torch.dtype) else None
        found = next((tensor.dtype for tensor in (state or {}).values() if tensor.is_floating_point()), torch.float32)
        return self.dtype or stated or found


def device_of(device: int | str | torch.device) -> torch.device:
    """A device that is there; a number is that of a CUDA device, -1 the CPU. ValueError: it is not there."""
    if isinstance(device, int):
        device = "cpu" if device < 0 else f"cuda:{device}"
    return find_device(device)


def _device(device_map: Any) -> torch.device:
    if device_map is None:
        return torch.device("cpu")
    if isinstance(device_map, dict):
        places = set(device_map.values())
        if len(places) != 1:
            raise ValueError(f"device_map is {device_map}, but a model goes to one device as a whole: name that device")
        device_map = places.pop()
    if device_map in _WHOLE_MAPS:
        return default_device()
    return device_of(device_map)


def _dtype(dtype: Any) -> torch.dtype | None:
    if dtype is None or dtype == "auto":
        return None
    named = getattr(torch, dtype.removeprefix("torch."), None) if isinstance(dtype, str) else dtype
    if not (isinstance(named, torch.dtype) and named.is_floating_point):
        raise ValueError(f'dtype is {dtype!r}; it can be "auto", or a floating-point type such as torch.bfloat16')
    return named


def _attention(name: Any) -> str | None:
    if name is not None and name not in ATTENTION:
        raise ValueError(f"attn_implementation is {name!r}; it can be {', '.join(ATTENTION)}")
    return name
