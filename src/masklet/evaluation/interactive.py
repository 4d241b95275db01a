"""Interactive segmentation of a video: an annotator who corrects, simulated, and how good masks become.

The protocol of SAM 2's paper (appendix on interactive evaluation), each object on its own. On its first frame, the
first annotated one on which it is seen, it gets a click on its middle and two more on the middle of what is still
wrong. Then, round by round, one more frame gets three clicks on the middle of what is wrong, one after another:

- offline, the frame with the lowest IoU in the whole video, after which the whole video is segmented again;
- online, the first frame after the last clicked one whose IoU is below 0.75, after which the video is segmented from
  there on: what was found before stays. An annotator who goes through the video once, and may stop n times, sees
  exactly what is known after n rounds, as frames never look at tracked frames that come after them. So the rounds of
  one run are the results for every limit on the number of frames.

All annotated frames from the object's first one on are scored, clicked ones too. None is left out at either end: no
mask is given, so even the first frame's is the model's own. Clicks act as they do in a session (`add_points` of
`VideoSession`): they refine the mask found so far, and the frame becomes a conditioning one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Bool

from masklet.datasets.annotations import ObjectFolders, read_masks
from masklet.datasets.sequences import VideoSequence
from masklet.evaluation.clicks import Click, correction_click
from masklet.evaluation.measures import contour_accuracy, region_similarity
from masklet.evaluation.scores import ObjectScores
from masklet.model import Sam2
from masklet.ops.rle import RLE, decode_rle, encode_rle
from masklet.predictors.session_options import SessionOptions
from masklet.predictors.video import VideoSession

Mode: TypeAlias = Literal["offline", "online"]

FEATURE_BYTES = 2**31
"""Features of so many bytes are kept from one pass to the next; beyond that, frames are encoded anew each time."""


@dataclass(frozen=True, kw_only=True)
class InteractiveOptions:
    """What the annotator does. The defaults are those of the paper."""

    mode: Mode = "offline"
    max_frames: int = 8
    """Frames that get clicks, at most."""
    num_clicks: int = 3
    """Clicks a frame, at most: none is made where nothing is wrong."""
    iou_threshold: float = 0.75
    """Online: a frame with a lower IoU is corrected."""

    def __post_init__(self) -> None:
        if self.mode not in ("offline", "online"):
            raise ValueError(f"mode is {self.mode!r}, but it must be 'offline' or 'online'")
        for name, value in (("max_frames", self.max_frames), ("num_clicks", self.num_clicks)):
            if value < 1:
                raise ValueError(f"{name} is {value}, but it must be at least 1")
        if not 0 <= self.iou_threshold <= 1:
            raise ValueError(f"iou_threshold is {self.iou_threshold}, but an IoU lies between 0 and 1")


@dataclass(frozen=True, kw_only=True)
class Round:
    """What one more clicked frame led to: which frame, its clicks, and J and F of every frame that counts."""

    frame: str
    clicks: tuple[Click, ...]
    scores: ObjectScores


@dataclass(frozen=True, kw_only=True)
class InteractiveScores:
    """One object's rounds, at least one. There are fewer than asked for where nothing was left to correct."""

    sequence: str
    object_id: int
    rounds: tuple[Round, ...]

    def after(self, num_frames: int) -> ObjectScores:
        """Scores with at most so many clicked frames."""
        return self.rounds[min(num_frames, len(self.rounds)) - 1].scores

    def num_clicks(self, num_frames: int) -> int:
        """Clicks on at most so many frames, together."""
        return sum(len(done.clicks) for done in self.rounds[:num_frames])


@dataclass(frozen=True)
class TrueMasks:
    """An object's masks by frame index, from the first on which it is seen, packed, as a long video has many."""

    packed: dict[int, RLE] = field(default_factory=dict)

    def __getitem__(self, frame_index: int) -> Bool[np.ndarray, "H W"]:
        return decode_rle(self.packed[frame_index])

    @property
    def frames(self) -> list[int]:
        """The frames that count, in order."""
        return sorted(self.packed)


