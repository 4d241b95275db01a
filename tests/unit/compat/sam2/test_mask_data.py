"""`MaskData`: choosing and appending rows of lists, arrays and tensors alike."""

import numpy as np
import pytest
import torch

from masklet.compat.sam2.mask_data import MaskData


@pytest.fixture
def data() -> MaskData:
    return MaskData(rles=[{"n": 0}, {"n": 1}, {"n": 2}], points=np.arange(3), boxes=torch.arange(12).view(3, 4))


def rows(data: MaskData) -> list[tuple[int, int, int]]:
    return [
        (rle["n"], int(point), int(box[0]) // 4)
        for rle, point, box in zip(data["rles"], data["points"], data["boxes"], strict=True)
    ]


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (torch.tensor([True, False, True]), [0, 2]),
        (torch.tensor([2, 0]), [2, 0]),
        (torch.zeros(3, dtype=torch.bool), []),
        (torch.zeros(0, dtype=torch.long), []),
    ],
)
def test_every_kind_of_column_is_filtered(data, keep, expected):
    data.filter(keep)
    assert rows(data) == [(n, n, n) for n in expected]


def test_tables_are_joined_and_what_is_appended_is_copied(data):
    other = MaskData(rles=[{"n": 3}], points=np.array([3]), boxes=torch.full((1, 4), 12))
    joined = MaskData()
    joined.cat(data)
    joined.cat(other)
    assert rows(joined) == [(n, n, n) for n in range(4)]
    for table in (data, other):
        table["rles"][0]["n"] = 9
        table["boxes"][0] = 99
    assert rows(joined) == [(n, n, n) for n in range(4)]


def test_tensors_become_float_arrays(data):
    data.to_numpy()
    assert data["boxes"].dtype == np.float32
    assert isinstance(data["rles"], list)
    assert data["points"].dtype == np.arange(3).dtype


def test_columns_come_and_go(data):
    data["scores"] = [1.0, 2.0, 3.0]
    del data["points"]
    assert [name for name, _ in data.items()] == ["rles", "boxes", "scores"]


def test_other_columns_are_refused(data):
    with pytest.raises(AssertionError, match="scores is int"):
        MaskData(scores=3)
    with pytest.raises(AssertionError, match="scores is str"):
        data["scores"] = "high"
