"""Semi-supervised video object segmentation: objects that are shown once are followed through a video.

The original's script does this one object at a time where objects appear later. Here all objects of a video are in one
session, each joining on the frame on which it is first seen; the numbers are the same, since objects do not see each
other. What no later frame can look at is dropped, so a long video takes no more memory than a short one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite

import numpy as np
import torch
from jaxtyping import Float

from masklet.datasets.annotations import Masks
from masklet.datasets.sequences import VideoSequence
from masklet.evaluation.protocols import PromptPlan, Protocol, given_masks, plan_prompts, prompt_object
from masklet.model import Sam2
from masklet.ops.masks import suppress_overlaps
from masklet.predictors.video import VideoSession
from masklet.tracking.policy import TrackingPolicy, suited_policy

PLAIN_POLICY = TrackingPolicy(stability=None, binary_prompted_memory=False, max_hole_area=0)
"""Tracking without the post-processing of the released predictors: published scores were made so."""


@dataclass(frozen=True, kw_only=True)
class VosOptions:
    """How objects are pointed at, followed and cut out. The defaults are those of the original's script."""

    protocol: Protocol = "first-mask"
    score_threshold: float = 0.0
    """Logit above which a pixel is in an object."""
    use_all_masks: bool = False
    """Give all masks there are, not the first of each object alone."""
    appearing_later: bool = False
    """Whether objects may appear after the first frame; if not, one that does is an error."""
    apply_postprocessing: bool = False
    """Fill holes, replace masks that waver, and remember prompted frames as masks, as the released predictors do, and
    whatever else suits the model; see `tracking.policy.suited_policy`."""
    non_overlapping: bool = True
    """A pixel belongs to one object at most, the one whose logit is highest there."""

    def __post_init__(self) -> None:
        if not isfinite(self.score_threshold):
            raise ValueError(f"score_threshold is {self.score_threshold}, but it must be a finite logit such as 0")
        if self.use_all_masks and self.protocol != "first-mask":
            raise ValueError(f"all masks can be given where masks are, but the protocol is {self.protocol!r}")

    def policy(self, model: Sam2) -> TrackingPolicy:
        """How tracking is done."""
        return suited_policy(model.config) if self.apply_postprocessing else PLAIN_POLICY


def follow_sequence(model: Sam2, sequence: VideoSequence, options: VosOptions) -> Iterator[Masks]:
    """The masks of all objects on each frame of a sequence, in order; empty before an object's first frame.

    ValueError or FileNotFoundError names what is wrong with the masks or the frames.
    """
    plan = plan_prompts(sequence, appearing_later=options.appearing_later, use_all_masks=options.use_all_masks)
    with VideoSession(model, sequence.video, policy=options.policy(model)) as session:
        assert session.frame_size is not None
        nothing = np.zeros(session.frame_size, dtype=bool)
        begin = min(frames[0] for frames in plan.values())
        for _ in range(begin):
            yield dict.fromkeys(plan, nothing)
        _point_at_new_objects(session, sequence, plan, begin, options.protocol)
        for frame in session.propagate(return_logits=True):
            assert frame.logits is not None
            yield dict.fromkeys(plan, nothing) | cut_masks(frame.logits, options)
            session.tracker.forget(frame.frame_index)
            _point_at_new_objects(session, sequence, plan, frame.frame_index + 1, options.protocol)


def cut_masks(logits: Mapping[int, Float[np.ndarray, "H W"]], options: VosOptions) -> Masks:
    """Masks of the logits (H, W) of a frame's objects, in order of their ids."""
    ids = sorted(logits)
    stacked = torch.from_numpy(np.stack([logits[id_] for id_ in ids]))
    if options.non_overlapping:
        stacked = suppress_overlaps(stacked)
    return dict(zip(ids, (stacked > options.score_threshold).numpy(), strict=True))


def _point_at_new_objects(
    session: VideoSession, sequence: VideoSequence, plan: PromptPlan, frame_index: int, protocol: Protocol
) -> None:
    """Prompt the objects that are first seen on a frame: not sooner, else they were looked for before it as well.

    Those of which more masks are given get them all at once, since a frame looks at masks given on later ones too.
    """
    assert session.frame_size is not None
    new = {id_: frames for id_, frames in plan.items() if frames[0] == frame_index}
    for index in sorted({index for frames in new.values() for index in frames}):
        for id_, mask in given_masks(sequence, new, index, session.frame_size).items():
            prompt_object(session, index, id_, mask, protocol)
