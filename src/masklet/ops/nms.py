"""Non-maximum suppression: of boxes that overlap much, the best alone.

The same boxes are kept as by torchvision, which masklet does without: the arithmetic is its, in float32.
"""

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor


def box_nms(boxes: Shaped[Tensor, "K 4"], scores: Float[Tensor, "K"], iou_threshold: int | float) -> Int64[Tensor, "N"]:
    """Indices of the boxes to keep, by descending score; of equal scores the first comes first.

    A box goes where its IoU with a kept one of a higher rank exceeds the threshold. boxes: XYXY, a width being
    `right - left`, so that boxes of one pixel have no area and neither suppress nor go. Runs on the CPU wherever the
    boxes are, for it is a loop, a step each box that is kept.
    """
    order = scores.sort(descending=True, stable=True).indices.cpu()
    left, top, right, bottom = (column.numpy() for column in boxes.cpu()[order].float().unbind(1))
    area = (right - left) * (bottom - top)
    kept = []
    rest = np.arange(len(order))
    with np.errstate(invalid="ignore"):  # two boxes without area have no IoU, and do not suppress each other
        while len(rest):
            best, rest = rest[0], rest[1:]
            kept.append(best)
            width = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest])
            height = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest])
            shared = width.clip(min=0) * height.clip(min=0)
            iou = shared / (area[best] + area[rest] - shared)
            rest = rest[~(iou.astype(np.float64) > iou_threshold)]
    chosen = torch.from_numpy(np.array(kept, dtype=np.int64))
    return order[chosen].to(boxes.device)
