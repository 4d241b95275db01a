"""`Sam2VideoModel`: objects followed through a session's frames, with the arguments and numbers of `transformers`.

As there, and unlike the original: clicks do not refine the mask found so far; holes are not filled; a correction on a
frame that was tracked is an ordinary memory; a drawn mask is remembered as it is, its pointer being that of the best of
several masks; and masks are low-res logits, which `Sam2VideoProcessor.post_process_masks` brings to the video's size.

What differs from `transformers`, on purpose:

- An input counts from when it is given: those that the model has not seen yet, of any object on any frame there is, are
  answered first, whatever frame is asked for. There, adding inputs for one object makes those of another be forgotten;
  a frame before the inputs takes them for its own, or becomes a conditioning frame without a prompt; and a refinement
  on a later frame is passed over by the propagation that follows.
- A corrected frame keeps its answer when a propagation goes through it again; there it is tracked anew.
- Only memories of objects that were prompted are made of binary masks; there, those of all objects on the frame are.
- An object's first frame is read forward; there, the objects after it are then not tracked in reverse either.
- Streams stay small: see `session`. There, every frame and every output is kept.
- An object that is only prompted on frames of a stream to come is absent until then; there, it is made up.
- A model in training mode, as new models are, tracks as any other.
"""

from collections.abc import Iterator
from typing import Any

import torch
from huggingface_hub.utils import tqdm
from torch import Tensor

from masklet.compat.transformers.config import Sam2VideoConfig
from masklet.compat.transformers.model import Sam2Model
from masklet.compat.transformers.outputs import Sam2VideoSegmentationOutput
from masklet.compat.transformers.session import Sam2VideoInferenceSession
from masklet.compat.transformers.vision import checked_pixels
from masklet.model import Sam2
from masklet.ops.masks import MASK_LOGIT
from masklet.predictors.video_prompts import to_model_mask
from masklet.tracking.policy import TrackingPolicy
from masklet.tracking.step import ABSENT_LOGIT
from masklet.tracking.tracked_object import FramePrompt, KeepOn
from masklet.tracking.tracker import Tracker
from masklet.types import ImageFeatures, Points

_FIXED = {
    "multimask_output_in_sam": True,
    "multimask_output_for_tracking": True,
    "multimask_min_pt_num": 0,
    "multimask_max_pt_num": 1,
}
"""When the best of several masks is taken: the same in all released models."""


