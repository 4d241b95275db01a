"""`SAM2VideoPredictor`: the original's methods, signatures and outputs over masklet's tracker.

An inference state is a dictionary, as in the original, but objects and what is remembered of them are in its entry
`tracker` (see `masklet.tracking.tracker`), not in dictionaries of dictionaries.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.utils import tqdm
from torch import Tensor

from masklet.checkpoint import registry
from masklet.compat.sam2.build import SAM2Base, find_published, load_built
from masklet.compat.sam2.overrides import resolve
from masklet.compat.sam2.video_frames import open_frames, preprocess_frame
from masklet.compat.sam2.video_prompts import read_points
from masklet.model import Sam2
from masklet.ops.masks import resize_logits, suppress_overlaps
from masklet.ops.multimask import RELEASED_STABILITY, StabilityPolicy
from masklet.predictors.frame_features import FrameFeatures
from masklet.predictors.video_prompts import to_model_mask
from masklet.tracking.policy import TrackingPolicy
from masklet.tracking.step import ABSENT_LOGIT
from masklet.tracking.tracked_object import FramePrompt, KeepOn, TrackedObject
from masklet.tracking.tracker import Tracker

InferenceState = dict[str, Any]
FrameOutput = tuple[int, list[Any], Tensor]
"""Frame index, object ids, mask logits (O, 1, H, W) at the video's size in float32."""


