"""What training learns from."""

import torch

from masklet.training.samples import ClipBatch


def test_a_batch_moves_whole() -> None:
    batch = ClipBatch(
        torch.zeros(2, 1, 3, 32, 32),
        torch.ones(2, 3, 32, 32, dtype=torch.bool),
        torch.zeros(3, dtype=torch.int64),
        torch.full((2, 3, 2), 4.0),
    )
    moved = batch.to("meta")
    for name in ("pixels", "masks", "clip_of_object", "centres"):
        before, after = getattr(batch, name), getattr(moved, name)
        assert after.device.type == "meta"
        assert (after.shape, after.dtype) == (before.shape, before.dtype)