class Sam2VideoModel(Sam2Model):
    """SAM 2 for videos. It has the methods of the model for still images, but is called with a session."""

    config_class = Sam2VideoConfig
    config: Sam2VideoConfig  # type: ignore[assignment]

    def __init__(self, config: Sam2VideoConfig, engine: Sam2 | None = None) -> None:
        for name, value in _FIXED.items():
            if getattr(config, name) != value:
                raise ValueError(f"{name} is {getattr(config, name)}, but only {value} is supported")
        super().__init__(config, engine)

    @torch.no_grad()
    def forward(  # type: ignore[override]
        self,
        inference_session: Sam2VideoInferenceSession | None = None,
        frame_idx: int | None = None,
        frame: Tensor | None = None,
        reverse: bool = False,
        run_mem_encoder: bool = True,
        **kwargs: Any,
    ) -> Sam2VideoSegmentationOutput:
        """The masks of all objects on one frame; what is found is remembered in the session.

        frame_idx: of a frame that the session has. frame: the next one of a stream, processed (3, S, S); its index is
        the number of those before, or `frame_idx`. reverse: track from later frames instead of earlier ones.
        run_mem_encoder: if False, masks that are found on this frame now are not looked at from others.

        TypeError without a session. ValueError: no objects, one without inputs, no frame, one that is not there (also a
        KeyError), or one of another shape.
        """
        session = _checked(inference_session)
        if frame is None:
            if frame_idx is None:
                raise ValueError("give frame_idx, the index of a frame of the session, or frame, the next of a stream")
            session.stored_frame(frame_idx)
        else:
            is_single = isinstance(frame, Tensor) and frame.ndim == 3
            pixels = checked_pixels(frame[None] if is_single else frame, self.engine.config.image_size)
            if len(pixels) != 1:
                raise ValueError(f"frame has the shape {tuple(frame.shape)}, but frames come one by one: give frame[0]")
            frame_idx = session.add_new_frame(frame, frame_idx)
        before = {obj_id: known.bank.features.get(frame_idx) for obj_id, known in session.objects.items()}
        tracker = self._tracker(session, None if frame is not None else session.num_frames)
        self._answer_inputs(session, tracker, reverse)
        self._track(session, tracker, frame_idx, reverse)
        if not run_mem_encoder:
            for obj_id, known in session.objects.items():
                if known.bank.features.get(frame_idx) is not before.get(obj_id):
                    del known.bank.features[frame_idx]
        if frame is not None and session.is_stream:
            tracker.forget(frame_idx)
            session.forget_before(frame_idx)
        return self._output(session, frame_idx)

    def propagate_in_video_iterator(
        self,
        inference_session: Sam2VideoInferenceSession,
        start_frame_idx: int | None = None,
        max_frame_num_to_track: int | None = None,
        reverse: bool = False,
        show_progress_bar: bool = False,
    ) -> Iterator[Sam2VideoSegmentationOutput]:
        """Follow all objects through the video, frame by frame; yields what `forward` gives.

        start_frame_idx: None begins with the first frame on which an object was prompted. max_frame_num_to_track: how
        many frames after that; None: all. In reverse from frame 0 there is nothing to yield.

        ValueError: as of `forward`, and a session without frames.
        """
        session = _checked(inference_session)
        if session.num_frames is None:
            raise ValueError("the session has no frames: begin it with a video, or give the model frame by frame")
        self._answer_inputs(session, self._tracker(session, session.num_frames), reverse)
        if start_frame_idx is None:
            prompted = [frame for known in session.objects.values() for frame in known.bank.conditioning]
            if not prompted:
                raise ValueError("no object is prompted on a frame that is there yet: give inputs, or start_frame_idx")
            start_frame_idx = min(prompted)
        count = session.num_frames if max_frame_num_to_track is None else max_frame_num_to_track
        if not reverse:
            frames = range(start_frame_idx, min(start_frame_idx + count, session.num_frames - 1) + 1)
        elif start_frame_idx > 0:
            frames = range(start_frame_idx, max(start_frame_idx - count, 0) - 1, -1)
        else:
            frames = range(0)
        for frame_idx in tqdm(frames, desc="propagate in video", disable=not show_progress_bar):
            yield self(session, frame_idx=frame_idx, reverse=reverse)

    def _policy(self) -> TrackingPolicy:
        """What `transformers` does."""
        limit = self.config.max_cond_frame_num
        return TrackingPolicy(
            stability=self._stability(),
            max_hole_area=0,
            max_conditioning_frames=None if limit == -1 else limit,
            all_conditioning_pointers=True,
            corrections_condition=False,
            exact_drawn_masks=True,
        )

    def _tracker(self, session: Sam2VideoInferenceSession, num_frames: int | None) -> Tracker[int]:
        """The engine's tracker over what the session knows. num_frames: None while a stream goes on."""
        keep = KeepOn(torch.device(session.inference_state_device))
        tracker: Tracker[int] = Tracker(self.engine, self._policy(), num_frames, keep)
        tracker.objects = session.objects
        for known in session.objects.values():
            known.bank.policy = tracker.memory_policy
        return tracker

    def _answer_inputs(self, session: Sam2VideoInferenceSession, tracker: Tracker[int], reverse: bool) -> None:
        """Let the model see all inputs that it has not seen, on frames that are there."""
        for frame_idx, obj_idx in sorted(session.unanswered):
            if frame_idx not in (session.processed_frames or {}):
                continue
            obj_id = session.obj_idx_to_id(obj_idx)
            known = session.objects.get(obj_id)
            if known is not None and frame_idx in known.reverse:
                known.reverse[frame_idx] = reverse
            prompt = self._prompt(session, frame_idx, obj_idx)
            tracker.prompt(self._features(session, frame_idx), frame_idx, obj_id, prompt, refine=False)
            session.unanswered.discard((frame_idx, obj_idx))

    def _prompt(self, session: Sam2VideoInferenceSession, frame_idx: int, obj_idx: int) -> FramePrompt:
        points = session.point_inputs_per_obj[obj_idx].get(frame_idx)
        mask = session.mask_inputs_per_obj[obj_idx].get(frame_idx)
        if points is not None and mask is not None:
            raise ValueError(
                f"object {session.obj_idx_to_id(obj_idx)} has points and a mask on frame {frame_idx}: remove either"
            )
        if points is not None:
            coords, labels = points["point_coords"], points["point_labels"]
            return FramePrompt(clicks=Points(coords.reshape(1, -1, 2).float(), labels.reshape(1, -1).long()))
        assert mask is not None, "inputs that were not seen are points or a mask"
        return FramePrompt(mask=to_model_mask(mask[0, 0], self.engine.config.image_size))

    def _track(self, session: Sam2VideoInferenceSession, tracker: Tracker[int], frame_idx: int, reverse: bool) -> None:
        """Follow the objects to a frame on which they were not prompted."""
        todo = []
        for obj_id, known in session.objects.items():
            is_prompted = frame_idx in known.bank.conditioning or session.has_inputs(
                session.obj_id_to_idx(obj_id), frame_idx
            )
            if known.bank.conditioning and not (is_prompted and frame_idx in known.results):
                todo.append(obj_id)
        if todo:
            tracker.track(self._features(session, frame_idx), frame_idx, todo, reverse=reverse)

    @torch.no_grad()
    def _features(self, session: Sam2VideoInferenceSession, frame_idx: int) -> ImageFeatures:
        """What the model sees of a frame, on its own device."""
        features = session.cache.get_vision_features(frame_idx)
        if features is None:
            pixels = checked_pixels(session.get_frame(frame_idx)[None], self.engine.config.image_size)
            features = self.engine.encode_image(pixels.to(self.engine.device, self.engine.dtype))
            session.cache.cache_vision_features(frame_idx, features)
        return features.to(self.engine.device, self.engine.dtype)

    def _output(self, session: Sam2VideoInferenceSession, frame_idx: int) -> Sam2VideoSegmentationOutput:
        """What is known of all objects on a frame; those of which nothing is known are absent."""
        side = self.engine.config.mask_side
        masks, scores = [], []
        for obj_id in session.obj_ids:
            known = session.objects.get(obj_id)
            logits = None if known is None else known.low_res_logits(frame_idx)
            masks.append(torch.full((1, side, side), ABSENT_LOGIT) if logits is None else logits)
            scores.append(-MASK_LOGIT if known is None or logits is None else known.results[frame_idx].object_score)
        device, dtype = self.engine.device, self.engine.dtype
        return Sam2VideoSegmentationOutput(
            object_ids=session.obj_ids,
            pred_masks=torch.stack([logits.to(device, dtype) for logits in masks]),
            object_score_logits=torch.tensor(scores, device=device, dtype=dtype)[:, None],
            frame_idx=frame_idx,
        )


def _checked(session: Sam2VideoInferenceSession | None) -> Sam2VideoInferenceSession:
    """A session with objects, each of which has inputs or is known."""
    if not isinstance(session, Sam2VideoInferenceSession):
        raise TypeError(
            f"inference_session is {type(session).__name__}, but frames belong to a session: make one with "
            "Sam2VideoProcessor.init_video_session"
        )
    if not session.obj_ids:
        raise ValueError("there are no objects to follow: add points, boxes or masks to the session first")
    prompted = {obj_idx for _, obj_idx in session.unanswered}
    for obj_idx, obj_id in enumerate(session.obj_ids):
        if obj_id not in session.objects and obj_idx not in prompted:
            raise ValueError(f"object {obj_id} has no points, box or mask yet: add some to the session first")
    return session