def read_truth(sequence: VideoSequence, frame_size: tuple[int, int]) -> dict[int, TrueMasks]:
    """The masks of all objects of a sequence, by id. frame_size: (height, width) that they must have.

    An annotated frame without a mask of an object that was seen before has an empty one; of folders by object, which
    may have pictures of different frames, an object's own frames alone count. ValueError or FileNotFoundError names the
    masks that are wrong; ValueError also where no object is seen at all.
    """
    truth: dict[int, TrueMasks] = {}
    own = sequence.annotations.object_frames if isinstance(sequence.annotations, ObjectFolders) else {}
    nothing = encode_rle(np.zeros(frame_size, bool))
    for index, name in sorted(sequence.annotated.items()):
        for id_, mask in read_masks(sequence.annotations, name, frame_size).items():
            if mask.any():
                truth.setdefault(id_, TrueMasks()).packed[index] = encode_rle(mask)
        for id_, known in truth.items():
            if name in own.get(id_, (name,)):
                known.packed.setdefault(index, nothing)
    if not truth:
        raise ValueError(f"{sequence.name} has no object in any mask: there is nothing to point at")
    return dict(sorted(truth.items()))


def annotate_sequence(
    model: Sam2, sequence: VideoSequence, options: InteractiveOptions, done: frozenset[int] = frozenset()
) -> Iterator[InteractiveScores]:
    """Segment the objects of a sequence, one after another, but for those that are done. Errors as in `read_truth`."""
    config = model.config
    values = 4 * config.dim * config.embedding_side**2  # of all strides, each twice as fine and half as wide
    cache_size = max(4, FEATURE_BYTES // (values * model.dtype.itemsize))
    with VideoSession(model, sequence.video, options=SessionOptions(feature_cache_size=cache_size)) as session:
        assert session.frame_size is not None
        for id_, truth in read_truth(sequence, session.frame_size).items():
            if id_ not in done:
                rounds = tuple(annotate_object(session, id_, truth, sequence.annotated, options))
                yield InteractiveScores(sequence=sequence.name, object_id=id_, rounds=rounds)
                session.reset()


def annotate_object(
    session: VideoSession, object_id: int, truth: TrueMasks, names: Mapping[int, str], options: InteractiveOptions
) -> Iterator[Round]:
    """Segment one object that the session does not know yet, round by round. names: of the annotated frames."""
    j: dict[int, float] = {}
    f: dict[int, float] = {}
    clicked: list[int] = []
    target: int | None = truth.frames[0]
    while target is not None and len(clicked) < options.max_frames:
        clicks = _correct(session, object_id, target, truth[target], options.num_clicks)
        clicked.append(target)
        begin = target if options.mode == "online" else truth.frames[0]
        count = truth.frames[-1] - begin + 1
        for frame in session.propagate(start=begin, max_frames=count):
            if frame.frame_index in truth.packed:
                mask, true = frame.masks[object_id], truth[frame.frame_index]
                j[frame.frame_index] = region_similarity(mask, true)
                f[frame.frame_index] = contour_accuracy(mask, true)
        scores = ObjectScores(
            object_id=object_id,
            frames=tuple(names[index] for index in truth.frames),
            j=tuple(j[index] for index in truth.frames),
            f=tuple(f[index] for index in truth.frames),
        )
        yield Round(frame=names[target], clicks=clicks, scores=scores)
        target = _next_target(j, clicked, options)


def _next_target(j: Mapping[int, float], clicked: list[int], options: InteractiveOptions) -> int | None:
    """The frame to click on next; None where there is nothing to correct."""
    if options.mode == "online":
        low = [index for index in sorted(j) if index > clicked[-1] and j[index] < options.iou_threshold]
        return low[0] if low else None
    left = [index for index in sorted(j) if index not in clicked]
    worst = min(left, key=lambda index: j[index], default=None)  # of several, the first
    return worst if worst is not None and j[worst] < 1 else None


def _correct(
    session: VideoSession, object_id: int, frame_index: int, truth: np.ndarray, num_clicks: int
) -> tuple[Click, ...]:
    """Click on what is wrong on a frame, anew after each answer; the clicks."""
    predicted = session.masks(frame_index).masks.get(object_id, np.zeros_like(truth))  # at first, all is missed
    clicks: list[Click] = []
    while len(clicks) < num_clicks and (click := correction_click(predicted, truth)):
        x, y, label = click
        predicted = session.add_points(frame_index, object_id, [(x, y)], [label]).masks[object_id]
        clicks.append(click)
    return tuple(clicks)
