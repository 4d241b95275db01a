"""Data sets of pictures and of videos with masks, as their authors publish them, and of one's own."""

from masklet.datasets.check import check_sequence
from masklet.datasets.registry import DATASETS, open_dataset

__all__ = ["DATASETS", "check_sequence", "open_dataset"]
