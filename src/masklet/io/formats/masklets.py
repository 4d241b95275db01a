"""What `masklet track` leaves, masklets.jsonl, as annotated pictures. It is read alone: tracking writes it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from masklet.io.formats.picture import AnnotatedPicture, ObjectMask, VideoInfo
from masklet.io.formats.reading import naming, picture_size
from masklet.io.masklets import MaskletsHeader, Record, stream_masklets
from masklet.ops.rle import RLE


def read_masklet_pictures(
    path: str | Path, *, names: Sequence[str] | None = None, frames_per_second: float | None = None
) -> tuple[VideoInfo, Iterator[AnnotatedPicture]]:
    """The video, and its frames that have results, one after another.

    names: the file names of all frames; None: 00000.jpg and so on, as frames are called that are taken out of a video.
    frames_per_second: of the video, which the file does not tell. Objects keep their ids, unless there is an object 0,
    which other formats cannot have: then each is one more. FileNotFoundError; ValueError for a damaged file, and where
    there are fewer names than frames.
    """
    header, frames = stream_masklets(path)
    shift = 1 if any(record["id"] == 0 for _, found in stream_masklets(path)[1] for record in found) else 0
    with naming(f"line 1 of {path}"):
        size = picture_size(header.height, header.width)
    video = VideoInfo(
        name=Path(header.video).stem or "video",
        height=header.height,
        width=header.width,
        num_frames=header.num_frames,
        frames_per_second=frames_per_second,
    )

    def pictures() -> Iterator[AnnotatedPicture]:
        for index, found in frames:
            name = _name(names, index, header, path)
            with naming(f"{path}, frame {index}"):
                picture = AnnotatedPicture(
                    name=name,
                    height=size[0],
                    width=size[1],
                    objects=tuple(_object(record, shift) for record in found),
                    frame_index=index,
                )
            yield picture

    return video, pictures()


def _name(names: Sequence[str] | None, index: int, header: MaskletsHeader, path: str | Path) -> str:
    if names is None:
        return f"{index:0{max(5, len(str((header.num_frames or 1) - 1)))}d}.jpg"
    if index >= len(names):
        raise ValueError(f"{path} has a frame {index}, but there are {len(names)} pictures: give all of {header.video}")
    return names[index]


def _object(record: Record, shift: int) -> ObjectMask:
    rle = record["segmentation"]
    return ObjectMask(
        rle=RLE(size=list(rle["size"]), counts=rle["counts"]), id=record["id"] + shift, score=record.get("score")
    )
