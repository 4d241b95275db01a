"""Scoring masks in folders: those of a whole data set against what a model has answered, in several processes.

Upstream's evaluators take two roots with a folder a video in each, all in one layout. Here layouts may be mixed, a
video that one side lacks is named, and a data set of masklet's readers is scored by its own rules.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from masklet.datasets.annotations import Annotations, LabelMaps, open_annotations
from masklet.datasets.layout import name_some
from masklet.datasets.rules import SAV_RULES, ScoreRules
from masklet.datasets.sequences import VideoDataset
from masklet.evaluation.scores import SequenceScores, VideoScores
from masklet.evaluation.scoring import nothing_to_score, score_sequence
from masklet.evaluation.workers import Advance, Failure, Work, work_through

INNER_FOLDERS = ("Annotations_6fps", "Annotations", "480p")
"""Where data sets keep their masks, from the root of the download on (SA-V; DAVIS, MOSE, YouTube-VOS, LVOS; DAVIS)."""

FRAMES_A_PROCESS = 500
"""About as many are scored in the time that a process takes to start, so fewer are not worth one."""

OnProgress: TypeAlias = Callable[[int, int], None]
"""Called with the numbers of videos that are scored and that there are."""


@dataclass(frozen=True, kw_only=True)
class ScoredFolders:
    """The scores, and what was left out of them, a sentence each."""

    scores: VideoScores
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Pair:
    """One video's masks, and how to score them."""

    name: str
    truth: Annotations
    predicted: Annotations
    rules: ScoreRules
    strict: bool


def score_folders(
    truth: str | Path,
    predicted: str | Path,
    *,
    rules: ScoreRules = SAV_RULES,
    strict: bool = True,
    num_workers: int | None = None,
    on_progress: OnProgress | None = None,
) -> ScoredFolders:
    """Score the masks in one folder by those in another; in each a folder a video, in either layout.

    truth: also the root of a data set, with its masks in Annotations, Annotations/480p or Annotations_6fps. strict:
    both must have the same videos, and each must have something to score; else the others are left out, with a note.
    num_workers: processes; None: as many as are worth their while. With more than one, a script that calls this is
    imported again in each, so what it does must stand under `if __name__ == "__main__":`.

    FileNotFoundError or ValueError name what is missing or wrong, among others where no video is in both.
    """
    true_folders, found_folders = _find_videos(find_masks(truth)), _find_videos(Path(predicted))
    both = sorted(true_folders.keys() & found_folders.keys())
    left_out = _describe(true_folders.keys() - both, truth, predicted)
    left_out += _describe(found_folders.keys() - both, predicted, truth)
    if not both or (strict and left_out):
        raise ValueError("; ".join(left_out))
    pairs = [
        _Pair(name, open_annotations(true_folders[name]), open_annotations(found_folders[name]), rules, strict)
        for name in both
    ]
    return _score(pairs, left_out, num_workers, on_progress)


def score_dataset(
    dataset: VideoDataset,
    predicted: str | Path,
    *,
    strict: bool = True,
    num_workers: int | None = None,
) -> ScoredFolders:
    """Score a folder with a folder of masks for each video of a data set, by its rules; others in it do not count.

    Where its masks are black and white, predictions are read so too. All else as in `score_folders`.
    """
    if not dataset.has_truth:
        raise ValueError(f"{dataset.name} has no masks to score against, but those to begin with")
    folders = _find_videos(Path(predicted))
    missing = {sequence.name for sequence in dataset.sequences} - folders.keys()
    left_out = _describe(missing, dataset.name, predicted)
    if len(missing) == len(dataset.sequences) or (strict and missing):
        raise ValueError("; ".join(left_out) or f"{dataset.name} has no videos")
    pairs = [
        _Pair(
            sequence.name,
            sequence.annotations,
            open_alike(folders[sequence.name], sequence.annotations),
            dataset.rules,
            strict,
        )
        for sequence in sorted(dataset.sequences, key=lambda sequence: sequence.name)
        if sequence.name in folders
    ]
    return _score(pairs, left_out, num_workers)


def open_alike(folder: str | Path, truth: Annotations) -> Annotations:
    """A folder of predicted masks, in either layout; label maps are black and white if those of the truth are."""
    predicted = open_annotations(folder)
    if isinstance(predicted, LabelMaps) and isinstance(truth, LabelMaps) and truth.binary:
        return LabelMaps(folder, binary=True)
    return predicted


def find_masks(root: str | Path) -> Path:
    """The folder with a folder of masks for each video: the root itself, or within the root of a data set."""
    found = Path(root)
    for inner in INNER_FOLDERS:
        if (found / inner).is_dir():
            found = found / inner
    return found


def _find_videos(root: Path) -> dict[str, Path]:
    """Folder by name."""
    if not root.is_dir():
        raise FileNotFoundError(f"there is no folder {root} of masks")
    folders = {path.name: path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")}
    if not folders:
        raise ValueError(f"{root} has no folders in it: one with masks for each video was expected")
    return folders


def _describe(names: Iterable[str], there: object, missing: object) -> list[str]:
    names = sorted(names)
    return [f"of {there}, these have no folder in {missing}: {name_some(names)}"] if names else []


def _score(
    pairs: Sequence[_Pair], notes: list[str], num_workers: int | None, on_progress: OnProgress | None = None
) -> ScoredFolders:
    if num_workers is None:
        num_workers = min(os.cpu_count() or 1, sum(len(pair.truth.frames) for pair in pairs) // FRAMES_A_PROCESS)
        num_workers = max(1, num_workers)
    by_name: dict[str, SequenceScores] = {}
    with closing(work_through(pairs, _prepare, num_workers=num_workers)) as results:
        for pair, result in results:
            if isinstance(result, Failure):
                raise ValueError(f"{pair.name} cannot be scored: {result.reason}")
            by_name[pair.name] = result
            if on_progress is not None:
                on_progress(len(by_name), len(pairs))
    empty = [nothing_to_score(pair.truth, pair.rules) for pair in pairs if not by_name[pair.name].objects]
    sequences = tuple(by_name[pair.name] for pair in pairs if by_name[pair.name].objects)
    if not sequences:
        raise ValueError("; ".join(empty))
    return ScoredFolders(scores=VideoScores(sequences=sequences), notes=(*notes, *empty))


def _prepare(number: int) -> Work[_Pair, SequenceScores]:
    return _score_pair


def _score_pair(pair: _Pair, advance: Advance) -> SequenceScores:
    return score_sequence(pair.name, pair.truth, pair.predicted, pair.rules, strict=pair.strict)
