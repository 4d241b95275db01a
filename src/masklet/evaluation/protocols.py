"""How objects are pointed at in semi-supervised evaluation: on which frames, and by a mask, clicks or a box.

Source: the original's script for video object segmentation, which gives masks, and the protocols of SAM 2's paper,
which also gives clicks or a box, on the first frame on which an object is seen.
"""

from typing import Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool

from masklet.datasets.annotations import Masks, read_masks
from masklet.datasets.sequences import VideoSequence
from masklet.evaluation.clicks import correction_click
from masklet.ops.boxes import masks_to_boxes
from masklet.predictors.video import VideoSession

Protocol: TypeAlias = Literal["first-mask", "first-click", "3-clicks", "5-clicks", "first-box"]
"""What is given of an object on its first frame: the first annotated one on which its mask is not empty."""

NUM_CLICKS = {"first-click": 1, "3-clicks": 3, "5-clicks": 5}

PromptPlan: TypeAlias = dict[int, tuple[int, ...]]
"""Object id -> the frames, in order, on which something is said of the object. It is followed from the first on."""


def plan_prompts(sequence: VideoSequence, *, appearing_later: bool = False, use_all_masks: bool = False) -> PromptPlan:
    """Which objects are pointed at on which frames of a sequence, by id. All masks are read once.

    appearing_later: objects may appear after the first frame; if not, that is an error, as is a first frame without
    masks. use_all_masks: all frames on which an object is seen; if not, the first of them. Where a mask is empty
    nothing is said. ValueError names what is wrong, and where.
    """
    seen: dict[int, list[int]] = {}
    for index, name in sorted(sequence.annotated.items()):
        for id_, mask in sequence.annotations.read(name).items():
            if mask.any():
                seen.setdefault(id_, []).append(index)
    if not seen:
        raise ValueError(f"{sequence.annotations.path(sequence.annotations.frames[0])}: no object is in any mask")
    if not appearing_later:
        _require_all_on_first_frame(sequence, seen)
    return {id_: tuple(frames if use_all_masks else frames[:1]) for id_, frames in sorted(seen.items())}


def given_masks(sequence: VideoSequence, plan: PromptPlan, frame_index: int, frame_size: tuple[int, int]) -> Masks:
    """The masks, by object id, that a plan takes from a frame. ValueError for masks of another (height, width)."""
    ids = [id_ for id_, frames in plan.items() if frame_index in frames]
    if not ids:
        return {}
    masks = read_masks(sequence.annotations, sequence.annotated[frame_index], frame_size)
    return {id_: masks[id_] for id_ in ids}


def prompt_object(
    session: VideoSession, frame_index: int, object_id: int, mask: Bool[np.ndarray, "H W"], protocol: Protocol
) -> None:
    """Point at an object whose true, non-empty mask is known.

    Several clicks: the first in the middle of the object, each other where the answer so far is most wrong; fewer where
    nothing is wrong any more. The box is the tightest, from the first to the last pixel inside, as upstream counts.
    """
    if protocol == "first-mask":
        session.add_mask(frame_index, object_id, mask)
    elif protocol == "first-box":
        left, top, right, bottom = masks_to_boxes(torch.from_numpy(mask)).tolist()
        # A box whose right or lower side is 0 would lie outside the frame.
        session.add_box(frame_index, object_id, (left, top, max(right, 1), max(bottom, 1)))
    else:
        predicted = np.zeros_like(mask)  # all is missed, so the first click falls in the middle
        for _ in range(NUM_CLICKS[protocol]):
            click = correction_click(predicted, mask)
            if click is None:
                return
            x, y, label = click
            predicted = session.add_points(frame_index, object_id, [(x, y)], [label]).masks[object_id]


def _require_all_on_first_frame(sequence: VideoSequence, seen: dict[int, list[int]]) -> None:
    first = sequence.frame_names[0]
    advice = "with --appearing-later (appearing_later=True) objects are followed from where they appear first"
    if 0 not in sequence.annotated:
        raise ValueError(f"{sequence.name}: there are no masks of its first frame, {first}; {advice}")
    late = {id_: sequence.frame_names[frames[0]] for id_, frames in sorted(seen.items()) if frames[0] > 0}
    if late:
        which = ", ".join(f"{id_} (from {frame})" for id_, frame in late.items())
        raise ValueError(f"{sequence.name}: objects are not on its first frame, {first}: {which}; {advice}")
