"""Two floors to compare a model with, which have learnt nothing: the first mask, left where it was or moved by flow.

A model that follows objects should be far above both. On slow videos the second is not so low.
"""

from collections.abc import Iterator
from typing import Literal, TypeAlias

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from masklet.datasets.annotations import Masks
from masklet.datasets.sequences import VideoSequence, open_frames
from masklet.evaluation.protocols import given_masks, plan_prompts
from masklet.evaluation.vos import VosOptions

Baseline: TypeAlias = Literal["static", "flow"]
"""static: the last mask that was given of an object, where it was. flow: carried from frame to frame."""


def follow_baseline(baseline: Baseline, sequence: VideoSequence, options: VosOptions) -> Iterator[Masks]:
    """The masks of all objects on each frame, as `follow_sequence` gives them. Of the options those on masks count.

    ValueError for a protocol without masks, and as there.
    """
    if options.protocol != "first-mask":
        raise ValueError(f"a baseline begins with masks, so the protocol cannot be {options.protocol!r}")
    plan = plan_prompts(sequence, appearing_later=options.appearing_later, use_all_masks=options.use_all_masks)
    flow = _Flow() if baseline == "flow" else None
    with open_frames(sequence.video, read_ahead=4) as frames:
        masks: Masks = dict.fromkeys(plan, np.zeros(frames.frame_size, dtype=bool))
        for index in range(len(frames)):
            if flow is not None:
                masks = flow.carry(masks, frames[index])
            masks = masks | given_masks(sequence, plan, index, frames.frame_size)
            yield masks


class _Flow:
    """Carries masks from frame to frame by dense optical flow: DIS, its medium preset, between grey pictures."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._before: UInt8[np.ndarray, "H W"] | None = None

    def carry(self, masks: Masks, frame: UInt8[np.ndarray, "H W 3"]) -> Masks:
        """The masks of the frame before where their pixels came to lie; what comes from beyond it is outside."""
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        before, self._before = self._before, grey
        if before is None or not any(mask.any() for mask in masks.values()):
            return masks
        rows, columns = np.indices(grey.shape, dtype=np.float32)
        origins = self._flow.calc(grey, before, None) + np.stack((columns, rows), axis=-1)  # type: ignore[call-overload]
        return {id_: _moved(mask, origins) for id_, mask in masks.items()}


def _moved(mask: Bool[np.ndarray, "H W"], origins: np.ndarray) -> Bool[np.ndarray, "H W"]:
    """A mask read at where each pixel, (x, y) in `origins`, was before."""
    return cv2.remap(mask.astype(np.float32), origins, None, cv2.INTER_LINEAR) > 0.5  # type: ignore[call-overload]
