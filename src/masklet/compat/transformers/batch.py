"""What the processors return: a dictionary of arrays that is also read by attribute and moves as one."""

from collections import UserDict
from typing import Any

import numpy as np
import torch
from torch import Tensor

_KINDS = ("pt", "np", None)


class BatchFeature(UserDict[str, Any]):
    """Arrays by name: `batch["pixel_values"]` or `batch.pixel_values`, and `model(**batch)`.

    tensor_type: "pt" makes torch tensors of lists and arrays, "np" numpy arrays, None leaves them. ValueError: another
    type, or rows of different lengths.
    """

    def __init__(self, data: dict[str, Any] | None = None, tensor_type: str | None = None) -> None:
        super().__init__(data or {})
        self.convert_to_tensors(tensor_type)

    def __getattr__(self, name: str) -> Any:
        data = self.__dict__.get("data", {})
        if name not in data:
            raise AttributeError(f"this {type(self).__name__} has no {name!r}; it has {', '.join(data) or 'nothing'}")
        return data[name]

    def convert_to_tensors(self, tensor_type: str | None = None) -> "BatchFeature":
        """Make tensors of all lists, arrays and numbers, in place; see the class. Returns itself."""
        kind = getattr(tensor_type, "value", tensor_type)
        if kind not in _KINDS:
            raise ValueError(f"return_tensors is {tensor_type!r}; it can be 'pt' (torch), 'np' (numpy) or None")
        if kind is not None:
            for name, value in self.data.items():
                self.data[name] = _convert(name, value, kind)
        return self

    def to(self, *args: Any, **kwargs: Any) -> "BatchFeature":
        """Move all tensors, in place; takes what `torch.Tensor.to` takes. Returns itself.

        A dtype applies to floating-point tensors alone: labels and sizes stay whole numbers.
        """
        places = tuple(arg for arg in args if not isinstance(arg, torch.dtype))
        options = {name: value for name, value in kwargs.items() if name != "dtype"}

        def moved(value: Any) -> Any:
            if isinstance(value, list | tuple):
                return type(value)(moved(entry) for entry in value)
            if not isinstance(value, Tensor):
                return value
            if value.is_floating_point():
                return value.to(*args, **kwargs)
            return value.to(*places, **options) if places or "device" in options else value

        self.data = {name: moved(value) for name, value in self.data.items()}
        return self


class BatchEncoding(BatchFeature):
    """What a processor of images and prompts returns."""


def _convert(name: str, value: Any, kind: str) -> Any:
    leaf = _first_leaf(value)
    if leaf is None or isinstance(leaf, str):
        return value
    try:
        if isinstance(leaf, Tensor):
            whole = _stacked(value)
            return whole if kind == "pt" else whole.numpy(force=True)
        if kind == "np":
            return np.asarray(value)
        return torch.as_tensor(np.asarray(value) if isinstance(leaf, np.ndarray) else value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"{name} cannot be made one array ({error}): its entries must be numbers, and the entries of a list of the "
            "same shape; return_tensors=None leaves lists as they are"
        ) from None


def _first_leaf(value: Any) -> Any:
    while isinstance(value, list | tuple):
        if not value:
            return 0.0
        value = value[0]
    return value


def _stacked(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.stack([_stacked(entry) for entry in value])
