"""Clips from videos with masks: any data set that `masklet.datasets` reads, and folders of one's own.

Upstream has a loader for each layout, and draws another video where one cannot be used; here a video that is too short
is named before training begins, where that can be seen without reading it. Only the frames of a clip are read.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from masklet.datasets import DATASETS, open_dataset
from masklet.datasets.annotations import read_masks
from masklet.datasets.layout import name_some, read_names
from masklet.datasets.masklets import Masklets
from masklet.datasets.sequences import VideoSequence, frame_pictures, open_frames
from masklet.io.images import read_image
from masklet.training.data.split import Part, check_part, names_in_part
from masklet.training.data.window import WindowConfig, choose_window
from masklet.training.samples import Clip

TRAINING_SPLITS = {
    "davis2016": "train",
    "davis2017": "train",
    "folder": None,
    "lvos": "train",
    "mose": "train",
    "mosev2": "train",
    "sav-train": "manual",
    "youtube-vos": "train",
}
"""The split of each kind of data set that is learned from; SA-V's val and test are no training data."""


@dataclass(frozen=True, kw_only=True)
class VideoClipsConfig(WindowConfig):
    """Where videos and masks lie, which of them are taken, and how clips are cut from them."""

    folder: Path
    """As its authors unpack it; see `masklet.datasets` for the layouts."""
    kind: str = "folder"
    """The data set, such as mose or sav-train; "folder" for data of one's own."""
    split: str | None = None
    """As the data set calls it; None: the one for training."""
    videos: str | None = None
    """Of kind "folder", the folder of pictures or video files in it; None: JPEGImages."""
    masks: str | None = None
    """Of kind "folder", the folder of masks in it; None: Annotations."""
    include: Path | None = None
    """A text file with the names of the videos to take, one a line; None: all."""
    exclude: Path | None = None
    """A text file with the names of videos to leave out."""
    skip_short: bool = False
    """Leave out videos with masks of fewer frames than a clip has; else they are an error."""
    held_out: float = 0.0
    """Share of the videos, 0 to 1, that is kept for validation."""
    part: Part = "train"
    """Whether to take the held-out videos or the others."""
    repeat: int = 1
    """How often a pass over the videos has each of them."""
    repeat_by_length: bool = False
    """Have each as often in a pass as it has frames with masks, so that all frames count the same."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind not in DATASETS:
            raise ValueError(f"kind is {self.kind!r}, but videos are read of the kinds {', '.join(DATASETS)}")
        if self.split is None and self.kind not in TRAINING_SPLITS:
            raise ValueError(f"{self.kind} has no split for training: name the split that is to be learned from")
        check_part(self.held_out, self.part)
        if self.repeat < 1:
            raise ValueError(f"repeat is {self.repeat}, but it must be at least 1")


def open_video_clips(config: VideoClipsConfig) -> "VideoClips":
    """The clips that a configuration describes. FileNotFoundError and ValueError name what is missing or wrong."""
    dataset = open_dataset(
        config.folder,
        config.kind,
        split=config.split or TRAINING_SPLITS.get(config.kind),
        sequences=config.include,
        videos=config.videos,
        masks=config.masks,
    )
    excluded = set(read_names(config.exclude)) if config.exclude else set()
    if excluded and not config.include and excluded.isdisjoint(sequence.name for sequence in dataset.sequences):
        raise ValueError(f"{config.exclude} names no video of {config.folder}: names are those of its folders")
    taken = [sequence for sequence in dataset.sequences if sequence.name not in excluded]
    if config.skip_short:
        taken = [sequence for sequence in taken if not _is_short(sequence, config)]
    inside = names_in_part((sequence.name for sequence in taken), config.held_out, config.part)
    taken = [sequence for sequence in taken if sequence.name in inside]
    if not taken:
        raise ValueError(
            f"of the {len(dataset.sequences)} videos of {config.folder} none is left "
            f"{'to hold out' if config.part == 'held_out' else 'to learn from'}: held_out is {config.held_out}, the "
            "list of what to exclude counts too"
            + (f", and those with masks of fewer than {config.num_frames} frames are skipped" * config.skip_short)
        )
    return VideoClips(taken, config, repeat=config.repeat, by_length=config.repeat_by_length)


class VideoClips:
    """Clips of videos, as a `ClipSource`: an item is a video.

    repeat, by_length: how often a pass has each video, as `VideoClipsConfig` says. ValueError names videos that are too
    short; of JSON, which would have to be read, when they are drawn. by_length does read it.
    """

    def __init__(
        self,
        sequences: Sequence[VideoSequence],
        window: WindowConfig,
        *,
        repeat: int = 1,
        by_length: bool = False,
    ) -> None:
        self.sequences = tuple(sequences)
        self.window = window
        short = [sequence.name for sequence in self.sequences if _is_short(sequence, window)]
        if short:
            raise ValueError(
                f"{len(short)} of {len(self.sequences)} videos have masks of fewer frames than the {window.num_frames} "
                f"of a clip: {name_some(short)}. Take shorter clips, or leave these out with skip_short"
            )
        once = [len(copy(sequence.annotations).frames) if by_length else 1 for sequence in self.sequences]
        self._items = np.tile(np.repeat(np.arange(len(once)), once), repeat)

    def __len__(self) -> int:
        return len(self._items)

    def draw(self, index: int, rng: np.random.Generator) -> Clip:
        """A clip of the video of an item, at full size. Errors name the video or the file that cannot be used."""
        sequence = self.sequences[self._items[index]]
        # A copy, since annotations keep what they read of JSON: the frames of all videos would fill the memory.
        annotations = copy(sequence.annotations)
        names = annotations.frames

        def objects_on(place: int) -> list[int]:
            return [id_ for id_, mask in annotations.read(names[place]).items() if mask.any()]

        window = choose_window(sequence.name, len(names), objects_on, self.window, rng)
        chosen = [names[place] for place in window.places]
        frames = read_frames(sequence.video, chosen)
        size = frames.shape[1:3]
        masks = np.zeros((len(chosen), len(window.objects), *size), bool)
        for number, name in enumerate(chosen):
            known = read_masks(annotations, name, size)
            for place, id_ in enumerate(window.objects):
                if id_ in known:
                    masks[number, place] = known[id_]
        return Clip(frames=frames, masks=masks)


def read_frames(video: Path, names: Sequence[str]) -> UInt8[np.ndarray, "T H W 3"]:
    """Some frames of a folder of pictures or a video file, by name, in the order asked for; no others are kept.

    FileNotFoundError and ValueError name a picture that is not there, cannot be read, or is of another size.
    """
    frames = _read_pictures(video, names) if video.is_dir() else _decode(video, names)
    size = frames[names[0]].shape
    for name in names:
        if frames[name].shape != size:
            raise ValueError(
                f"frame {name} of {video} is {frames[name].shape[1]} x {frames[name].shape[0]} pixels, but frame "
                f"{names[0]} is {size[1]} x {size[0]}: all frames of a video must be of one size"
            )
    return np.stack([frames[name] for name in names])


def _read_pictures(folder: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    pictures = frame_pictures(folder)
    _require_frames(folder, names, list(pictures))
    return {name: read_image(pictures[name]) for name in names}


def _decode(file: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    with open_frames(file) as frames:
        known = {f"{index:05d}": index for index in range(len(frames))}
        _require_frames(file, names, list(known))
        # In their own order, also for a clip that is shown backward: decoding goes forward.
        return {name: frames[known[name]] for name in sorted(names, key=known.__getitem__)}


def _require_frames(video: Path, names: Sequence[str], known: Sequence[str]) -> None:
    missing = [name for name in names if name not in known]
    if missing:
        there = f"its frames are {known[0]} to {known[-1]}" if known else "it has no pictures in it"
        raise FileNotFoundError(f"{video} has masks of frame {missing[0]}, which it does not have: {there}")


def _is_short(sequence: VideoSequence, window: WindowConfig) -> bool:
    """Whether it is known, without reading JSON, that a video has too few frames with masks."""
    known = not isinstance(sequence.annotations, Masklets)
    return known and len(sequence.annotations.frames) < window.num_frames