class SAM2VideoPredictor(SAM2Base):
    """Follows objects through a video; see `build_sam2_video_predictor`. The switches are the original's and can be
    changed at any time.

    binarize_mask_from_pts_for_mem_enc, memory_temporal_stride_for_eval and max_cond_frames_in_attn (-1: all) are fields
    of the original's base model.
    """

    def __init__(
        self,
        model: Sam2,
        stability: StabilityPolicy | None = RELEASED_STABILITY,
        *,
        fill_hole_area: float = 0,
        non_overlap_masks: bool = False,
        clear_non_cond_mem_around_input: bool = False,
        add_all_frames_to_correct_as_cond: bool = False,
        binarize_mask_from_pts_for_mem_enc: bool = False,
        memory_temporal_stride_for_eval: int = 1,
        max_cond_frames_in_attn: int = -1,
    ) -> None:
        super().__init__(model, stability)
        self.fill_hole_area = fill_hole_area
        self.non_overlap_masks = non_overlap_masks
        self.clear_non_cond_mem_around_input = clear_non_cond_mem_around_input
        self.add_all_frames_to_correct_as_cond = add_all_frames_to_correct_as_cond
        self.binarize_mask_from_pts_for_mem_enc = binarize_mask_from_pts_for_mem_enc
        self.memory_temporal_stride_for_eval = memory_temporal_stride_for_eval
        self.max_cond_frames_in_attn = max_cond_frames_in_attn

    @classmethod
    def from_pretrained(cls, model_id: str, **kwargs: Any) -> "SAM2VideoPredictor":
        """A predictor with a published model's weights, by its repository id."""
        return build_sam2_video_predictor_hf(model_id, **kwargs)

    def init_state(
        self,
        video_path: Any,
        offload_video_to_cpu: bool = False,
        offload_state_to_cpu: bool = False,
        async_loading_frames: bool = False,
    ) -> InferenceState:
        """The state of a session on one video: an MP4 or any other file that PyAV reads, its bytes, a folder of
        pictures, or whatever `masklet.io.video.open_video` takes.

        Frames are read when they are needed and never kept on the device, whatever offload_video_to_cpu says.
        async_loading_frames: decode some frames ahead in a thread.
        """
        frames = open_frames(video_path, read_ahead=4 if async_loading_frames else 0)
        height, width = frames.frame_size
        storage = torch.device("cpu") if offload_state_to_cpu else self.device
        side = self.image_size
        return {
            "images": frames,
            "num_frames": len(frames),
            "offload_video_to_cpu": offload_video_to_cpu,
            "offload_state_to_cpu": offload_state_to_cpu,
            "video_height": height,
            "video_width": width,
            "device": self.device,
            "storage_device": storage,
            "cached_features": FrameFeatures(self.model, lambda index: preprocess_frame(frames[index], side), 1),
            "obj_ids": [],
            "tracker": Tracker(self.model, self._policy(), len(frames), KeepOn(storage)),
        }

    def add_new_points_or_box(
        self,
        inference_state: InferenceState,
        frame_idx: int,
        obj_id: Hashable,
        points: Any = None,
        labels: Any = None,
        clear_old_points: bool = True,
        normalize_coords: bool = True,
        box: Any = None,
    ) -> FrameOutput:
        """Click on an object, or put a box around it, on a frame; the masks of all objects on that frame.

        points: (N, 2), labels: (N,), box: (4,), in pixels of the video, or in [0, 1] where normalize_coords is False.
        """
        size = (inference_state["video_height"], inference_state["video_width"]) if normalize_coords else (1, 1)
        if box is not None and not clear_old_points:
            raise ValueError("a box comes before all points, so it needs clear_old_points=True")
        given = read_points(points, labels, box, size, self.image_size)
        tracker = self._tracker(inference_state)
        self._check_frame(inference_state, frame_idx)
        known = tracker.objects.get(obj_id)
        earlier = known.prompts.get(frame_idx) if known else None
        if not clear_old_points and earlier is not None and earlier.clicks is not None:
            given = earlier.clicks.join(given)
        return self._prompt(inference_state, frame_idx, obj_id, FramePrompt(clicks=given))

    def add_new_points(self, *args: Any, **kwargs: Any) -> FrameOutput:
        """Deprecated name of `add_new_points_or_box`, as in the original."""
        return self.add_new_points_or_box(*args, **kwargs)

    def add_new_mask(self, inference_state: InferenceState, frame_idx: int, obj_id: Hashable, mask: Any) -> FrameOutput:
        """Say which pixels (H, W) an object has on a frame; the masks of all objects on that frame."""
        values = mask if isinstance(mask, Tensor) else torch.as_tensor(mask, dtype=torch.bool)
        assert values.ndim == 2, f"a mask is (H, W), not {tuple(values.shape)}"
        self._check_frame(inference_state, frame_idx)
        self._tracker(inference_state)
        prompt = FramePrompt(mask=to_model_mask(values.cpu(), self.image_size))
        return self._prompt(inference_state, frame_idx, obj_id, prompt)

    def propagate_in_video_preflight(self, inference_state: InferenceState) -> None:
        """Remember the answers to all prompts. RuntimeError where there is no object, or one without a prompt."""
        tracker, features = self._tracker(inference_state), inference_state["cached_features"]
        if not tracker.objects:
            raise RuntimeError("no object has points, a box or a mask yet: add some before propagating")
        for obj_id, known in tracker.objects.items():
            # Ordinary corrections first: where a frame has become conditioning since, that has the last word.
            for frame_idx in sorted(known.pending, key=lambda frame: known.pending[frame].conditioning):
                tracker.commit(features[frame_idx], frame_idx, obj_id)
                if self.clear_non_cond_mem_around_input:
                    _clear_around(known, frame_idx)
            if not known.bank.conditioning:
                raise RuntimeError(f"object {obj_id} has no points, box or mask on any frame: add some first")

    def propagate_in_video(
        self,
        inference_state: InferenceState,
        start_frame_idx: int | None = None,
        max_frame_num_to_track: int | None = None,
        reverse: bool = False,
    ) -> Iterator[FrameOutput]:
        """Follow all objects through the video; yields each frame's masks.

        As in the original, max_frame_num_to_track counts the frames after the first, and going in reverse from frame 0
        yields nothing. Objects that are added meanwhile are followed the next time.
        """
        self.propagate_in_video_preflight(inference_state)
        tracker, num_frames = inference_state["tracker"], inference_state["num_frames"]
        obj_ids = inference_state["obj_ids"]
        if start_frame_idx is None:
            start_frame_idx = min(min(known.bank.conditioning) for known in tracker.objects.values())
        if start_frame_idx < 0:
            self._check_frame(inference_state, start_frame_idx)
        count = num_frames if max_frame_num_to_track is None else max_frame_num_to_track
        if not reverse:
            frames = range(start_frame_idx, min(start_frame_idx + count, num_frames - 1) + 1)
        elif start_frame_idx > 0:
            self._check_frame(inference_state, start_frame_idx)
            frames = range(start_frame_idx, max(start_frame_idx - count, 0) - 1, -1)
        else:
            frames = range(0)
        for frame_idx in tqdm(frames, desc="propagate in video", disable=None):
            # Between two frames the caller may remove objects, which the list may or may not tell.
            followed = [obj_id for obj_id in obj_ids if obj_id in tracker.objects]
            if not followed:
                return
            todo = []
            for obj_id in followed:
                known = tracker.objects[obj_id]
                if frame_idx not in known.bank.conditioning:
                    todo.append(obj_id)
                    continue
                known.reverse[frame_idx] = reverse
                if self.clear_non_cond_mem_around_input:
                    _clear_around(known, frame_idx)
            if todo:
                tracker.track(inference_state["cached_features"][frame_idx], frame_idx, todo, reverse=reverse)
            found = [tracker.objects[obj_id].results[frame_idx].logits.load() for obj_id in followed]
            yield frame_idx, obj_ids if followed == obj_ids else followed, self._full_size(inference_state, found)

    def clear_all_prompts_in_frame(
        self, inference_state: InferenceState, frame_idx: int, obj_id: Hashable, need_output: bool = True
    ) -> FrameOutput | None:
        """Take back the prompts of an object on a frame. ValueError for an object or a frame that is not there."""
        tracker = self._tracker(inference_state)
        self._check_frame(inference_state, frame_idx)
        if obj_id not in tracker.objects:
            raise ValueError(f"there is no object {obj_id!r}; the objects are {inference_state['obj_ids']}")
        _clear(tracker.objects[obj_id], frame_idx)
        return self._output(inference_state, frame_idx) if need_output else None

    def reset_state(self, inference_state: InferenceState) -> None:
        """Forget all objects and prompts."""
        inference_state["tracker"].objects.clear()
        inference_state["obj_ids"].clear()

    def remove_object(
        self, inference_state: InferenceState, obj_id: Hashable, strict: bool = False, need_output: bool = True
    ) -> tuple[list[Any], list[tuple[int, Tensor]]]:
        """Forget an object; the ids that remain, and the masks of each frame on which it had prompts.

        RuntimeError for an object that is not there if strict.
        """
        tracker, obj_ids = inference_state["tracker"], inference_state["obj_ids"]
        if obj_id not in tracker.objects:
            if strict:
                raise RuntimeError(f"there is no object {obj_id!r} to remove; the objects are {obj_ids}")
            return obj_ids, []
        if len(tracker.objects) == 1:
            self.reset_state(inference_state)
            return obj_ids, []
        frames = sorted(tracker.objects.pop(obj_id).prompts)
        # A new list, as in the original: those that were given out before still go with the masks they came with.
        obj_ids = inference_state["obj_ids"] = list(tracker.objects)
        if not need_output:
            return obj_ids, []
        return obj_ids, [(frame_idx, self._output(inference_state, frame_idx)[2]) for frame_idx in frames]

    def _policy(self) -> TrackingPolicy:
        """Without clearing around prompts: the original's goes further than the tracker's, see `_clear_around`."""
        return TrackingPolicy(
            # As in the original, a model in training mode has neither the fallback for single masks that waver, nor
            # memories made of masks.
            stability=None if self.training else self.stability,
            binary_prompted_memory=self.binarize_mask_from_pts_for_mem_enc and not self.training,
            max_hole_area=float(self.fill_hole_area),
            memory_stride=self.memory_temporal_stride_for_eval,
            max_conditioning_frames=None if self.max_cond_frames_in_attn < 0 else self.max_cond_frames_in_attn,
            corrections_condition=self.add_all_frames_to_correct_as_cond,
        )

    def _tracker(self, inference_state: InferenceState) -> Tracker[Hashable]:
        """The state's tracker, with the switches as they are now."""
        tracker = inference_state["tracker"]
        tracker.policy = self._policy()
        for known in tracker.objects.values():
            known.bank.policy = tracker.memory_policy
        return tracker

    def _prompt(
        self, inference_state: InferenceState, frame_idx: int, obj_id: Hashable, prompt: FramePrompt
    ) -> FrameOutput:
        features = inference_state["cached_features"][frame_idx]
        known = inference_state["tracker"].objects.get(obj_id)
        if known and not known.bank.conditioning and not any(p.conditioning for p in known.pending.values()):
            # All its prompts were taken back, so there is nothing to correct: this one begins anew. (In the
            # original an assertion fails.)
            known.reverse.pop(frame_idx, None)
        inference_state["tracker"].prompt(features, frame_idx, obj_id, prompt, own=True, defer=True)
        if obj_id not in inference_state["obj_ids"]:
            inference_state["obj_ids"] = list(inference_state["tracker"].objects)
        return self._output(inference_state, frame_idx)

    def _output(self, inference_state: InferenceState, frame_idx: int) -> FrameOutput:
        """Logits of all objects on a frame, by their latest answers; those of which nothing is known are absent.

        The original shows an object that was not asked about without an answer that waits to be remembered, where that
        is a correction and the question is not, or the other way round.
        """
        side = self.model.config.mask_side
        nothing = torch.full((1, side, side), ABSENT_LOGIT)
        logits = [known.low_res_logits(frame_idx) for known in inference_state["tracker"].objects.values()]
        low_res = [nothing if x is None else x for x in logits]
        return frame_idx, inference_state["obj_ids"], self._full_size(inference_state, low_res)

    def _full_size(self, inference_state: InferenceState, low_res: Sequence[Tensor]) -> Tensor:
        """Low-res logits (1, h, w) of O objects as (O, 1, H, W) at the video's size."""
        size = (inference_state["video_height"], inference_state["video_width"])
        logits = resize_logits(torch.stack([x.to(self.device) for x in low_res]), size)
        return self._apply_non_overlapping_constraints(logits) if self.non_overlap_masks else logits

    def _apply_non_overlapping_constraints(self, pred_masks: Tensor) -> Tensor:
        return suppress_overlaps(pred_masks[:, 0])[:, None]

    def _check_frame(self, inference_state: InferenceState, frame_idx: int) -> None:
        if not 0 <= frame_idx < inference_state["num_frames"]:
            last = inference_state["num_frames"] - 1
            raise ValueError(f"there is no frame {frame_idx}: the video has frames 0 to {last}")


