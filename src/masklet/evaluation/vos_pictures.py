"""Pictures for reports on videos: what was found on a frame beside what is true."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from masklet.datasets.annotations import Annotations, read_masks
from masklet.datasets.sequences import VideoDataset, VideoSequence, open_frames
from masklet.evaluation.page import Picture
from masklet.evaluation.score_folders import open_alike
from masklet.io.overlay import draw_overlay
from masklet.io.picture_grid import draw_grid

NUM_COLUMNS = 2
PANE = (640, 478)
"""Largest height and width of a frame: two of them with a gap fill the width of a report's picture."""
GAP = 4
TRUTH = "truth"


@dataclass(frozen=True, kw_only=True)
class Case:
    """An object on a frame that a reader should see."""

    sequence: str
    object_id: int
    frame: str
    caption: str


def draw_case(dataset: VideoDataset, folders: Mapping[str, Path], case: Case) -> Picture:
    """The object in each of several results, in their order, and at the end in the truth; two panes in a row.

    folders: where the results are, by the names that they are shown by; each has a folder of masks for each sequence.
    ValueError or FileNotFoundError names the sequence, frame or file that is not there.
    """
    sequence = _find_sequence(dataset, case.sequence)
    image = _read_frame(sequence, case.frame)
    sources = {name: open_alike(folder / sequence.name, sequence.annotations) for name, folder in folders.items()}
    panes = [
        _draw_object(image, annotations, name, case)
        for name, annotations in (*sources.items(), (TRUTH, sequence.annotations))
    ]
    sheet = draw_grid(panes, NUM_COLUMNS, cell_size=PANE, gap=GAP)
    return Picture(image=sheet[GAP:-GAP, GAP:-GAP], caption=case.caption)


def _find_sequence(dataset: VideoDataset, name: str) -> VideoSequence:
    for sequence in dataset.sequences:
        if sequence.name == name:
            return sequence
    raise ValueError(f"{dataset.name} has no sequence {name}, though there are scores of it")


def _read_frame(sequence: VideoSequence, frame: str) -> UInt8[np.ndarray, "H W 3"]:
    if frame not in sequence.frame_names:
        raise ValueError(f"{sequence.video} has no frame {frame}, though there are scores of it")
    with open_frames(sequence.video) as frames:
        return frames[sequence.frame_names.index(frame)]


def _draw_object(image: np.ndarray, annotations: Annotations, name: str, case: Case) -> UInt8[np.ndarray, "H W 3"]:
    height, width, _ = image.shape
    mask = read_masks(annotations, case.frame, (height, width)).get(case.object_id)
    if mask is None or not mask.any():
        return image
    return draw_overlay(image, {case.object_id: mask}, captions=[name])
