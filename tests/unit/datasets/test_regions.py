from pathlib import Path

import numpy as np
import pytest

from masklet.datasets.regions import read_regions
from masklet.ops.rle import encode_rle

SIZE = (10, 12)


def test_annotations_become_regions(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).random(SIZE) < 0.5
    annotations = [{"id": 4, "segmentation": encode_rle(mask)}, {"segmentation": [[2, 3, 8, 3, 8, 7, 2, 7]]}]
    first, second = read_regions(annotations, SIZE, tmp_path / "file.json")
    assert (first.name, second.name) == ("4", "1")
    assert (first.mask == mask).all()
    assert second.mask.sum() == 24


def test_the_annotation_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"annotation 7 of .*file\.json cannot be read: it lacks 'segmentation'"):
        read_regions([{"id": 7}], SIZE, tmp_path / "file.json")
