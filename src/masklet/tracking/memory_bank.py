"""The memory bank of one object: what its frames left, and which of it a frame looks at. Plain Python, no network.

Frames are conditioning (a person said what the object is there) or tracked. A frame looks at all conditioning frames,
or the nearest, at the last six others as maps, and at object pointers from further back. `forget` drops what no later
frame can look at, so that a stream is followed in bounded memory with the numbers of a whole video.

Source: SAM 2 paper, section 4, and the released predictors' rules; see `select`.
"""

from collections.abc import Container
from dataclasses import dataclass
from typing import Generic, TypeVar

from masklet.tracking.policy import MemoryPolicy

Features = TypeVar("Features")
Pointer = TypeVar("Pointer")


@dataclass(frozen=True)
class Selection(Generic[Features, Pointer]):
    """What one frame looks at.

    spatial: (row of `Sam2.memory_time`, memory features). pointers: (distance in frames, object pointer), distances
    being positive into the past as seen in the direction of tracking. pointer_span: what the model divides them by.
    """

    spatial: tuple[tuple[int, Features], ...]
    pointers: tuple[tuple[int, Pointer], ...]
    pointer_span: int

    def __bool__(self) -> bool:
        return bool(self.spatial or self.pointers)


class MemoryBank(Generic[Features, Pointer]):
    """Memory features and object pointers by frame. `conditioning` are the frames that prompts made so."""

    def __init__(self, policy: MemoryPolicy) -> None:
        self.policy = policy
        self.features: dict[int, Features] = {}
        self.pointers: dict[int, Pointer] = {}
        self.conditioning: set[int] = set()

    def add(self, frame_index: int, features: Features, pointer: Pointer, *, conditioning: bool) -> None:
        """Remember a frame, in place of what was known of it."""
        self.features[frame_index] = features
        self.pointers[frame_index] = pointer
        if conditioning:
            self.conditioning.add(frame_index)
        else:
            self.conditioning.discard(frame_index)

    def remove(self, frame_index: int) -> None:
        """Forget a frame, if it is known."""
        self.features.pop(frame_index, None)
        self.pointers.pop(frame_index, None)
        self.conditioning.discard(frame_index)

    def clear_around(self, frame_index: int, keep: Container[int] = ()) -> None:
        """Forget the tracked frames from which `frame_index` is seen, and those it sees, as recent ones.

        It stays itself, and so do conditioning frames and those to `keep`.
        """
        reach = self.policy.stride * self.policy.num_memories
        for near in [known for known in self.pointers if 0 < abs(known - frame_index) <= reach]:
            if near not in self.conditioning and near not in keep:
                self.remove(near)

    def select(
        self,
        frame_index: int,
        *,
        reverse: bool = False,
        num_frames: int | None = None,
        own: bool = False,
        future_pointers: bool = False,
    ) -> Selection[Features, Pointer]:
        """What frame `frame_index` looks at, tracking forward or in `reverse`.

        num_frames: length of the video, None for a stream; in a short video pointers reach less far, and distances are
        measured by that. own: also at what is known of the frame itself. future_pointers: also at pointers of
        conditioning frames that lie ahead, as in training; their maps always count.
        """
        past = -1 if reverse else 1
        chosen = self._closest_conditioning(frame_index, own)
        reach = self.policy.max_pointers if num_frames is None else min(num_frames, self.policy.max_pointers)

        newest_slot = self.policy.num_memories - 1
        spatial = [(newest_slot, self.features[frame]) for frame in chosen if frame in self.features]
        for steps in range(newest_slot, 0, -1):
            frame = self._recent_frame(frame_index, steps, reverse)
            if frame in self.features and frame not in chosen:
                spatial.append((steps - 1, self.features[frame]))

        pointing = chosen
        if self.policy.all_conditioning_pointers:
            pointing = sorted(frame for frame in self.conditioning if own or frame != frame_index)
        distances = [((frame_index - frame) * past, frame) for frame in pointing]
        pointers = [(far, self.pointers[frame]) for far, frame in distances if far >= 0 or future_pointers]
        for far in range(1, reach):
            frame = frame_index - far * past
            if frame in self.pointers and frame not in pointing:
                pointers.append((far, self.pointers[frame]))
        # In a video of one frame there is no distance to measure; the original divides by zero.
        return Selection(tuple(spatial), tuple(pointers), max(1, reach - 1))

    def forget(self, frame_index: int) -> None:
        """Drop what no frame after `frame_index`, tracked forward, can look at. Conditioning frames stay, but for those
        that are more than the policy's number; of these only pointers do, where they count."""
        limit = self.policy.max_conditioning_frames
        near = self.conditioning if limit is None else set(sorted(self.conditioning)[-limit:])
        if not self.policy.all_conditioning_pointers:
            self.conditioning = near
        stride, newest_slot = self.policy.stride, self.policy.num_memories - 1
        oldest_map = self._recent_frame(frame_index + 1, newest_slot, reverse=False)
        oldest_pointer = frame_index + 2 - self.policy.max_pointers
        for frame in self.pointers.keys() - self.conditioning:
            if frame < oldest_pointer:
                del self.pointers[frame]
        for frame in self.features.keys() - near:
            if frame < oldest_map or (frame < frame_index and frame % stride):
                del self.features[frame]

    def _closest_conditioning(self, frame_index: int, own: bool) -> list[int]:
        """Conditioning frames to look at: all, or the last before, the first not before, and then the nearest."""
        frames = sorted(frame for frame in self.conditioning if own or frame != frame_index)
        limit = self.policy.max_conditioning_frames
        if limit is None or len(frames) <= limit:
            return frames
        before = [frame for frame in frames if frame < frame_index][-1:]
        after = [frame for frame in frames if frame >= frame_index][:1]
        others = [frame for frame in frames if frame not in before + after]
        others.sort(key=lambda frame: abs(frame - frame_index))  # of two as near, the earlier is first
        return before + after + others[: limit - len(before) - len(after)]

    def _recent_frame(self, frame_index: int, steps: int, reverse: bool) -> int:
        """The frame `steps` memories back: the neighbour, then every `stride`-th frame."""
        stride = self.policy.stride
        if steps == 1:
            return frame_index + 1 if reverse else frame_index - 1
        if reverse:
            return -(-(frame_index + 2) // stride) * stride + (steps - 2) * stride
        return (frame_index - 2) // stride * stride - (steps - 2) * stride
