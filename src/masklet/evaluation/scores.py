"""Scores of objects, sequences and data sets.

Region similarity J is a mask's IoU, contour accuracy F how well boundaries match, J&F their mean (Perazzi et al.,
DAVIS, CVPR 2016). Values of a frame lie in [0, 1], means in [0, 100] as they are published.
"""

from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True, kw_only=True)
class ObjectScores:
    """One object of a sequence: the frames that count, and J and F of each."""

    object_id: int
    frames: tuple[str, ...]
    j: tuple[float, ...]
    f: tuple[float, ...]

    @property
    def mean_j(self) -> float:
        """Mean region similarity, in [0, 100]."""
        return 100 * fmean(self.j)

    @property
    def mean_f(self) -> float:
        """Mean contour accuracy, in [0, 100]."""
        return 100 * fmean(self.f)

    @property
    def mean_jf(self) -> float:
        """J&F, in [0, 100]."""
        return (self.mean_j + self.mean_f) / 2


@dataclass(frozen=True, kw_only=True)
class SequenceScores:
    """One video's objects."""

    name: str
    objects: tuple[ObjectScores, ...]


@dataclass(frozen=True, kw_only=True)
class VideoScores:
    """A data set's sequences. Its means are over all objects of all sequences, each object counting the same."""

    sequences: tuple[SequenceScores, ...]

    @property
    def objects(self) -> list[tuple[str, ObjectScores]]:
        """All objects with the names of their sequences."""
        return [(sequence.name, scores) for sequence in self.sequences for scores in sequence.objects]

    @property
    def mean_j(self) -> float:
        """Mean region similarity, in [0, 100]."""
        return fmean(scores.mean_j for _, scores in self.objects)

    @property
    def mean_f(self) -> float:
        """Mean contour accuracy, in [0, 100]."""
        return fmean(scores.mean_f for _, scores in self.objects)

    @property
    def mean_jf(self) -> float:
        """J&F, in [0, 100]."""
        return (self.mean_j + self.mean_f) / 2