def build_sam2_video_predictor(
    config_file: str,
    ckpt_path: str | Path | None = None,
    device: str | torch.device = "cuda",
    mode: str = "eval",
    hydra_overrides_extra: Sequence[str] = (),
    apply_postprocessing: bool = True,
    vos_optimized: bool = False,
    **kwargs: Any,
) -> SAM2VideoPredictor:
    """The original's `build_sam2_video_predictor`: a predictor of a named configuration.

    apply_postprocessing: single masks that waver are replaced by the best multimask, memories of prompted frames are
    made of masks, and holes of at most 8 low-res pixels are filled; overrides of the latter two count all the same.
    vos_optimized: compile all parts of the model, which takes minutes at first use. Other keywords are swallowed, as in
    the original.
    """
    build = resolve(config_file, hydra_overrides_extra, apply_postprocessing)
    build = replace(build, compile=build.compile or vos_optimized)
    model = load_built(build, ckpt_path, device)
    return SAM2VideoPredictor(model, build.stability, **build.video).train(mode != "eval")


def build_sam2_video_predictor_hf(model_id: str, **kwargs: Any) -> SAM2VideoPredictor:
    """The original's `build_sam2_video_predictor_hf`: by a published model's repository id, downloaded once."""
    published = find_published(model_id)
    return build_sam2_video_predictor(published.name, registry.download(published), **kwargs)


def _clear_around(known: TrackedObject, frame_idx: int) -> None:
    """Forget what was found near a prompt, the masks too: no later prompt is to refine them."""
    known.bank.clear_around(frame_idx)
    for cleared in known.results.keys() - known.bank.pointers.keys():
        del known.results[cleared]


def _clear(known: TrackedObject, frame_idx: int) -> None:
    """Take back an object's prompts on a frame; what was found there becomes an ordinary memory."""
    known.prompts.pop(frame_idx, None)
    known.pending.pop(frame_idx, None)
    if frame_idx in known.bank.conditioning:
        known.bank.conditioning.discard(frame_idx)
        known.reverse.pop(frame_idx, None)
