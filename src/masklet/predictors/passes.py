"""Which frames a propagation goes through, and which objects take part on each."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Literal

Direction = Literal["forward", "backward", "both"]


@dataclass(frozen=True)
class Pass:
    """Frames to go through in one direction.

    reach: None where every object takes part on every frame. Otherwise each is followed from its own first prompt: so
    many frames from there on, or in reverse so many before it. So every frame is reached from a prompt, and once.
    """

    frames: Sequence[int]
    reverse: bool
    reach: int | None = None

    def takes(self, frame_index: int, conditioning: Set[int]) -> bool:
        """Whether an object with these conditioning frames is followed on a frame."""
        if self.reach is None:
            return True
        past_first = frame_index - min(conditioning)
        return -self.reach <= past_first < 0 if self.reverse else 0 <= past_first < self.reach


def check_max_frames(max_frames: int | None) -> None:
    """ValueError where no frame is asked for."""
    if max_frames is not None and max_frames < 1:
        raise ValueError(f"max_frames is {max_frames}, but at least one frame must be asked for")


def plan_passes(
    conditioning: Mapping[int, Set[int]],
    num_frames: int,
    start: int | None,
    max_frames: int | None,
    direction: Direction,
) -> list[Pass]:
    """The passes of `VideoSession.propagate`. conditioning: each object's conditioning frames.

    ValueError: nothing to follow, an object without such a frame, a start that is not in the video, no frames.
    """
    if direction not in ("forward", "backward", "both"):
        raise ValueError(f"direction is {direction!r}, but it must be 'forward', 'backward' or 'both'")
    check_max_frames(max_frames)
    if start is not None and not 0 <= start < num_frames:
        raise ValueError(f"there is no frame {start} to start from: the video has frames 0 to {num_frames - 1}")
    if not conditioning:
        raise ValueError("there is nothing to follow: point at an object first, with add_points, add_box or add_mask")
    for object_id, frames in conditioning.items():
        if not frames:
            raise ValueError(f"object {object_id} has no prompt left: give it one, or remove it with remove_object")
    count = num_frames if max_frames is None else max_frames
    if direction == "both" and start is None:
        return [_from_first_prompts(conditioning, num_frames, count, reverse) for reverse in (False, True)]
    passes = []
    if direction != "backward":
        begin = min(min(frames) for frames in conditioning.values()) if start is None else start
        passes.append(Pass(range(begin, min(begin + count, num_frames)), reverse=False))
    if direction != "forward":
        begin = max(max(frames) for frames in conditioning.values()) if start is None else start
        begin -= direction == "both"  # the forward pass has that frame
        passes.append(Pass(range(begin, max(begin - count, -1), -1), reverse=True))
    return passes


def _from_first_prompts(conditioning: Mapping[int, Set[int]], num_frames: int, reach: int, reverse: bool) -> Pass:
    """The frames on which any object takes part."""
    plan = Pass((), reverse, reach)
    frames = range(num_frames - 1, -1, -1) if reverse else range(num_frames)
    return Pass([f for f in frames if any(plan.takes(f, known) for known in conditioning.values())], reverse, reach)
