"""Video: objects are pointed at on any frame, and followed through all of them.

    with VideoSession(load_model("nano"), "clip.mp4") as video:
        video.add_points(frame_index=0, object_id=1, points=[(210, 350)], labels=[1])
        for frame in video.propagate():
            frame.masks[1], frame.scores[1], frame.visible[1]

A session over a whole video (a file, a folder, an array) reads any frame at any time and keeps what it found of every
one, so any frame can be corrected. A session over a stream (a camera, an iterator, or frames given to `step` one by
one) keeps only what later frames can look at, so its memory does not grow; both give the same numbers.
"""

import operator
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from masklet.io.images import ImageLike, preprocess
from masklet.io.video import VideoLike, open_video
from masklet.model import Sam2
from masklet.ops.masks import clean_logits, resize_logits, suppress_overlaps
from masklet.predictors.frame_features import FrameFeatures
from masklet.predictors.live_frames import LiveFrames
from masklet.predictors.passes import Direction, Pass, check_max_frames, plan_passes
from masklet.predictors.session_file import SessionState, read_session, write_session
from masklet.predictors.session_options import DEFAULT_OPTIONS, SessionOptions
from masklet.predictors.video_prompts import parse_mask, parse_points
from masklet.tracking.policy import TrackingPolicy, suited_policy
from masklet.tracking.tracked_object import TrackedObject
from masklet.tracking.tracker import Tracker
from masklet.types import FrameMasks, FrameSource


