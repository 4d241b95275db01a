"""SA-V's JSON: a video's masklets, as in the data set that came with SAM 2.

    VIDEO_manual.json     of every fourth frame, an RLE for each object; and what is known of each object

SA-V has masks of 6 frames a second of 24, so frames 0, 4, 8, ... are written and the others passed over, whatever the
video's rate. Masks are exact. Ids begin at 0 there and at 1 here: each is one less in the file. Labels and scores have
no place. The file is called manual, and so are the masklets in it, because SA-V's automatic ones all begin on the first
frame. It trains and evaluates as SA-V does when it lies beside VIDEO.mp4.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from masklet.io.files import read_json
from masklet.io.formats.frame_order import check_frame
from masklet.io.formats.picture import AnnotatedPicture, ObjectMask, VideoInfo
from masklet.io.formats.reading import check_rle_size, naming, picture_size
from masklet.io.formats.writer import AnnotationWriter
from masklet.ops.rle import decode_rle, encode_rle

ANNOTATION_STEP = 4
"""Every fourth frame has masks."""

KEYS = ("video_height", "video_width", "masklet", "masklet_id")
"""What is read of a file; it says more."""

SMALL, MEDIUM = 32**2, 96**2
"""Mean areas, in pixels, below which SA-V calls a masklet small, and medium; others are large."""


@dataclass(kw_only=True)
class _Masklet:
    """What SA-V tells of an object. All but the areas count in annotated frames."""

    first_frame: int
    num_visible: int = 0
    total_area: int = 0
    num_changes: int = 0
    visible: bool = True

    @property
    def mean_area(self) -> float:
        """Over the frames on which it is to be seen."""
        return self.total_area / self.num_visible


class SavWriter(AnnotationWriter):
    """Writes VIDEO_manual.json, of a video alone.

    Frames come in order and have a frame_index. An object that has no pixel on any fourth frame is left out; a fourth
    frame that is not written is null in the file.
    """

    def __init__(self, folder: str | Path, *, video: VideoInfo | None = None) -> None:
        if video is None:
            raise ValueError("SA-V's files are of videos alone: say of which video the pictures are frames")
        super().__init__(folder, video=video)
        self._info = video
        self._name = PurePosixPath(video.name).stem
        self._masklets: dict[int, _Masklet] = {}
        self._last_frame = -1
        self._num_annotated = 0
        self._frames = self._open("frames")

    def _add(self, picture: AnnotatedPicture) -> None:
        frame = check_frame(picture, self._info, self._last_frame + 1)
        if frame % ANNOTATION_STEP == 0:
            index, visible = frame // ANNOTATION_STEP, picture.visible
            self._frames.write(json.dumps([index, {found.id: found.rle["counts"] for found in visible}]) + "\n")
            self._count(index, {found.id: found.area for found in visible})
        self._last_frame = frame

    def _count(self, index: int, areas: dict[int, int]) -> None:
        for id_ in areas:
            self._masklets.setdefault(id_, _Masklet(first_frame=index))
        for id_, masklet in self._masklets.items():
            masklet.num_changes += masklet.visible != (id_ in areas)
            masklet.visible = id_ in areas
            masklet.num_visible += masklet.visible
            masklet.total_area += areas.get(id_, 0)
        self._num_annotated += 1

    def _finish(self) -> None:
        self._frames.close()
        frames = self._stage("frames")
        ids = sorted(self._masklets)
        height, width = self._info.height, self._info.width
        nothing = encode_rle(np.zeros((height, width), bool))["counts"]
        head = json.dumps(self._head([self._masklets[id_] for id_ in ids], ids), ensure_ascii=False)
        with self._open(f"{self._name}_manual.json") as file, frames.open(encoding="utf-8") as lines:
            file.write(head[:-1] + ', "masklet": [')
            expected = 0
            for line in lines:
                index, counts = json.loads(line)
                rles = [{"size": [height, width], "counts": counts.get(str(id_), nothing)} for id_ in ids]
                file.write(("\n" if expected == 0 else ",\n") + "null,\n" * (index - expected) + json.dumps(rles))
                expected = index + 1
            file.write("\n]}\n")
        frames.unlink()

    def _head(self, masklets: list[_Masklet], ids: list[int]) -> dict[str, Any]:
        """All keys of SA-V's but the masks. The environment (indoor or outdoor) is not known."""
        num_frames = self._info.num_frames or self._last_frame + 1
        rate = self._info.frames_per_second
        num_pixels = self._info.height * self._info.width
        return {
            "video_id": self._name,
            "video_duration": num_frames / rate if rate else None,
            "video_frame_count": float(num_frames),
            "video_height": float(self._info.height),
            "video_width": float(self._info.width),
            "video_resolution": float(num_pixels),
            "video_environment": None,
            "video_split": "train",
            "masklet_id": [id_ - 1 for id_ in ids],
            "masklet_size_rel": [masklet.mean_area / num_pixels for masklet in masklets],
            "masklet_size_abs": [masklet.mean_area for masklet in masklets],
            "masklet_size_bucket": [_bucket(masklet.mean_area) for masklet in masklets],
            "masklet_visibility_changes": [masklet.num_changes for masklet in masklets],
            "masklet_first_appeared_frame": [masklet.first_frame for masklet in masklets],
            "masklet_frame_count": [self._num_annotated] * len(ids),
            "masklet_edited_frame_count": [0] * len(ids),
            "masklet_type": ["manual"] * len(ids),
            "masklet_stability_score": [None] * len(ids),
            "masklet_num": len(ids),
        }


def _bucket(area: float) -> str:
    return "small" if area < SMALL else "medium" if area < MEDIUM else "large"


def read_sav(path: Path) -> Iterator[AnnotatedPicture]:
    """The annotated frames of a VIDEO_manual.json or VIDEO_auto.json, or of the one manual file in a folder.

    Frames are called as in SA-V: 00000.jpg, 00004.jpg, ... All objects are in each, those that are not to be seen with
    an empty mask; frames that lack a mask for one are passed over. ValueError, naming the file and the frame, for what
    cannot be read, and for a folder of several videos; FileNotFoundError.
    """
    file = _one_file(path)
    value = read_json(file, KEYS)
    with naming(str(file)):
        size = picture_size(value["video_height"], value["video_width"])
        ids = [id_ + 1 for id_ in value["masklet_id"]]
        frames = list(value["masklet"])
    for index, rles in enumerate(frames):
        if rles is None or None in rles:
            continue
        frame = ANNOTATION_STEP * index
        with naming(f"{file}, frame {frame}"):
            for rle in rles:
                check_rle_size(rle, size)
            picture = AnnotatedPicture(
                name=f"{frame:05d}.jpg",
                height=size[0],
                width=size[1],
                objects=tuple(ObjectMask.of_mask(decode_rle(rle), id_) for id_, rle in zip(ids, rles, strict=True)),
                frame_index=frame,
            )
        yield picture


def _one_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    files = sorted(path.glob("*_manual.json"))
    if not files:
        raise FileNotFoundError(f"there is no file VIDEO_manual.json in {path}")
    if len(files) > 1:
        raise ValueError(f"{path} has masklets of {len(files)} videos: give one file, as {files[0].name}")
    return files[0]
