"""Mask logits at the image's size, but only where there is something to see.

Bilinear values lie between their neighbours, so beyond the low-res pixels that exceed a value nothing else does. A
mask that covers a hundredth of a 12-megapixel picture costs a hundredth of the whole.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from masklet.ops.boxes import masks_to_boxes


def rounding_margin(value: int | float) -> float:
    """More than a blend of equal logits can differ from them by rounding."""
    return 1e-5 * max(1, abs(value))


class WindowResizer:
    """Resizes windows of logits as `resize_logits` does whole ones: the same arithmetic, hence the same bits.

    low_res_size, size: (height, width) of what is given and of the whole that windows are cut from.
    """

    def __init__(self, low_res_size: tuple[int, int], size: tuple[int, int], device: torch.device | str) -> None:
        self._rows = _Axis(low_res_size[0], size[0], device)
        self._columns = _Axis(low_res_size[1], size[1], device)
        self._pixels_between = self._rows.num_outputs[:, None] * self._columns.num_outputs

    def window(self, occupied: Bool[Tensor, "B h w"]) -> tuple[slice, slice]:
        """Rows and columns that any of the low-res pixels marked in `occupied` reaches; at least one of each."""
        left, top, right, bottom = masks_to_boxes(occupied.any(0)).tolist()
        return self._rows.reached(top, bottom), self._columns.reached(left, right)

    def bands(
        self, logits: Float[Tensor, "B h w"], rows: slice, columns: slice, max_pixels: int
    ) -> Iterator[tuple[slice, Float[Tensor, "B H W"]]]:
        """A window of the logits at full size, in bands of rows that hold `max_pixels` or one row.

        With each band comes which rows of the window it is.
        """
        num_rows, num_columns = rows.stop - rows.start, columns.stop - columns.start
        narrow = self._columns.blend(logits, columns, 2)
        step = max(1, max_pixels // (len(logits) * num_columns))
        for start in range(0, num_rows, step):
            stop = min(start + step, num_rows)
            yield slice(start, stop), self._rows.blend(narrow, slice(rows.start + start, rows.start + stop), 1)

    def count_bounds(
        self, logits: Float[Tensor, "B h w"], threshold: int | float
    ) -> tuple[Float[Tensor, "B"], Float[Tensor, "B"]]:
        """How many pixels at full size exceed the threshold at least and at most, told from low-res pixels alone.

        Between four low-res pixels all exceed it where the least does, and none where the greatest does not.
        """
        around = F.pad(logits[:, None], (0, 1, 0, 1), mode="replicate")
        greatest = F.max_pool2d(around, 2, stride=1)[:, 0]
        least = -F.max_pool2d(-around, 2, stride=1)[:, 0]
        margin = rounding_margin(threshold)
        all_exceed, some_exceed = least > threshold + margin, greatest > threshold - margin
        return (all_exceed * self._pixels_between).sum((1, 2)), (some_exceed * self._pixels_between).sum((1, 2))


class _Axis:
    """One axis of a bilinear resize: each output is a blend of two neighbours, `first` and `second`."""

    def __init__(self, low_res_length: int, length: int, device: torch.device | str) -> None:
        scale = (torch.tensor(low_res_length, dtype=torch.float32) / length).double()
        # In float64, then rounded: what a fused multiply-add gives, with which torch's own kernels place outputs.
        place = (scale * (torch.arange(length, dtype=torch.float64) + 0.5) - 0.5).float().clamp(min=0)
        self._first = place.long().clamp(max=low_res_length - 1)
        self._second = (self._first + 1).clamp(max=low_res_length - 1)
        weight = (place - self._first).clamp(max=1)
        self.num_outputs = torch.bincount(self._first, minlength=low_res_length).float().to(device)
        """How many outputs lie between each input and the next."""
        self._on_device = [tensor.to(device) for tensor in (self._first, self._second, 1 - weight, weight)]

    def reached(self, start: int, end: int) -> slice:
        """The outputs that are blended from any of the inputs `start` to `end`, which is one of them; at least one."""
        first = min(int(torch.searchsorted(self._second, start)), len(self._first) - 1)
        last = int(torch.searchsorted(self._first, end, right=True))
        return slice(first, max(first + 1, last))

    def blend(self, values: Tensor, outputs: slice, dim: int) -> Tensor:
        """Outputs along an axis, the others left as they are."""
        first, second, first_weight, second_weight = (tensor[outputs] for tensor in self._on_device)
        if dim == 1:
            first_weight, second_weight = first_weight[:, None], second_weight[:, None]
        # The order, which decides how sums are rounded, is that of torch's kernel on the CPU.
        far = values.index_select(dim, second).mul_(second_weight)
        return torch.addcmul(far, values.index_select(dim, first), first_weight)
