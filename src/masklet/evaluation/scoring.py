"""Scoring one video: the frames and objects that count, and J and F of each.

The rules are those of the SA-V evaluator and `vos-benchmark`, or of DAVIS 2017's own evaluation, as `ScoreRules` says.
Where upstream ends with a bare assertion, or lets masks saved with wrong values pass, an error names the file.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from masklet.datasets.annotations import Annotations, LabelMaps, Masks, ObjectFolders
from masklet.datasets.rules import SAV_RULES, ScoreRules
from masklet.evaluation.measures import Mask, contour_accuracy, region_similarity
from masklet.evaluation.scores import ObjectScores, SequenceScores


def score_sequence(
    name: str, truth: Annotations, predicted: Annotations, rules: ScoreRules = SAV_RULES, *, strict: bool = True
) -> SequenceScores:
    """J and F of each object of a video, on each frame that counts.

    Frames are those of the truth; predictions of others do not count. Where the truth is a folder an object, each
    object has its own frames, and so its own first and last. Objects are those seen in the truth on a frame that
    counts; by rules that count from the beginning, those seen on any frame.

    FileNotFoundError names a prediction that is missing, ValueError pictures of different sizes. If strict, also
    ValueError for predicted objects that the truth never has, and for a video without anything to score; else such
    objects do not count, and such a video has no objects.
    """
    counted = _CountedFrames(truth, rules)
    _check_frames(predicted, counted.frames)
    in_truth = set() if rules.from_first_appearance else _find_objects(truth, rules)
    tallies = {id_: _Tally() for id_ in in_truth}
    first_predicted: dict[int, str] = {}
    for frame in counted.frames:
        pair = _FramePair.read(truth, predicted, frame, rules.void_id)
        in_truth |= {id_ for id_ in pair.seen(pair.truth) if counted.has(id_, frame)}
        for id_ in pair.seen(pair.predicted):
            first_predicted.setdefault(id_, frame)
        if isinstance(predicted, ObjectFolders):
            needed = {id_ for id_ in in_truth | pair.truth.keys() if counted.has(id_, frame)}
            _check_files(predicted, frame, needed - pair.predicted.keys())
        for id_ in in_truth | first_predicted.keys():
            if counted.has(id_, frame):
                tallies.setdefault(id_, _Tally()).add(frame, *pair.score(id_, rules.tolerance))
    if strict:
        _check_objects(first_predicted, in_truth, truth, predicted, rules)
    objects = tuple(tallies[id_].conclude(id_) for id_ in sorted(in_truth) if tallies[id_].frames)
    if strict and not objects:
        raise ValueError(nothing_to_score(truth, rules))
    return SequenceScores(name=name, objects=objects)


def nothing_to_score(truth: Annotations, rules: ScoreRules) -> str:
    """Why a video has no scores, naming its folder."""
    folder = truth.path(truth.frames[0])
    if isinstance(truth, LabelMaps):
        folder = folder.parent
    if rules.skip_first_and_last and len(truth.frames) < 3:
        return f"{folder} has masks of {len(truth.frames)} frames: without the first and last, none is left to score"
    void = "" if rules.void_id is None else f" (the value {rules.void_id} is void by these rules, and no object)"
    return f"{folder} has no object in it on any frame that counts, so there is nothing to score{void}"


class _CountedFrames:
    """Which frames count, for which objects."""

    def __init__(self, truth: Annotations, rules: ScoreRules) -> None:
        inner = slice(1, -1) if rules.skip_first_and_last else slice(None)
        self._everywhere = frozenset(truth.frames[inner])
        self._by_object: dict[int, frozenset[str]] | None = None
        if isinstance(truth, ObjectFolders):
            self._by_object = {id_: frozenset(own[inner]) for id_, own in truth.object_frames.items()}
            self._everywhere = frozenset().union(*self._by_object.values())
        self.frames = tuple(frame for frame in truth.frames if frame in self._everywhere)

    def has(self, id_: int, frame: str) -> bool:
        frames = self._everywhere if self._by_object is None else self._by_object.get(id_, frozenset())
        return frame in frames


@dataclass
class _Tally:
    """One object's scores so far."""

    frames: list[str] = field(default_factory=list)
    j: list[float] = field(default_factory=list)
    f: list[float] = field(default_factory=list)

    def add(self, frame: str, j: float, f: float) -> None:
        self.frames.append(frame)
        self.j.append(j)
        self.f.append(f)

    def conclude(self, id_: int) -> ObjectScores:
        return ObjectScores(object_id=id_, frames=tuple(self.frames), j=tuple(self.j), f=tuple(self.f))


