"""Whether a sequence fits together, seen before hours are spent on it."""

from typing import cast

from masklet.evaluation.annotations import ObjectFolders
from masklet.evaluation.sequences import VideoSequence
from masklet.io.video import open_video
from masklet.types import FrameSource


def check_sequence(sequence: VideoSequence) -> None:
    """ValueError or FileNotFoundError, naming the file, where a sequence cannot be followed or scored:

    no frames; masks of a frame that the video has not; masks of another size than the first picture; masks that
    cannot be read; no object at all; an object that has no masks, or only empty ones.

    It reads one picture, and masks until every known object was seen: those of one frame, mostly.
    """
    annotations = sequence.annotations
    annotated = sequence.annotated.values()
    source = cast(FrameSource, open_video(sequence.video, read_ahead=0))
    height, width = source.frame_size
    source.close()
    known = set(annotations.objects) if isinstance(annotations, ObjectFolders) else set()
    seen: set[int] = set()
    for frame in annotated:
        for id_, mask in annotations.read(frame).items():
            if mask.shape != (height, width):
                raise ValueError(
                    f"{annotations.path(frame)} is {mask.shape[1]} x {mask.shape[0]} pixels in frame {frame}, but "
                    f"{sequence.video} is {width} x {height}: masks and pictures must be of one size"
                )
            known.add(id_)
            if mask.any():
                seen.add(id_)
        if seen and seen == known:
            return
    first = annotations.path(next(iter(annotated)))
    if not seen:
        raise ValueError(
            f"no mask of {sequence.name} has an object in it: {len(annotated)} frames were read, from {first} on"
        )
    never = min(known - seen)
    where = annotations.objects[never] if isinstance(annotations, ObjectFolders) else first
    raise ValueError(
        f"{where} has no mask of object {never} that is not empty, in {len(annotated)} annotated frames: give it one, "
        "or remove the object"
    )
