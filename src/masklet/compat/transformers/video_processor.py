"""`Sam2VideoProcessor`: videos, frames and prompts in, in the words and with the numbers of `transformers`.

What differs from `transformers`, on purpose: inputs are checked before a session is changed; `original_size` counts
with masks, too; a mask of the model's size counts from 0.5, as one of another size does; the list of object ids stays
as it is; and a video is processed frame by frame, so that it is never there in float32 as a whole unless the session's
dtype is that.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from masklet.compat.transformers.image_processor import Sam2ImageProcessor
from masklet.compat.transformers.nested import PAD_VALUE, Canvas, Nested, encode_prompts, read_sizes
from masklet.compat.transformers.processing_base import SavedSettings
from masklet.compat.transformers.processor import Sam2Processor
from masklet.compat.transformers.session import Device, Sam2VideoInferenceSession
from masklet.compat.transformers.video_video_processor import Sam2VideoVideoProcessor, frame_size
from masklet.predictors.video_prompts import to_model_mask
from masklet.types import Points


class Sam2VideoProcessor(Sam2Processor):
    """Makes sessions of videos, and brings prompts into them; frames of a stream are processed as images.

    target_size, point_pad_value: as of `Sam2Processor`.
    """

    parts: ClassVar[dict[str, type[SavedSettings]]] = {
        "image_processor": Sam2ImageProcessor,
        "video_processor": Sam2VideoVideoProcessor,
    }

    def __init__(
        self,
        image_processor: Sam2ImageProcessor,
        video_processor: Sam2VideoVideoProcessor,
        target_size: int | None = None,
        point_pad_value: int = PAD_VALUE,
    ) -> None:
        super().__init__(image_processor, target_size, point_pad_value)
        self.video_processor = video_processor

    def init_video_session(
        self,
        video: Any = None,
        inference_device: Device = "cpu",
        inference_state_device: Device | None = None,
        processing_device: Device | None = None,
        video_storage_device: Device | None = None,
        max_vision_features_cache_size: int = 1,
        dtype: torch.dtype = torch.float32,
    ) -> Sam2VideoInferenceSession:
        """A session on a video, or with None on a stream; see `Sam2VideoInferenceSession`.

        video: as `Sam2VideoVideoProcessor.preprocess` takes one. processing_device: where its frames are resized. A
        device that is None is the inference_device. ValueError, FileNotFoundError: no video.
        """
        storage = inference_device if video_storage_device is None else video_storage_device
        pixels, size = None, (None, None)
        if video is not None:
            frames = self.video_processor.read_video(video)
            work = inference_device if processing_device is None else processing_device
            for number, frame in enumerate(self.video_processor.process_frames(frames, work)):
                if pixels is None:
                    pixels = torch.empty(len(frames), *frame.shape, device=storage, dtype=dtype)
                pixels[number] = frame
            size = frame_size(frames)
        return Sam2VideoInferenceSession(
            video=pixels,
            video_height=size[0],
            video_width=size[1],
            inference_device=inference_device,
            inference_state_device=inference_device if inference_state_device is None else inference_state_device,
            video_storage_device=storage,
            dtype=dtype,
            max_vision_features_cache_size=max_vision_features_cache_size,
        )

    def add_inputs_to_inference_session(
        self,
        inference_session: Sam2VideoInferenceSession,
        frame_idx: int,
        obj_ids: Sequence[int] | int,
        input_points: Nested | None = None,
        input_labels: Nested | None = None,
        input_boxes: Nested | None = None,
        input_masks: Any = None,
        original_size: Any = None,
        clear_old_inputs: bool = True,
    ) -> Sam2VideoInferenceSession:
        """Say where objects are on a frame, in pixels of the original video; returns the session.

        obj_ids: one, or several. input_points, input_labels: [[points of each object]], [[their labels]].
        input_boxes: [[a box of each object]]; it counts with the points. input_masks: instead of both a mask (H, W) of
        each object, in a list. original_size: (height, width), needed before the first frame of a stream.
        clear_old_inputs: if False, points are joined to those that the object has on the frame.

        ValueError: points without labels or labels without points, nothing, masks together with others, a box that is
        to join old inputs, prompts for another number of objects, no size, a mask with other axes; and what
        `encode_prompts` refuses. KeyError, which is a ValueError: a frame that is not there.
        """
        given = np.asarray(obj_ids)
        if given.dtype == object:  # None, a set, and others that are no sequences
            raise ValueError(f"obj_ids are {obj_ids}, but must be an id or a list of ids")
        ids = given.reshape(-1).tolist()
        if len(set(ids)) != len(ids):
            raise ValueError(f"obj_ids are {ids}, but each object comes once")
        if (input_points is None) != (input_labels is None):
            raise ValueError("points and labels must be given together: one of input_points and input_labels is None")
        _check_kinds(input_points is not None, input_boxes is not None, input_masks is not None)
        if input_boxes is not None and not clear_old_inputs:
            raise ValueError("a box comes before all points, so it joins no old ones: it needs clear_old_inputs=True")
        inference_session.check_frame(frame_idx)
        size = _size(inference_session, original_size)
        if input_masks is not None:
            masks = self._read_masks(input_masks, ids)
            for obj_id, mask in zip(ids, masks, strict=True):
                obj_idx = inference_session.obj_id_to_idx(obj_id)
                inference_session.add_mask_inputs(obj_idx, frame_idx, mask)
                inference_session.remove_point_inputs(obj_idx, frame_idx)
        else:
            if size is None:
                raise ValueError("original_size is needed with points or boxes before the first frame of a stream")
            canvas = Canvas(sizes=[size], target_size=self.target_size, pad_value=self.point_pad_value)
            encoded = encode_prompts(input_points, input_labels, input_boxes, canvas)
            points = _join(encoded, len(ids))
            for row, obj_id in enumerate(ids):
                _add_points(inference_session, frame_idx, obj_id, points[row : row + 1], clear_old_inputs)
        if original_size is not None:
            inference_session.video_height, inference_session.video_width = size or (None, None)
        return inference_session

    def _read_masks(self, masks: Any, ids: list[int]) -> list[Tensor]:
        """A mask (1, 1, S, S) of each object, at the model's size."""
        given = masks if isinstance(masks, list | tuple) else [masks]
        if len(given) != len(ids):
            raise ValueError(f"there are {len(ids)} object ids and {len(given)} masks: give a list of one mask each")
        read = []
        for mask in given:
            values = mask.detach() if isinstance(mask, Tensor) else torch.from_numpy(np.array(mask)).bool()
            if not 2 <= values.ndim <= 4 or values.numel() == 0 or any(length != 1 for length in values.shape[:-2]):
                raise ValueError(
                    f"a mask of one object is (height, width), with up to two axes of length 1 before, not "
                    f"{tuple(values.shape)}"
                )
            read.append(to_model_mask(values.reshape(values.shape[-2:]), self.target_size).float())
        return read


