"""The masks of a video as JSON lines, added frame by frame: whatever stops the work, the whole lines stay good.

The first line says what video it is, each other what is known of the objects on one frame. Where a frame comes twice,
as after a correction, the later line counts.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from masklet.ops.rle import encode_rle, rle_area, rle_box
from masklet.types import FrameMasks

FORMAT = "masklet-masklets-1"

Record = dict[str, Any]
"""An object on a frame: id, segmentation (RLE), score, object_score, visible, prompted, area, bbox."""


@dataclass(frozen=True, kw_only=True)
class MaskletsHeader:
    """What the first line says. video: its name. num_frames: None where it is not known, as of a stream."""

    video: str
    height: int
    width: int
    num_frames: int | None = None


class MaskletWriter:
    """Writes the first line, then one for each `FrameMasks` it is given, which leaves at once.

    append: go on with a file that is there, after cutting off a last line that was not finished; ValueError if its
    header is another. Without it, what was there is replaced. FileNotFoundError if the folder does not exist.
    """

    def __init__(self, path: str | Path, header: MaskletsHeader, *, append: bool = False):
        self.path = Path(path)
        self.header = header
        if not self.path.absolute().parent.is_dir():
            raise FileNotFoundError(f"there is no folder {self.path.absolute().parent} to write {self.path.name} to")
        if self.path.is_dir():
            raise IsADirectoryError(f"{path} is a folder: name a file to write")
        goes_on = append and self.path.exists() and self._cut_off()
        # In bytes, so that lines end alike everywhere.
        self._file = self.path.open("ab" if goes_on else "wb")
        if not goes_on:
            self._add({"format": FORMAT, **asdict(header)})

    def write(self, frame: FrameMasks) -> None:
        """Add a frame. ValueError for masks of another size and numbers that JSON has not; then nothing is written."""
        if self._file.closed:
            raise ValueError(f"{self.path} was closed: open it again, with append, to write more frames")
        self._add({"frame": frame.frame_index, "objects": [self._record(frame, key) for key in frame.masks]})

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "MaskletWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _add(self, value: Record) -> None:
        line = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":")) + "\n"
        self._file.write(line.encode("utf-8"))
        self._file.flush()

    def _record(self, frame: FrameMasks, key: int) -> Record:
        mask = frame.masks[key]
        where = f"object {key} on frame {frame.frame_index}"
        if mask.shape != (self.header.height, self.header.width):
            raise ValueError(
                f"the mask of {where} has the shape {mask.shape}, but {self.path} is of a video of "
                f"{(self.header.height, self.header.width)}"
            )
        segmentation = encode_rle(mask)
        area = rle_area(segmentation)
        return {
            "id": int(key),
            "segmentation": segmentation,
            "score": _rounded(frame.scores[key], f"the score of {where}"),
            "object_score": _rounded(frame.object_scores[key], f"the object score of {where}"),
            "visible": bool(frame.visible[key]),
            "prompted": key in frame.prompted,
            "area": area,
            "bbox": list(rle_box(segmentation)) if area else None,
        }

    def _cut_off(self) -> bool:
        """Cut an unfinished last line off; False if not even the header was finished."""
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if not whole:
            # Only the beginning of a header of ours is taken for one that was not finished.
            if not json.dumps({"format": FORMAT}, separators=(",", ":"))[:-1].encode().startswith(content[:30]):
                raise ValueError(f"{self.path} holds something else than masklets: it is not written over by append")
            return False
        header = _parse_header(content.partition(b"\n")[0], self.path)
        if header != self.header:
            raise ValueError(f"{self.path} is of another video: {header}, not {self.header}. Write to another file")
        if whole < len(content):
            with self.path.open("r+b") as file:
                file.truncate(whole)
        return True


def read_masklets(path: str | Path) -> tuple[MaskletsHeader, dict[int, list[Record]]]:
    """Header and records by frame, in the order of the frames. A last line that was not finished is left out.

    FileNotFoundError, or ValueError, naming the line, for one that is damaged.
    """
    header, frames = stream_masklets(path)
    return header, dict(frames)


def stream_masklets(path: str | Path) -> tuple[MaskletsHeader, Iterator[tuple[int, list[Record]]]]:
    """What `read_masklets` gives, but frame by frame: one is held in memory at a time, and each is read twice.

    All lines are looked at before this returns, so a damaged one raises at once.
    """
    path = Path(path)
    header, offset = None, 0
    places: dict[int, tuple[int, int]] = {}  # frame -> where its last line begins, and the line's number
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):  # it was not finished
                break
            if header is None:
                header = _parse_header(line, path)
            else:
                places[_parse_frame(line, path, number)[0]] = (offset, number)
            offset += len(line)
    if header is None:
        raise ValueError(f"{path} is empty or ends within its first line: it holds no masklets")

    def frames() -> Iterator[tuple[int, list[Record]]]:
        with path.open("rb") as file:
            for _, (place, number) in sorted(places.items()):
                file.seek(place)
                yield _parse_frame(file.readline(), path, number)

    return header, frames()


def _parse(line: bytes, path: Path, number: int) -> Record:
    try:
        value = json.loads(line.decode("utf-8"))
    except ValueError as error:  # of UTF-8 as well as of JSON
        raise ValueError(f"line {number} of {path} is damaged: {error}. Remove it to read the others") from error
    if not isinstance(value, dict):
        raise ValueError(f"line {number} of {path} is not a JSON object but {type(value).__name__}: remove it")
    return value


def _parse_frame(line: bytes, path: Path, number: int) -> tuple[int, list[Record]]:
    value = _parse(line, path, number)
    index, objects = value.get("frame"), value.get("objects")
    if type(index) is not int or index < 0 or not isinstance(objects, list):
        raise ValueError(f"line {number} of {path} is not a frame with its objects: remove it")
    for record in objects:
        if not isinstance(record, dict) or not {"id", "segmentation"} <= record.keys():
            raise ValueError(f"line {number} of {path} has an object without id or segmentation: remove it")
    return index, objects


def _parse_header(line: bytes, path: Path) -> MaskletsHeader:
    value = _parse(line, path, 1)
    if value.get("format") != FORMAT:
        raise ValueError(f"line 1 of {path} gives the format {value.get('format')!r}, not {FORMAT!r}")
    try:
        header = MaskletsHeader(**{key: value[key] for key in ("video", "height", "width", "num_frames")})
    except KeyError as error:
        raise ValueError(f"line 1 of {path} lacks {error} of the video") from error
    return header


def _rounded(value: float, what: str) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{what} is {value}, but only finite numbers can be written")
    return float(f"{value:.6g}")
