"""Shapes have sensible sizes."""

import numpy as np
import pytest

from masklet.training.scenes.shapes import largest_piece, random_blob, random_partition, random_slab

SIDE = 64


@pytest.mark.parametrize("seed", range(6))
def test_shapes(seed):
    rng = np.random.default_rng(seed)
    partition = random_partition(rng, 4, SIDE)
    assert partition.shape == (SIDE, SIDE)
    assert partition.max() < 4
    blob = random_blob(rng, 80)
    assert blob.shape == (80, 80)
    assert 0.02 < (blob > 127).mean() < 0.95


@pytest.mark.parametrize("seed", range(6))
def test_slabs_cover_their_middle(seed):
    slab = random_slab(np.random.default_rng(seed), 80)
    middle = np.hypot(*(np.mgrid[:80, :80] - 39.5)) < 0.36 * 80
    assert (slab[middle] == 255).all()
    assert slab[0, 0] == 0


def test_the_largest_piece():
    mask = np.zeros((20, 20), bool)
    mask[2:5, 2:5] = True
    mask[8:18, 8:18] = True
    piece = largest_piece(mask)
    assert piece.sum() == 100
    assert not piece[:6].any()
