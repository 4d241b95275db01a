"""`MaskData`: the original's table of masks, a column for each thing that is known of them."""

from collections.abc import ItemsView
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor


class MaskData:
    """Named columns, each a list, an array or a tensor with one entry a mask."""

    def __init__(self, **kwargs: Any) -> None:
        self._stats: dict[str, Any] = {}
        for name, column in kwargs.items():
            self[name] = column

    def __setitem__(self, key: str, item: Any) -> None:
        assert isinstance(item, list | np.ndarray | Tensor), (
            f"a column of MaskData is a list, an array or a tensor, but {key} is {type(item).__name__}"
        )
        self._stats[key] = item

    def __delitem__(self, key: str) -> None:
        del self._stats[key]

    def __getitem__(self, key: str) -> Any:
        return self._stats[key]

    def items(self) -> ItemsView[str, Any]:
        """Names and columns."""
        return self._stats.items()

    def filter(self, keep: Tensor) -> None:
        """Keep some of the masks: `keep` is a boolean for each, or the indices of those that stay, in their order."""
        rows = (keep.nonzero()[:, 0] if keep.dtype == torch.bool else keep).tolist()
        for name, column in self.items():
            if isinstance(column, list):
                self[name] = [column[row] for row in rows]
            elif isinstance(column, Tensor):
                self[name] = column[keep.to(column.device)]
            else:
                self[name] = column[keep.cpu().numpy()]

    def cat(self, new_stats: "MaskData") -> None:
        """Append the masks of another table, which are copied; a column that was missing is taken whole."""
        for name, column in new_stats.items():
            if name not in self._stats:
                self[name] = deepcopy(column)
            elif isinstance(column, list):
                self[name] = self[name] + deepcopy(column)
            elif isinstance(column, Tensor):
                self[name] = torch.cat([self[name], column])
            else:
                self[name] = np.concatenate([self[name], column])

    def to_numpy(self) -> None:
        """Turn tensors to float32 arrays."""
        for name, column in self.items():
            if isinstance(column, Tensor):
                self[name] = column.detach().float().cpu().numpy()
