"""The session of a video or a stream: its frames, the objects in it, what was said of them and what is known.

What differs from `transformers`, on purpose:

- What is new is known from the inputs themselves, for each object and frame. `obj_with_new_inputs` only tells it, and
  the list of object ids that a caller gives stays as it is.
- A session without a video is a stream. When the model is given the next frame, what no later one needs is let go of:
  older frames, their features, outputs and inputs. A frame that is no longer there cannot be prompted.
- Of the features of frames those that were used last are cached, in either direction.
- The default dtype, which is a string, serves for videos, too.
- Outputs are kept in the form in which masklet's tracker remembers them; `get_output` and `store_output` translate.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from masklet.tracking.memory_bank import MemoryBank
from masklet.tracking.policy import MemoryPolicy
from masklet.tracking.tracked_object import FrameResult, InPlace, KeepOn, TrackedObject
from masklet.types import ImageFeatures

Device = torch.device | str

OUTPUT_KEYS = ("pred_masks", "object_pointer", "object_score_logits", "maskmem_features")
"""What `get_output` knows of an object on a frame."""


class NotInSession(KeyError, ValueError):
    """An object or a frame is not in the session. `transformers` raises a KeyError, which this is, too."""

    def __str__(self) -> str:
        return str(self.args[0])


class FeatureCache:
    """Features of the `size` frames that were used last, on `device`."""

    def __init__(self, size: int, device: Device) -> None:
        if size < 1:
            raise ValueError(f"max_vision_features_cache_size is {size}, but at least one frame's features are needed")
        self.size = size
        self.device = device
        self._kept: OrderedDict[int, ImageFeatures] = OrderedDict()

    def cache_vision_features(self, frame_idx: int, features: ImageFeatures) -> None:
        """Keep a frame's features."""
        self._kept[frame_idx] = features.to(self.device)
        self._kept.move_to_end(frame_idx)
        while len(self._kept) > self.size:
            self._kept.popitem(last=False)

    def get_vision_features(self, frame_idx: int) -> ImageFeatures | None:
        """A frame's features, if they are there."""
        if frame_idx in self._kept:
            self._kept.move_to_end(frame_idx)
        return self._kept.get(frame_idx)

    def drop(self, frame_idx: int) -> None:
        """Let go of a frame's features."""
        self._kept.pop(frame_idx, None)

    def clear_all(self) -> None:
        """Keep nothing."""
        self._kept.clear()