def _check_kinds(points: bool, boxes: bool, masks: bool) -> None:
    """What is given must be something, and no mask together with others."""
    if not (points or boxes or masks):
        raise ValueError("nothing is given: say where the object is by input_points, input_boxes or input_masks")
    if masks and (points or boxes):
        raise ValueError("a mask says all: give input_masks, or input_points and input_boxes, not both")


def _size(session: Sam2VideoInferenceSession, original_size: Any) -> tuple[int, int] | None:
    """(height, width) in whose pixels prompts are."""
    if original_size is not None:
        return read_sizes([original_size], "original_size")[0]
    if session.video_height is None or session.video_width is None:
        return None
    return int(session.video_height), int(session.video_width)


def _join(encoded: dict[str, Tensor], num_objects: int) -> Points:
    """The points of each object (O, N, 2), those of its box first."""
    for name, values in encoded.items():
        if values.shape[:2] != (1, num_objects):
            raise ValueError(
                f"{name} is for {values.shape[0]} images of {values.shape[1]} objects, but there are one frame and "
                f"{num_objects} object ids"
            )
    parts = []
    if "input_boxes" in encoded:
        parts.append(Points.of_boxes(encoded["input_boxes"][0].reshape(-1, 2, 2)))
    if "input_points" in encoded:
        parts.append(Points(encoded["input_points"][0], encoded["input_labels"][0]))
    return reduce(Points.join, parts)


def _add_points(session: Sam2VideoInferenceSession, frame_idx: int, obj_id: int, points: Points, clear: bool) -> None:
    obj_idx = session.obj_id_to_idx(obj_id)
    old = session.point_inputs_per_obj[obj_idx].get(frame_idx)
    if old is not None and not clear:
        points = Points(old["point_coords"][0].cpu(), old["point_labels"][0].cpu()).join(points)
    inputs = {"point_coords": points.coords[None], "point_labels": points.labels[None]}
    session.add_point_inputs(obj_idx, frame_idx, inputs)
    session.remove_mask_inputs(obj_idx, frame_idx)
