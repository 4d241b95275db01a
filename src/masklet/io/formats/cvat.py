"""CVAT (cvat.ai), XML 1.1: what it exports and imports as "CVAT for images" and "CVAT for video".

    annotations.xml     pictures: masks by picture. video: a track of polygons an object.

Masks in pictures are exact: a box, and inside it runs of outside and inside, row by row. CVAT has no tracks of masks
(it keeps the first mask of such a track), so a video's objects become polygons, with a hole or a second part joined by
a cut of no width; points are rounded to a hundredth of a pixel. Who needs exact masks of a video writes its frames as
pictures.

CVAT imports labels that a task has: give the task the labels that the file's `meta` lists. Give each an attribute
`score` of the type text to keep the scores, which are dropped otherwise. In pictures an object's id is its group; in
videos its track's number, which CVAT counts from 0, so it is one less.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from xml.etree.ElementTree import Element, SubElement, indent, tostring
from xml.sax.saxutils import quoteattr

import numpy as np

from masklet.io.formats.frame_order import check_frame
from masklet.io.formats.picture import CONTROL, AnnotatedPicture, ObjectMask, VideoInfo
from masklet.io.formats.writer import AnnotationWriter
from masklet.ops.polygons import mask_to_polygons
from masklet.ops.rings import join_rings

FILE = "annotations.xml"

SCORE = "score"
"""An attribute of each label."""


@dataclass(kw_only=True)
class _Track:
    """What is kept in memory of an object: its first label, and its last polygon while it is to be seen."""

    label: str
    points: str | None = None


class CvatWriter(AnnotationWriter):
    """Writes annotations.xml: masks by picture, or with `video` tracks of polygons.

    Pictures leave out objects without a pixel; tracks say from when on an object is not to be seen. Frames of a video
    are written in order and have a frame_index; if some are passed over, CVAT moves the polygons in between. An object
    that changes its label keeps its first. What is written waits in a file an object until the end.
    """

    def __init__(self, folder: str | Path, *, video: VideoInfo | None = None) -> None:
        super().__init__(folder, video=video)
        self._labels: dict[str, None] = {}  # in the order they came
        self._tracks: dict[int, _Track] = {}
        self._frames = range(0)
        self._pictures = self._open("pictures")

    def _add(self, picture: AnnotatedPicture) -> None:
        if self.video is None:
            self._add_picture(picture)
        else:
            self._add_frame(picture, check_frame(picture, self.video, self._frames.stop))
        self._labels |= dict.fromkeys(found.label for found in picture.visible)

    def _add_picture(self, picture: AnnotatedPicture) -> None:
        index = self.num_pictures if picture.frame_index is None else picture.frame_index
        image = Element("image", _texts(id=index, name=picture.name, width=picture.width, height=picture.height))
        image.extend(_mask_element(found) for found in picture.visible)
        self._pictures.write(_line(image))

    def _add_frame(self, picture: AnnotatedPicture, frame: int) -> None:
        visible = {found.id: found for found in picture.visible}
        for id_ in self._tracks.keys() - visible.keys():
            self._end_track(id_, frame)
        for id_, found in visible.items():
            track = self._tracks.setdefault(id_, _Track(label=found.label))
            track.points = _points(found)
            self._add_shape(id_, _polygon_element(frame, track.points, score=found.score))
        self._frames = range(self._frames.start if self._frames else frame, frame + 1)

    def _end_track(self, id_: int, frame: int) -> None:
        """Say that the object is not to be seen from this frame on, if it was before."""
        points, self._tracks[id_].points = self._tracks[id_].points, None
        if points is not None:
            self._add_shape(id_, _polygon_element(frame, points, outside=True))

    def _add_shape(self, id_: int, element: Element) -> None:
        # Opened each time: there may be more objects than files that a process may have open.
        with self._stage(f"tracks/{id_}").open("a", encoding="utf-8", newline="\n") as file:
            file.write(_line(element))

    def _finish(self) -> None:
        self._pictures.close()
        num_frames = self.video.num_frames if self.video else None
        if num_frames is not None and self._frames.stop < num_frames:
            for id_ in self._tracks:
                self._end_track(id_, self._frames.stop)
        with self._open(FILE) as file:
            file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n')
            frames = self._frames if self.video else range(self.num_pictures)
            file.write(_line(_meta(self.video, frames, list(self._labels))))
            self._move(self._stage("pictures"), file)
            for id_, track in sorted(self._tracks.items()):
                file.write(f'<track id="{id_ - 1}" label={quoteattr(track.label)} source="auto">\n')
                self._move(self._stage(f"tracks/{id_}"), file)
                file.write("</track>\n")
            file.write("</annotations>\n")

    def _move(self, part: Path, file: TextIO) -> None:
        with part.open(encoding="utf-8", newline="\n") as lines:
            shutil.copyfileobj(lines, file)
        part.unlink()


def _meta(video: VideoInfo | None, frames: range, labels: list[str]) -> Element:
    """What the file is of. CVAT itself does not read it, but others that read its files do."""
    meta = Element("meta")
    task = SubElement(meta, "task")
    texts: dict[str, object] = {
        "name": CONTROL.sub("", video.name) if video else "masklet",
        "size": len(frames),
        "mode": "interpolation" if video else "annotation",
        "start_frame": frames.start,
        "stop_frame": max(frames.stop - 1, 0),
    }
    _add_texts(task, texts)
    if video is not None:
        _add_texts(SubElement(task, "original_size"), {"width": video.width, "height": video.height})
    listed = SubElement(task, "labels")
    for label in labels:
        element = SubElement(listed, "label")
        _add_texts(element, {"name": label})
        attribute = SubElement(SubElement(element, "attributes"), "attribute")
        _add_texts(attribute, {"name": SCORE, "mutable": True, "input_type": "text", "default_value": "", "values": ""})
    indent(meta)
    return meta


def _mask_element(found: ObjectMask) -> Element:
    left, top, width, height = found.box
    crop = found.mask[top : top + height, left : left + width].ravel()
    changes = np.flatnonzero(crop[1:] != crop[:-1]) + 1
    runs = np.diff(changes, prepend=0, append=crop.size).tolist()
    attributes = _texts(
        label=found.label,
        source="auto",
        occluded=0,
        rle=", ".join(map(str, [0, *runs] if crop[0] else runs)),
        left=left,
        top=top,
        width=width,
        height=height,
        z_order=0,
        group_id=found.id,
    )
    return _with_score(Element("mask", attributes), found.score)


def _polygon_element(frame: int, points: str, *, outside: bool = False, score: float | None = None) -> Element:
    attributes = _texts(frame=frame, keyframe=1, outside=int(outside), occluded=0, points=points, z_order=0)
    return _with_score(Element("polygon", attributes), score)


def _points(found: ObjectMask) -> str:
    """One ring around all parts of an object."""
    ring = join_rings([ring for polygon in mask_to_polygons(found.mask) for ring in polygon.rings])
    return ";".join(f"{x:.2f},{y:.2f}" for x, y in ring.tolist())


def _with_score(element: Element, score: float | None) -> Element:
    if score is not None:
        SubElement(element, "attribute", name=SCORE).text = repr(float(score))
    return element


def _texts(**values: object) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _add_texts(element: Element, values: dict[str, object]) -> None:
    for name, text in _texts(**values).items():
        SubElement(element, name).text = text


def _line(element: Element) -> str:
    return tostring(element, encoding="unicode") + "\n"