class Sam2VideoInferenceSession:
    """What is known of one video, or of one stream, made by `Sam2VideoProcessor.init_video_session`.

    video: processed frames (T, 3, S, S); None for a stream. video_height, video_width: in pixels, of the original.
    video_storage_device is where frames are kept, inference_state_device memory features, masks and cached features.
    Objects have ids of the caller's choice and indices, 0 for the one that came first.
    """

    def __init__(
        self,
        video: Tensor | None = None,
        video_height: int | None = None,
        video_width: int | None = None,
        inference_device: Device = "cpu",
        inference_state_device: Device = "cpu",
        video_storage_device: Device = "cpu",
        dtype: torch.dtype | str = "float32",
        max_vision_features_cache_size: int = 1,
    ) -> None:
        self.dtype: torch.dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype
        self.video_height = video_height
        self.video_width = video_width
        self.inference_device = inference_device
        self.inference_state_device = inference_state_device
        self.video_storage_device = video_storage_device
        self.max_vision_features_cache_size = max_vision_features_cache_size
        self.is_stream = video is None
        self.processed_frames: dict[int, Tensor] | None = None
        if video is not None:
            self.processed_frames = dict(enumerate(video.to(video_storage_device, dtype=self.dtype)))
        self.num_frames: int | None = None if video is None else len(video)
        """How many frames there are; of a stream, how many came. None before the first."""
        self.cache = FeatureCache(max_vision_features_cache_size, inference_state_device)
        self.reset_tracking_data()

    def reset_tracking_data(self) -> None:
        """Forget all objects. Frames and their features stay."""
        self._obj_id_to_idx: dict[int, int] = {}
        self.point_inputs_per_obj: dict[int, dict[int, dict[str, Any]]] = {}
        self.mask_inputs_per_obj: dict[int, dict[int, Tensor]] = {}
        self.unanswered: set[tuple[int, int]] = set()
        """Frames and indices of objects with inputs that the model has not seen."""
        self.objects: dict[int, TrackedObject] = {}
        """What the tracker knows, by object id."""

    def reset_inference_session(self) -> None:
        """Forget all objects, and cached features. Frames stay."""
        self.reset_tracking_data()
        self.cache.clear_all()

    @property
    def obj_ids(self) -> list[int]:
        """The ids of all objects, in the order in which they came."""
        return list(self._obj_id_to_idx)

    @property
    def obj_with_new_inputs(self) -> list[int]:
        """The ids of objects with inputs that the model has not seen.

        Setting it lets the model look at all inputs of these objects again.
        """
        new = {obj_idx for _, obj_idx in self.unanswered}
        return [obj_id for obj_id, obj_idx in self._obj_id_to_idx.items() if obj_idx in new]

    @obj_with_new_inputs.setter
    def obj_with_new_inputs(self, obj_ids: Iterable[int]) -> None:
        for obj_idx in [self._require_id(obj_id) for obj_id in obj_ids]:
            frames = {*self.point_inputs_per_obj[obj_idx], *self.mask_inputs_per_obj[obj_idx]}
            self.unanswered |= {(frame_idx, obj_idx) for frame_idx in frames}

    def obj_id_to_idx(self, obj_id: int) -> int:
        """The index of an object, which is new if its id is."""
        if obj_id not in self._obj_id_to_idx:
            obj_idx = self._obj_id_to_idx[obj_id] = len(self._obj_id_to_idx)
            self.point_inputs_per_obj[obj_idx], self.mask_inputs_per_obj[obj_idx] = {}, {}
        return self._obj_id_to_idx[obj_id]

    def obj_idx_to_id(self, obj_idx: int) -> int:
        """The id of an object. KeyError, which is a ValueError, for an index that no object has."""
        if not 0 <= obj_idx < self.get_obj_num():
            raise NotInSession(
                f"there is no object of index {obj_idx}: the session has {self.get_obj_num()} objects, of ids "
                f"{self.obj_ids}"
            )
        return self.obj_ids[obj_idx]

    def get_obj_num(self) -> int:
        """How many objects there are."""
        return len(self._obj_id_to_idx)

    def add_point_inputs(self, obj_idx: int, frame_idx: int, inputs: dict[str, Any]) -> None:
        """Say where an object is on a frame: `point_coords` (1, 1, N, 2) in model pixels, `point_labels` (1, 1, N)."""
        self.obj_idx_to_id(obj_idx)
        self.check_frame(frame_idx)
        moved = {name: value.to(self.inference_device) for name, value in inputs.items()}
        self.point_inputs_per_obj[obj_idx][frame_idx] = moved
        self.unanswered.add((frame_idx, obj_idx))

    def add_mask_inputs(self, obj_idx: int, frame_idx: int, inputs: Tensor) -> None:
        """Say which pixels of a frame an object has: (1, 1, S, S), 1 inside and 0 outside, at the model's size."""
        self.obj_idx_to_id(obj_idx)
        self.check_frame(frame_idx)
        self.mask_inputs_per_obj[obj_idx][frame_idx] = inputs.to(self.inference_device, dtype=self.dtype)
        self.unanswered.add((frame_idx, obj_idx))

    def remove_point_inputs(self, obj_idx: int, frame_idx: int) -> None:
        """Take points back, if there are some. What the model made of them stays."""
        self._remove_input(self.point_inputs_per_obj, obj_idx, frame_idx)

    def remove_mask_inputs(self, obj_idx: int, frame_idx: int) -> None:
        """Take a mask back, if there is one. What the model made of it stays."""
        self._remove_input(self.mask_inputs_per_obj, obj_idx, frame_idx)

    def has_inputs(self, obj_idx: int, frame_idx: int) -> bool:
        """Whether an object has points, a box or a mask on a frame."""
        return frame_idx in self.point_inputs_per_obj[obj_idx] or frame_idx in self.mask_inputs_per_obj[obj_idx]

    def store_output(
        self,
        obj_idx: int,
        frame_idx: int,
        output_key: str | None = None,
        output_value: Any = None,
        is_conditioning_frame: bool = True,
    ) -> None:
        """Set what is known of an object on a frame: one of `OUTPUT_KEYS`, or a dictionary of several."""
        known = self.objects.setdefault(self.obj_idx_to_id(obj_idx), TrackedObject(MemoryBank(MemoryPolicy())))
        (known.bank.conditioning.add if is_conditioning_frame else known.bank.conditioning.discard)(frame_idx)
        keep = KeepOn(torch.device(self.inference_state_device))
        for key, value in (output_value if output_key is None else {output_key: output_value}).items():
            if key == "maskmem_features":
                known.bank.features[frame_idx] = keep(value.flatten(0, -2))
            elif key == "object_pointer":
                known.bank.pointers[frame_idx] = value.flatten()
            elif key in OUTPUT_KEYS:
                nothing = FrameResult(InPlace(torch.zeros(1, 1, 1)), float("nan"), 0.0)
                result = known.results.get(frame_idx, nothing)
                if key == "pred_masks":
                    result = replace(result, logits=keep(value.float().flatten(0, -3)))
                else:
                    result = replace(result, object_score=float(value))
                known.results[frame_idx] = result

    def get_output(
        self, obj_idx: int, frame_idx: int, output_key: str, is_conditioning_frame: bool = True
    ) -> Tensor | None:
        """What is known of an object on a frame, of `OUTPUT_KEYS`: low-res logits (1, 1, h, w), an object pointer (1,
        1, C), the object score (1, 1, 1), or memory features (h * w, 1, C).

        None for a frame of which nothing is known, or that is not, or is, a conditioning one. KeyError, which is a
        ValueError, for another key.
        """
        if output_key not in OUTPUT_KEYS:
            raise NotInSession(f"there is no output {output_key!r}: it can be one of {', '.join(OUTPUT_KEYS)}")
        known = self.objects.get(self.obj_idx_to_id(obj_idx))
        if known is None or (frame_idx in known.bank.conditioning) != is_conditioning_frame:
            return None
        result, value = known.results.get(frame_idx), None
        if output_key == "object_pointer":
            value = known.bank.pointers.get(frame_idx)
            value = value if value is None else value[None, None]
        elif output_key == "maskmem_features":
            features = known.bank.features.get(frame_idx)
            value = features if features is None else features.load()[:, None]
        elif result is not None and output_key == "pred_masks":
            value = result.logits.load()[None].to(self.dtype)
        elif result is not None:
            value = torch.tensor([[[result.object_score]]], dtype=self.dtype)
        return None if value is None else value.to(self.inference_device)

    def add_new_frame(self, pixel_values: Tensor, frame_idx: int | None = None) -> int:
        """Add a processed frame (3, S, S) or (1, 3, S, S) after all others, or as frame `frame_idx`; its index."""
        if frame_idx is None:
            frame_idx = self.num_frames or 0
        if self.processed_frames is None:
            self.processed_frames = {}
        pixels = pixel_values.to(self.video_storage_device, dtype=self.dtype)
        self.processed_frames[frame_idx] = pixels.squeeze(0) if pixels.ndim == 4 else pixels
        self.cache.drop(frame_idx)
        self.num_frames = max(self.num_frames or 0, frame_idx + 1)
        return frame_idx

    def get_frame(self, frame_idx: int) -> Tensor:
        """A processed frame (3, S, S). KeyError, which is a ValueError, for one that is not there."""
        return self.stored_frame(frame_idx).to(self.inference_device)

    def stored_frame(self, frame_idx: int) -> Tensor:
        """`get_frame`, but where frames are kept."""
        frames = self.processed_frames or {}
        if frame_idx not in frames:
            raise NotInSession(f"there is no frame {frame_idx}: {self._frames_in_words()}")
        return frames[frame_idx]

    def forget_before(self, frame_idx: int) -> None:
        """Let go of frames before this one, with their inputs."""
        tables = [self.processed_frames or {}, *self.point_inputs_per_obj.values(), *self.mask_inputs_per_obj.values()]
        for by_frame in tables:
            for old in [frame for frame in by_frame if frame < frame_idx]:
                del by_frame[old]
                self.cache.drop(old)
        self.unanswered = {(frame, obj_idx) for frame, obj_idx in self.unanswered if frame >= frame_idx}

    def _require_id(self, obj_id: int) -> int:
        if obj_id not in self._obj_id_to_idx:
            raise NotInSession(f"there is no object {obj_id}: the ids of the session's objects are {self.obj_ids}")
        return self._obj_id_to_idx[obj_id]

    def check_frame(self, frame_idx: int) -> None:
        """KeyError, which is a ValueError, for a frame that cannot be prompted: it is neither there nor to come."""
        is_to_come = self.is_stream and frame_idx >= (self.num_frames or 0)
        if not is_to_come and frame_idx not in (self.processed_frames or {}):
            raise NotInSession(f"frame {frame_idx} cannot be prompted: {self._frames_in_words()}")

    def _remove_input(self, inputs: dict[int, dict[int, Any]], obj_idx: int, frame_idx: int) -> None:
        self.obj_idx_to_id(obj_idx)
        if inputs[obj_idx].pop(frame_idx, None) is not None and not self.has_inputs(obj_idx, frame_idx):
            self.unanswered.discard((frame_idx, obj_idx))

    def _frames_in_words(self) -> str:
        frames = list(self.processed_frames or {})
        if not frames:
            return "the session has no frames yet"
        if len(frames) == self.num_frames:
            return f"the session has frames 0 to {frames[-1]}"
        return f"of the {self.num_frames} frames of this stream, {frames} are kept"
