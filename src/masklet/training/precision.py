"""In which number format a training step's forward pass is computed.

Weights, gradients, losses and the optimiser stay in float32. On a CPU attention stays too: the backward pass of
bfloat16 attention is five times slower there than that of float32, and costs what all else gains.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias, get_args

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

Precision: TypeAlias = Literal["float32", "bf16-mixed"]


class _Float32Attention(TorchFunctionMode):
    """Computes attention in float32 whatever the autocast around it says."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is not F.scaled_dot_product_attention:
            return func(*args, **kwargs)
        with torch.autocast("cpu", enabled=False):
            return func(*map(_float32, args), **{name: _float32(value) for name, value in kwargs.items()})


def _float32(value: object) -> object:
    """An attention's inputs, but for boolean masks, in float32."""
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value


@contextmanager
def precision(name: Precision, device: torch.device | str) -> Iterator[None]:
    """A context for forward passes on a device: all in float32, or matrix products and convolutions in bfloat16.

    ValueError names a precision that there is not.
    """
    if name not in get_args(Precision):
        raise ValueError(f"precision {name!r} is not one of {', '.join(get_args(Precision))}")
    if name == "float32":
        yield
        return
    kind = torch.device(device).type
    with torch.autocast(kind, dtype=torch.bfloat16):
        if kind == "cpu":
            with _Float32Attention():
                yield
        else:
            yield


@contextmanager
def no_gradients(when: bool = True) -> Iterator[None]:
    """`torch.no_grad` for a part of a step, which has gradients before and after it; nothing at all if not `when`.

    Autocast keeps weights that it has cast until it ends. In older releases of PyTorch those cast here have no gradient
    in what comes later (pytorch issue 158232), so they are forgotten.
    """
    if not when:
        yield
        return
    with torch.no_grad():
        yield
    torch.clear_autocast_cache()
