"""Reads CVAT's XML 1.1, of images and of videos: what masklet writes, and what CVAT exports."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError, iterparse
from xml.parsers.expat import ExpatError, ParserCreate

import numpy as np
from jaxtyping import Bool

from masklet.io.formats.cvat import FILE, SCORE
from masklet.io.formats.picture import AnnotatedPicture, ObjectMask
from masklet.io.formats.reading import group_shapes, naming, one_line, picture_name, picture_size, single_file
from masklet.ops.polygons import Polygon, polygons_to_mask

AREAS = ("mask", "polygon")
"""The elements that are read."""

MOST_FRAMES = 1 << 24
"""More than three days of 60 frames a second: what claims to be longer is damaged."""

Size = tuple[int, int]


class _Shape(NamedTuple):
    """What is kept of a shape until it is decoded."""

    kind: str
    attributes: Mapping[str, str]
    score: float | None


_Tracked = tuple[int, str, _Shape]
"""An object's id and label, and its shape on a frame."""


def read_cvat(path: Path) -> Iterator[AnnotatedPicture]:
    """The pictures or frames in an annotations.xml, or in the folder it is in.

    Masks and polygons are read; other shapes, which are drawn around an object or through it, are left out. In a
    picture, shapes of one label and one group are one object; shapes without a group are numbered after the others. In
    a video, an object is numbered one more than its track, frames are called as CVAT calls them (frame_000007.png), and
    what CVAT makes up between two frames of a track is not: the object is absent there. A video's shapes are held in
    memory, pictures one at a time. ValueError, naming the file and the entry, for what cannot be read;
    FileNotFoundError.
    """
    file = single_file(path, FILE)
    frames = range(0)
    size: Size | None = None
    has_pictures = False
    tracked: dict[int, list[_Tracked]] = {}
    for element in _entries(file):
        if element.tag == "meta":
            with naming(f"{file}, meta"):
                frames, size = _read_meta(element)
        elif element.tag == "image":
            with naming(f"{file}, image {element.get('name')}"):
                picture = _picture(element)
            has_pictures = True
            yield picture
        elif element.tag == "track":
            with naming(f"{file}, track {element.get('id')}"):
                _add_track(element, tracked)
    if tracked and size is None:
        raise ValueError(f"{file} has tracks, but no original_size in its meta: the size of the video is not known")
    if size is not None and not has_pictures:  # a video's frames, too, can be exported as pictures
        for frame in sorted(tracked.keys() | frames):
            with naming(f"{file}, frame {frame}"):
                picture = _frame(frame, size, tracked.get(frame, []))
            yield picture


def _entries(file: Path) -> Iterator[Element]:
    """The elements directly below the root, one at a time."""
    _refuse_entities(file)
    root: Element | None = None
    depth = 0
    try:
        for event, element in iterparse(file, events=("start", "end")):
            depth += 1 if event == "start" else -1
            if root is None:
                root = element
                if element.tag != "annotations":
                    raise ValueError(f"{file} is no annotation file of CVAT: it holds <{element.tag}>")
            elif event == "end" and depth == 1:
                yield element
                root.clear()
    except ParseError as error:
        raise ValueError(f"{file} is no XML ({error}): export it again") from error


def _refuse_entities(file: Path) -> None:
    """ValueError for a file that defines entities, which can be made to fill all memory. CVAT's own have none."""

    def refuse(name: str, *_: object) -> None:
        raise ValueError(f"{file} defines the entity {name}, which CVAT's files do not: export it again")

    def stop(*_: object) -> None:
        raise _RootBegins

    parser = ParserCreate()
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = stop  # entities are defined before it
    with file.open("rb") as stream, suppress(_RootBegins, ExpatError):
        parser.ParseFile(stream)


class _RootBegins(Exception):
    """The first element was come to."""


def _read_meta(meta: Element) -> tuple[range, Size | None]:
    """A video's frames and size; no frames and None for pictures, and where the size is not given."""
    original = next(meta.iter("original_size"), None)
    if original is None:
        return range(0), None
    size = picture_size(int(original.findtext("height", "")), int(original.findtext("width", "")))
    first, last = (next(meta.iter(name), None) for name in ("start_frame", "stop_frame"))
    if first is None or last is None:
        return range(0), size
    frames = range(int(first.text or ""), int(last.text or "") + 1)
    if frames.stop > MOST_FRAMES:
        raise ValueError(f"its last frame is {frames.stop - 1}, and no video has more than {MOST_FRAMES}")
    return frames, size


def _picture(image: Element) -> AnnotatedPicture:
    size = picture_size(int(image.attrib["height"]), int(image.attrib["width"]))
    # Group 0 is none.
    shapes = (
        (one_line(shape.attributes["label"]), int(shape.attributes.get("group_id", 0)) or None, shape)
        for shape in _shapes(image)
    )
    return AnnotatedPicture(
        name=picture_name(image.attrib["name"]),
        height=size[0],
        width=size[1],
        objects=tuple(_object(found, size, id_, label) for id_, label, found in group_shapes(shapes)),
    )


def _add_track(track: Element, tracked: dict[int, list[_Tracked]]) -> None:
    """Add an object's shapes to those of the frames they are on."""
    id_, label = int(track.attrib["id"]) + 1, one_line(track.attrib["label"])
    for shape in _shapes(track):
        if shape.attributes.get("outside") != "1":
            tracked.setdefault(int(shape.attributes["frame"]), []).append((id_, label, shape))


def _frame(frame: int, size: Size, tracked: list[_Tracked]) -> AnnotatedPicture:
    objects = tuple(_object([shape], size, id_, label) for id_, label, shape in sorted(tracked, key=itemgetter(0)))
    return AnnotatedPicture(
        name=f"frame_{frame:06d}.png", height=size[0], width=size[1], objects=objects, frame_index=frame
    )


def _shapes(element: Element) -> Iterator[_Shape]:
    for child in element:
        if child.tag in AREAS:
            score = next((found.text for found in child.iter("attribute") if found.get("name") == SCORE), None)
            yield _Shape(child.tag, child.attrib, float(score) if score else None)


def _object(shapes: list[_Shape], size: Size, id_: int, label: str) -> ObjectMask:
    mask = np.zeros(size, bool)
    for shape in shapes:
        if shape.kind == "mask":
            _draw_mask(shape.attributes, mask)
        else:
            points = [pair.split(",") for pair in shape.attributes["points"].split(";")]
            mask |= polygons_to_mask([Polygon(np.array(points, float))], size)
    return ObjectMask.of_mask(mask, id_, label=label, score=shapes[0].score)


def _draw_mask(attributes: Mapping[str, str], mask: Bool[np.ndarray, "H W"]) -> None:
    left, top, width, height = (int(attributes[name]) for name in ("left", "top", "width", "height"))
    runs = np.array(attributes["rle"].split(","), np.int64)
    if min(left, top) < 0 or left + width > mask.shape[1] or top + height > mask.shape[0]:
        raise ValueError(f"the box of a mask, {(left, top, width, height)}, lies outside")
    if (runs < 0).any() or (runs > width * height).any() or runs.sum() != width * height:
        raise ValueError(f"the runs of a mask do not fill its {width} x {height} pixels")
    mask[top : top + height, left : left + width] |= np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(
        height, width
    )
