"""Whether a sequence fits together, seen before hours are spent on it."""

from masklet.datasets.annotations import ObjectFolders, read_masks
from masklet.datasets.sequences import VideoSequence, open_frames


def check_sequence(sequence: VideoSequence) -> None:
    """ValueError or FileNotFoundError, naming the file, where a sequence cannot be followed or scored:

    no frames; masks of a frame that the video has not; masks of another size than the first picture; masks that
    cannot be read; no object at all; an object that has no masks, or only empty ones.

    It reads one picture, and masks until every known object was seen: those of one frame, mostly.
    """
    annotations = sequence.annotations
    annotated = sequence.annotated.values()
    with open_frames(sequence.video) as frames:
        size = frames.frame_size
    known = set(annotations.objects) if isinstance(annotations, ObjectFolders) else set()
    seen: set[int] = set()
    for frame in annotated:
        for id_, mask in read_masks(annotations, frame, size).items():
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
