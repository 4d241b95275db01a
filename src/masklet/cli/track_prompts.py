"""What `masklet track` is told of objects: options whose order counts, a file, or both.

`--point`, `--box` and `--mask` are of the last `--object` and on the last `--at` before them. The five are one
parameter with five names, since the order of parameters among each other is not kept.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from cyclopts import Parameter, Token

from masklet.cli.console import UsageError
from masklet.cli.options import Box, Click, parse_box, parse_click
from masklet.io.files import read_mask_png
from masklet.ops.rle import decode_rle, encode_rle
from masklet.predictors.video import VideoSession

NAMES = ("--point", "--box", "--mask", "--object", "--at")
KEYS = {"frame", "object", "points", "labels", "box", "mask"}
"""What an entry of a prompts file may hold."""


class Said(NamedTuple):
    """One thing that is said of an object on a frame. A mask may be a file that is not read yet."""

    frame: int
    object_id: int
    what: Any
    """A `Click`, a `Box`, or a mask: its file or boolean (H, W). As a type, cyclopts 4 would take the union apart."""


@dataclass(frozen=True, kw_only=True)
class ObjectPrompt:
    """All that is said of an object on a frame: clicks and a box, or a mask (H, W)."""

    frame: int
    object_id: int
    clicks: tuple[Click, ...] = ()
    box: Box | None = None
    mask: np.ndarray | None = field(default=None, compare=False)

    def to_json(self) -> dict[str, Any]:
        """As an entry of a prompts file."""
        entry: dict[str, Any] = {"frame": self.frame, "object": self.object_id}
        if self.clicks:
            entry["points"] = [[click.x, click.y] for click in self.clicks]
            entry["labels"] = [click.label for click in self.clicks]
        if self.box:
            entry["box"] = list(self.box)
        if self.mask is not None:
            entry["mask"] = dict(encode_rle(self.mask))
        return entry


def parse_prompts(_: Any, tokens: Sequence[Token]) -> tuple[Said, ...]:
    """What the options say, in order, for cyclopts. ValueError for what means nothing, and for what has no effect."""
    frame, object_id, unused = 0, 1, ""
    found: list[Said] = []
    for token in tokens:
        name, value = token.keyword, token.value
        if name in ("--at", "--object"):
            number = _whole(value)
            if number is None:
                raise ValueError(f"{name} {value!r} is no whole number from 0 on")
            frame, object_id = (number, object_id) if name == "--at" else (frame, number)
            unused = f"{name} {value}"
            continue
        parse: Any = {"--point": parse_click, "--box": parse_box, "--mask": Path}[str(name)]
        found.append(Said(frame, object_id, parse(value)))
        unused = ""
    if unused and found:
        raise ValueError(f"{unused} has nothing after it: it is for the --point, --box and --mask that follow it")
    return tuple(found)


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TrackPrompts:
    """What to follow."""

    said: Annotated[
        tuple[Said, ...],
        Parameter(
            name=NAMES,
            converter=parse_prompts,
            n_tokens=1,
            accepts_keys=False,
            allow_leading_hyphen=True,
            negative="",
            show_default=False,
        ),
    ] = ()
    """What to follow, in order: --object ID and --at FRAME are for what comes after them.

    --point X,Y or X,Y,1: a pixel of the object; X,Y,0: a pixel that is not of it.

    --box X0,Y0,X1,Y1: its left, top, right and bottom in pixels.

    --mask M.png: which pixels it has, zero (black) being outside, in a picture of the frame's size.

    --object ID: which object is meant, a number; 1 if not given.

    --at FRAME: on which frame, counted from 0; 0 if not given.

    For example: --object 1 --point 10,20 --object 2 --at 5 --box 1,2,30,40
    """

    prompts: Path | None = None
    """A JSON file with prompts: {"prompts": [{"frame": 0, "object": 1, "points": [[10, 20]], "labels": [1]}]}; entries
    may have a "box" [x0, y0, x1, y1] or a "mask", a picture's path from the file's folder, or an RLE."""

    def collect(self) -> list[ObjectPrompt]:
        """All prompts, those of the file first; masks are read. UsageError if there are none, or two that disagree."""
        said = [] if self.prompts is None else read_prompts(self.prompts)
        said.extend(self.said)
        if not said:
            raise UsageError("say what to follow: --point X,Y or --box X0,Y0,X1,Y1 or --mask M.png or --prompts FILE")
        return merge_prompts(said)


def merge_prompts(said: Iterable[Said]) -> list[ObjectPrompt]:
    """One prompt for each object on each frame. UsageError for two boxes or masks, and a mask beside anything else."""
    merged: dict[tuple[int, int], ObjectPrompt] = {}
    for frame, object_id, what in said:
        known = merged.get((frame, object_id), ObjectPrompt(frame=frame, object_id=object_id))
        where = f"object {object_id} on frame {frame}"
        if isinstance(what, Path):
            what = read_mask_png(what)
        is_mask = isinstance(what, np.ndarray)
        if known.mask is not None or (is_mask and (known.clicks or known.box)):
            raise UsageError(f"{where} has a mask and another prompt: a mask says all, so give it alone")
        if is_mask:
            known = replace(known, mask=what)
        elif isinstance(what, Click):
            known = replace(known, clicks=(*known.clicks, what))
        elif known.box:
            raise UsageError(f"{where} has two boxes: give one, or an --object of its own for each")
        else:
            known = replace(known, box=what)
        merged[frame, object_id] = known
    return list(merged.values())


def read_prompts(path: Path) -> list[Said]:
    """The prompts of a file. UsageError, naming the entry, for one that means nothing."""
    if not path.is_file():
        raise UsageError(f"there is no prompts file {path}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of UTF-8 as well as of JSON
        raise UsageError(f"{path} is not JSON: {error}") from None
    entries = content.get("prompts") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise UsageError(f'{path} has no list of prompts: write {{"prompts": [{{"frame": 0, "object": 1, ...}}]}}')
    found: list[Said] = []
    for number, entry in enumerate(entries):
        try:
            found.extend(_read_entry(entry, path.parent))
        except ValueError as error:
            raise UsageError(f"{path}, prompts[{number}]: {error}") from None
    return found


def _read_entry(entry: Any, folder: Path) -> list[Said]:
    if not isinstance(entry, dict):
        raise ValueError(f"it is {entry!r}, but must be an object with the keys {', '.join(sorted(KEYS))}")
    if unknown := sorted(entry.keys() - KEYS):
        raise ValueError(f"the keys {unknown} mean nothing; there are {', '.join(sorted(KEYS))}")
    frame, object_id = (_index(entry, name, default) for name, default in (("frame", 0), ("object", 1)))
    points, labels = entry.get("points") or [], entry.get("labels")
    labels = [1] * len(points) if labels is None else labels
    if not isinstance(points, list) or not isinstance(labels, list) or len(points) != len(labels):
        raise ValueError("points must be a list of [x, y], and labels a list of as many numbers, each 1 or 0")
    whats: list[Click | Box | Path | np.ndarray] = []
    for point, label in zip(points, labels, strict=True):
        pair = _joined(point, "point")
        if len(point) != 2:
            raise ValueError(f"the point {point} is not [x, y]")
        whats.append(parse_click(f"{pair},{_joined([label], 'label')}"))
    if entry.get("box") is not None:
        whats.append(parse_box(_joined(entry["box"], "box")))
    if entry.get("mask") is not None:
        whats.append(_read_mask(entry["mask"], folder))
    if not whats:
        raise ValueError("it has neither points nor a box nor a mask")
    return [Said(frame, object_id, what) for what in whats]


def _index(entry: Mapping[str, Any], name: str, default: int) -> int:
    value = entry.get(name, default)
    if type(value) is not int or value < 0:
        raise ValueError(f"{name} is {value!r}, but must be a whole number from 0 on")
    return value


def _joined(values: Any, what: str) -> str:
    """Numbers as the command line has them, whose parsers say what is wrong with them."""
    if not isinstance(values, list) or any(type(value) not in (int, float) for value in values):
        raise ValueError(f"the {what} {values!r} must be made of numbers")
    return ",".join(map(repr, values))


def _read_mask(mask: Any, folder: Path) -> np.ndarray:
    if isinstance(mask, str):
        try:
            return read_mask_png(folder / mask)
        except OSError as error:
            raise ValueError(str(error)) from None
    if isinstance(mask, dict):
        try:
            return decode_rle(mask)
        except TypeError as error:
            raise ValueError(f"the mask is no RLE: {error}") from None
    raise ValueError(f"the mask is {mask!r}, but must be the path of a picture, or an RLE with size and counts")


def check_frames(prompts: Iterable[ObjectPrompt], num_frames: int) -> None:
    """UsageError for a prompt on a frame that is not in the video."""
    for prompt in prompts:
        if prompt.frame >= num_frames:
            raise UsageError(
                f"object {prompt.object_id} has a prompt on frame {prompt.frame}, but the video has frames 0 to "
                f"{num_frames - 1}"
            )


def give_prompts(session: VideoSession, prompts: Iterable[ObjectPrompt]) -> None:
    """Tell a session. UsageError, naming object and frame, for a prompt that does not fit the frame."""
    for prompt in prompts:
        height, width = session.frame(prompt.frame).shape[:2]  # that it cannot be read is no fault of the prompt
        points = [(click.x, click.y) for click in prompt.clicks] or None
        labels = [click.label for click in prompt.clicks] or None
        try:
            if prompt.mask is not None:
                if prompt.mask.shape != (height, width):  # the session takes low-res logits as well
                    found = "{1} x {0}".format(*prompt.mask.shape)
                    raise ValueError(f"the mask is {found} pixels, but the frame {width} x {height}")
                session.add_mask(prompt.frame, prompt.object_id, prompt.mask)
            else:
                session.add_points(prompt.frame, prompt.object_id, points, labels, box=prompt.box)
        except ValueError as error:
            raise UsageError(f"object {prompt.object_id} on frame {prompt.frame}: {error}") from None