@dataclass(frozen=True)
class _FramePair:
    """A frame's masks in the truth and in the prediction, and the pixels that count in neither."""

    truth: Masks
    predicted: Masks
    void: Mask | None

    @classmethod
    def read(cls, truth: Annotations, predicted: Annotations, frame: str, void_id: int | None) -> "_FramePair":
        """ValueError for pictures of different sizes."""
        true, found = truth.read(frame), predicted.read(frame)
        true_sizes, found_sizes = _sizes(truth, true, frame), _sizes(predicted, found, frame)
        if len(true_sizes | found_sizes) > 1:
            raise ValueError(
                f"{predicted.path(frame)} is {_list_sizes(found_sizes)} pixels, but the truth, {truth.path(frame)}, is "
                f"{_list_sizes(true_sizes)} (frame {frame}): predicted masks have the size of the truth"
            )
        return cls(true, found, None if void_id is None else true.pop(void_id, None))

    def seen(self, masks: Masks) -> set[int]:
        """Objects with a pixel that counts."""
        return {id_ for id_, mask in masks.items() if (mask if self.void is None else mask & ~self.void).any()}

    def score(self, id_: int, tolerance: float) -> tuple[float, float]:
        """J and F of an object; either mask may be missing, which is an empty one."""
        mask, truth = self.predicted.get(id_), self.truth.get(id_)
        if mask is None and truth is None:
            return 1.0, 1.0
        mask = np.zeros_like(truth) if mask is None else mask
        truth = np.zeros_like(mask) if truth is None else truth
        return (
            region_similarity(mask, truth, self.void),
            contour_accuracy(mask, truth, tolerance=tolerance, void=self.void),
        )


def _sizes(annotations: Annotations, masks: Masks, frame: str) -> set[tuple[int, ...]]:
    """(height, width) of a frame's masks, also of a label map without any."""
    if isinstance(annotations, LabelMaps) and not masks:
        return {annotations.size(frame)}
    return {mask.shape for mask in masks.values()}


def _list_sizes(sizes: Iterable[tuple[int, ...]]) -> str:
    return " and ".join(f"{width} x {height}" for height, width in sorted(sizes))


def _find_objects(truth: Annotations, rules: ScoreRules) -> set[int]:
    """All objects that are seen in the truth, on whatever frame."""
    return {
        id_ for frame in truth.frames for id_, mask in truth.read(frame).items() if id_ != rules.void_id and mask.any()
    }


def _check_frames(predicted: Annotations, frames: Iterable[str]) -> None:
    there = set(predicted.frames)
    missing = [frame for frame in frames if frame not in there]
    if missing:
        path = predicted.path(missing[0])
        what = f"{path} has no mask of frame {missing[0]}" if path.exists() else f"{path} is missing"
        raise FileNotFoundError(
            f"{what}: each frame of the truth that counts needs a predicted mask, and {len(missing)} have none"
        )


def _check_files(predicted: ObjectFolders, frame: str, missing: set[int]) -> None:
    if missing:
        file = predicted.object_path(min(missing), frame)
        raise FileNotFoundError(f"{file} is missing: each object and frame of the truth needs a predicted mask")


def _check_objects(
    first_predicted: dict[int, str], in_truth: set[int], truth: Annotations, predicted: Annotations, rules: ScoreRules
) -> None:
    """ValueError for predicted objects that are not in the truth, on no frame at all."""
    strange = first_predicted.keys() - in_truth
    if isinstance(truth, ObjectFolders):
        strange -= truth.objects.keys()
    known = _find_objects(truth, rules) if strange else in_truth
    strange -= known
    if strange:
        first = min(strange)
        file: Path = predicted.path(first_predicted[first])
        raise ValueError(
            f"{file} holds {_list(strange)}, but the truth has {_list(known)} and no other: a mask that was saved with "
            "other values than object ids, such as 255 for object 1, is a frequent cause"
        )


def _list(ids: Iterable[int]) -> str:
    ids = sorted(ids)
    return f"object{'s' if len(ids) > 1 else ''} {', '.join(map(str, ids))}" if ids else "no object"