class VideoSession:
    """Follows objects through one video. Object ids are numbers of the caller's choice.

    video: see `open_video`; None for a stream whose frames are given to `step`. Prompts are in pixels of the video's
    frames. policy: None is what suits the model, see `tracking.policy.suited_policy`. A session is a context manager;
    `close` lets go of files and threads.
    """

    def __init__(
        self,
        model: Sam2,
        video: VideoLike | None = None,
        *,
        policy: TrackingPolicy | None = None,
        options: SessionOptions = DEFAULT_OPTIONS,
    ) -> None:
        self.model = model
        self.options = options
        keep = options.keeper()
        self.source: FrameSource | None = None
        self._live = LiveFrames()
        if video is not None:
            opened = open_video(video, read_ahead=options.read_ahead)
            if hasattr(opened, "__len__"):
                self.source = opened  # type: ignore[assignment]
            else:
                self._live = LiveFrames(opened)  # type: ignore[arg-type]
        self._path = str(Path(video).resolve()) if self.source is not None and isinstance(video, str | Path) else None
        self.tracker: Tracker[int] = Tracker(model, policy or suited_policy(model.config), self.num_frames, keep)
        self._features = FrameFeatures(
            model, self._pixels, options.feature_cache_size if self.source is not None else 1
        )

    def __enter__(self) -> "VideoSession":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the video's files and threads; what was found stays."""
        if self.source is not None:
            self.source.close()
        self._live.close()

    def save(self, path: str | Path) -> None:
        """Write the session to a file, whole or not at all: all that it needs to go on, but the video and the model."""
        live = self._live
        write_session(
            path,
            SessionState(self.tracker, self._path, self.frame_size, live.num_seen, live.newest, self.options),
        )

    @classmethod
    def load(
        cls, path: str | Path, model: Sam2, video: VideoLike | None = None, *, options: SessionOptions | None = None
    ) -> "VideoSession":
        """A saved session, to go on with the same numbers, in another process or on another machine.

        model: with the same weights. video: the same video; None takes the path that the session was begun with, if it
        was one. options: None: those that it was saved with, but for a folder of `state`, which becomes "cpu".
        FileNotFoundError; ValueError where file, model and video do not fit.
        """
        saved = read_session(path, model, options)
        source = saved.video if video is None and saved.tracker.num_frames is not None else video
        if source is None and saved.tracker.num_frames is not None:
            raise ValueError(f"{path} was saved without its video, which was no file: give it as `video`")
        if video is None and saved.video is not None and not Path(saved.video).exists():
            raise FileNotFoundError(f"{path} was saved with {saved.video}, which is there no more: give it as `video`")
        session = cls(model, source, policy=saved.tracker.policy, options=saved.options)
        if session.num_frames != saved.tracker.num_frames or session.frame_size not in (saved.frame_size, None):
            session.close()
            raise ValueError(
                f"{path} was saved with {_in_words(saved.tracker.num_frames, saved.frame_size)}, "
                f"but this is {_in_words(session.num_frames, session.frame_size)}"
            )
        session.tracker = saved.tracker
        session._live.num_seen, session._live.newest = saved.num_streamed, saved.newest
        return session

    @property
    def frame_size(self) -> tuple[int, int] | None:
        """(height, width) of the frames in pixels; of a stream, None before its first frame."""
        return self._live.frame_size if self.source is None else self.source.frame_size

    @property
    def num_frames(self) -> int | None:
        """Length of the video; None for a stream."""
        return None if self.source is None else len(self.source)

    @property
    def newest_frame(self) -> int | None:
        """Index of the last frame of a stream that was seen; None before the first, and for a whole video."""
        return self._live.num_seen - 1 if self._live.num_seen else None

    @property
    def object_ids(self) -> list[int]:
        """The objects, in the order in which they came."""
        return list(self.tracker.objects)

    def frame(self, frame_index: int) -> np.ndarray:
        """A frame as 8-bit RGB (H, W, 3); of a stream, the newest."""
        index, _ = self._locate(frame_index)
        if self.source is not None:
            return self.source[index]
        assert self._live.newest is not None
        return self._live.newest

    def add_points(
        self,
        frame_index: int,
        object_id: int,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        *,
        box: ArrayLike | None = None,
        replace: bool = False,
        return_logits: bool = False,
    ) -> FrameMasks:
        """Point at an object on a frame: clicks, a box, or both. Returns all that is known of that frame.

        points: (N, 2) as (x, y), labels: 1 in the object, 0 outside it. box: (x0, y0, x1, y1). Clicks are added to
        those given on this frame before, a box takes the place of another, and the mask found so far is refined;
        replace: begin anew on this frame. On a frame that was tracked this is a correction: it has effect where
        `propagate` goes next, and only this object is computed again.
        """
        index, size = self._locate(frame_index)
        id_ = _whole(object_id, "object_id")
        prompt = parse_points(points, labels, box, size, self.model.config.image_size)
        known = self.tracker.objects.get(id_)
        if known is not None and index in known.prompts and not replace:
            prompt = known.prompts[index].with_more(prompt)
        self.tracker.prompt(self._features[index], index, id_, prompt, refine=not replace)
        return self.masks(index, return_logits=return_logits)

    def add_box(
        self, frame_index: int, object_id: int, box: ArrayLike, *, replace: bool = False, return_logits: bool = False
    ) -> FrameMasks:
        """Put a box (x0, y0, x1, y1) around an object on a frame; see `add_points`."""
        return self.add_points(frame_index, object_id, box=box, replace=replace, return_logits=return_logits)

    def add_mask(
        self, frame_index: int, object_id: int, mask: ArrayLike | Tensor, *, return_logits: bool = False
    ) -> FrameMasks:
        """Say which pixels an object has on a frame; this takes the place of clicks and boxes given there.

        mask: binary (H, W), of the frame's size, or logits (inside above 0) of that size or the model's low-res one.
        It is taken as it is, but for the model's resolution. An empty mask says that the object is not there.
        """
        index, size = self._locate(frame_index)
        id_ = _whole(object_id, "object_id")
        prompt = parse_mask(mask, size, self.model.config.image_size, self.model.config.mask_side)
        self.tracker.prompt(self._features[index], index, id_, prompt)
        return self.masks(index, return_logits=return_logits)

    def clear_prompts(self, frame_index: int, object_id: int) -> None:
        """Take back what was said of an object on a frame, which is then tracked like others; in a stream, at once.

        Once nothing is said of an object any more, what was found of it is forgotten, and it begins anew.
        """
        index, _ = self._locate(frame_index)
        id_, known = self._find(object_id)
        if index not in known.prompts:
            raise ValueError(f"object {id_} has no prompt on frame {index}; it has on {sorted(known.prompts)}")
        known.take_back(index)
        if self.source is None and known.bank.conditioning:
            self.tracker.track(self._features[index], index, [id_])

    def remove_object(self, object_id: int) -> None:
        """Forget an object; the others stay as they are."""
        del self.tracker.objects[self._find(object_id)[0]]

    def reset(self) -> None:
        """Forget all objects. A stream goes on with its next frame."""
        self.tracker.objects.clear()

    def masks(self, frame_index: int, *, return_logits: bool = False) -> FrameMasks:
        """What is known of a frame, without computing anything new."""
        index, size = self._locate(frame_index)
        objects = self.tracker.objects
        results = {id_: known.results[index] for id_, known in objects.items() if index in known.results}
        logits = self._full_size([self._without_specks(objects[id_], index) for id_ in results], size)
        inside = (logits > 0).cpu().numpy()
        return FrameMasks(
            frame_index=index,
            masks=dict(zip(results, inside, strict=True)),
            scores={id_: result.iou_score for id_, result in results.items()},
            object_scores={id_: result.object_score for id_, result in results.items()},
            visible={id_: result.visible for id_, result in results.items()},
            prompted=frozenset(id_ for id_ in results if index in objects[id_].prompts),
            logits=dict(zip(results, logits.cpu().numpy(), strict=True)) if return_logits else None,
        )

    def propagate(
        self,
        *,
        start: int | None = None,
        max_frames: int | None = None,
        direction: Direction = "forward",
        return_logits: bool = False,
    ) -> Iterator[FrameMasks]:
        """Follow all objects through the video, frame by frame; yields what is known of each.

        start: frame to begin with; None: the first prompted one, backward the last. max_frames: how many, in each
        direction. direction: "both" goes forward and then backward from `start`, without it each object from its own
        first prompt. Results that still hold are given again without work, so the generator can be left at any time
        and another goes on where it was; prompts may be given in between. Of a stream, frames are taken as they come.

        ValueError: no objects, one without a prompt, a frame that is not in the video, or one that cannot be read; what
        was found before is kept, and the session can go on.
        """
        if self.source is None:
            return self._propagate_stream(start, max_frames, direction, return_logits)
        conditioning = {id_: known.bank.conditioning for id_, known in self.tracker.objects.items()}
        return self._run(plan_passes(conditioning, len(self.source), start, max_frames, direction), return_logits)

    def step(self, frame: ImageLike | None = None, *, return_logits: bool = False) -> FrameMasks:
        """Follow all objects to the next frame of a stream.

        frame: a picture of the size of those before; None where the session has a stream to take it from. Prompts on
        this frame come after: `add_points(session.newest_frame, ...)`. ValueError: a frame of another size, or one that
        cannot be read; EOFError: the stream has ended. A frame on which anything fails does not count.
        """
        if self.source is not None:
            raise ValueError(
                "this session has a whole video, whose frames `propagate` goes through: step is for streams"
            )
        with self._live.take(frame) as index:
            self._features.clear()  # nobody asks for the frame before any more
            followed = [id_ for id_, known in self.tracker.objects.items() if known.bank.conditioning]
            if followed:
                self.tracker.track(self._features[index], index, followed)
        self.tracker.forget(index)
        return self.masks(index, return_logits=return_logits)

    def _find(self, object_id: int) -> tuple[int, TrackedObject]:
        """An object, and its id as a plain number. ValueError for one that is not there."""
        id_ = _whole(object_id, "object_id")
        if id_ not in self.tracker.objects:
            raise ValueError(f"there is no object {id_}; the objects are {self.object_ids}")
        return id_, self.tracker.objects[id_]

    def _locate(self, frame_index: int) -> tuple[int, tuple[int, int]]:
        """A frame's index as a plain number, and the frames' size. ValueError for a frame that is not there."""
        index = _whole(frame_index, "frame_index")
        if self.source is not None:
            if not 0 <= index < len(self.source):
                raise ValueError(f"there is no frame {index}: the video has frames 0 to {len(self.source) - 1}")
        elif index != self.newest_frame:
            newest = "none has come yet: call step first" if self.newest_frame is None else f"it is {self.newest_frame}"
            raise ValueError(f"frame {index} is not the newest frame of this stream, the only one kept; {newest}")
        assert self.frame_size is not None
        return index, self.frame_size

    def _pixels(self, frame_index: int) -> Tensor:
        return preprocess(self.frame(frame_index), self.model.config.image_size, self.model.device, self.model.dtype)

    def _without_specks(self, known: TrackedObject, index: int) -> Tensor:
        """Low-res logits of a frame to be shown. What is remembered, refined and drawn by a person keeps its specks."""
        logits = known.results[index].logits.load()
        if index in known.prompts and known.prompts[index].mask is not None:
            return logits
        return clean_logits(logits, 0, self.tracker.policy.max_sprinkle_area, keep_largest=True)

    def _full_size(self, low_res: list[Tensor], size: tuple[int, int]) -> Tensor:
        """Low-res logits of several objects as logits (O, H, W) at the frame's size."""
        if not low_res:
            return torch.zeros(0, *size)
        logits = resize_logits(torch.stack(low_res).to(self.model.device), size)[:, 0]
        return suppress_overlaps(logits) if self.options.non_overlapping else logits

    def _run(self, passes: Iterable[Pass], return_logits: bool) -> Iterator[FrameMasks]:
        for leg in passes:
            for index in leg.frames:
                self._follow(index, leg)
                yield self.masks(index, return_logits=return_logits)

    def _follow(self, frame_index: int, leg: Pass) -> None:
        """Track the objects on a frame that need it."""
        todo = []
        for id_, known in self.tracker.objects.items():
            conditioning = known.bank.conditioning
            if not conditioning or known.is_settled(frame_index, leg.reverse):
                continue
            if leg.takes(frame_index, conditioning):
                todo.append(id_)
                if self.tracker.policy.clear_around_corrections:
                    known.clear_around_prompts_before(frame_index, leg.reverse)
        if todo:
            self.tracker.track(self._features[frame_index], frame_index, todo, reverse=leg.reverse)

    def _propagate_stream(
        self, start: int | None, max_frames: int | None, direction: Direction, return_logits: bool
    ) -> Iterator[FrameMasks]:
        if self._live.stream is None:
            raise ValueError("the frames of this session are given one by one: call step with each")
        if start is not None or direction != "forward":
            raise ValueError(
                "a stream is followed forward from its newest frame on: call propagate without start and direction"
            )
        check_max_frames(max_frames)

        def run() -> Iterator[FrameMasks]:
            done = 0
            while max_frames is None or done < max_frames:
                try:
                    yield self.step(return_logits=return_logits)
                except EOFError:
                    return
                done += 1

        return run()


def _whole(number: int, name: str) -> int:
    """A number of any library as a plain one, which a session's file can hold."""
    try:
        return operator.index(number)
    except TypeError:
        raise TypeError(f"{name} is {number!r}, but it must be a whole number") from None


def _in_words(num_frames: int | None, frame_size: tuple[int, int] | None) -> str:
    kind = "a stream" if num_frames is None else f"a video of {num_frames} frames"
    return kind if frame_size is None else f"{kind} of (height, width) {frame_size}"
