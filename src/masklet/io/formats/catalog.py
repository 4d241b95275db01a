"""The annotation formats there are, by name."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from masklet.io.formats.coco import CocoWriter, read_coco
from masklet.io.formats.cvat import CvatWriter
from masklet.io.formats.cvat_reader import read_cvat
from masklet.io.formats.geojson import GeojsonWriter, read_geojson
from masklet.io.formats.label_studio import LabelStudioWriter, read_label_studio
from masklet.io.formats.labelme import LabelmeWriter, read_labelme
from masklet.io.formats.picture import AnnotatedPicture, VideoInfo
from masklet.io.formats.png import PngWriter, read_png
from masklet.io.formats.sa1b import Sa1bWriter, read_sa1b
from masklet.io.formats.sav import SavWriter, read_sav
from masklet.io.formats.voc import VocWriter, read_voc
from masklet.io.formats.writer import AnnotationWriter
from masklet.io.formats.yolo import YoloWriter, read_yolo


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format. writer: called with the folder and `video=`. reader: called with a path, which may be that folder.

    description: one line for those who choose. pictures: whether the reader is given `pictures=`, the folder of the
    pictures: a format that keeps no sizes needs it, one that keeps no extensions takes it, to tell the pictures' names.
    marks: names, or patterns of them, of files and folders that belong to this format alone, by which it is recognised.
    has_tracks: whether a video's objects keep their ids in its own way; other formats take frames as pictures.
    video_only: whether it knows nothing but videos.
    """

    writer: Callable[..., AnnotationWriter]
    reader: Callable[..., Iterator[AnnotatedPicture]]
    description: str
    marks: tuple[str, ...] = ()
    pictures: Literal["unused", "taken", "needed"] = "unused"
    has_tracks: bool = False
    video_only: bool = False


FORMATS: Mapping[str, Format] = {
    "coco": Format(
        writer=CocoWriter,
        reader=read_coco,
        description="COCO: annotations.json of all pictures, exact masks as RLE; of a video with tracks",
        marks=("annotations.json",),
        has_tracks=True,
    ),
    "sa1b": Format(
        writer=Sa1bWriter,
        reader=read_sa1b,
        description="SA-1B: STEM.json of each picture, exact masks as RLE",
    ),
    "yolo": Format(
        writer=YoloWriter,
        reader=read_yolo,
        description="YOLO segmentation: labels/STEM.txt of outlines and data.yaml, to train Ultralytics' models with",
        marks=("data.yaml",),
        pictures="needed",
    ),
    "voc": Format(
        writer=VocWriter,
        reader=read_voc,
        description="Pascal VOC and DAVIS: PNG label maps of objects and of classes, one object a pixel",
        marks=("SegmentationObject",),
        pictures="taken",
    ),
    "png": Format(
        writer=PngWriter,
        reader=read_png,
        description="PNG: STEM/ID.png, an exact mask an object, 255 inside",
        pictures="taken",
    ),
    "geojson": Format(
        writer=GeojsonWriter,
        reader=read_geojson,
        description="GeoJSON: STEM.geojson of polygons with holes, in pixels",
        marks=("*.geojson",),
        pictures="taken",
    ),
    "labelme": Format(
        writer=LabelmeWriter,
        reader=read_labelme,
        description="LabelMe: STEM.json beside each picture, exact masks",
    ),
    "label-studio": Format(
        writer=LabelStudioWriter,
        reader=read_label_studio,
        description="Label Studio: label_studio.json of tasks with brush masks to correct, and the interface for them",
        marks=("label_studio.json",),
    ),
    "cvat": Format(
        writer=CvatWriter,
        reader=read_cvat,
        description="CVAT: annotations.xml, of exact masks in pictures, or of tracks of polygons in a video",
        marks=("annotations.xml",),
        has_tracks=True,
    ),
    "sav": Format(
        writer=SavWriter,
        reader=read_sav,
        description="SA-V: VIDEO_manual.json, a video's exact masks of every fourth frame",
        marks=("*_manual.json", "*_auto.json"),
        has_tracks=True,
        video_only=True,
    ),
}
"""The formats by name."""


def open_writer(format: str, folder: str | Path, *, video: VideoInfo | None = None) -> AnnotationWriter:
    """A writer of a format into a folder. video: the video that the pictures are frames of.

    ValueError for a format that there is not, listing those there are, and for one of videos alone without a video;
    OSError where nothing can be written.
    """
    found = find_format(format)
    if found.video_only and video is None:
        raise ValueError(f"the format {format} is of videos alone: choose another one for pictures")
    return found.writer(Path(folder), video=video)


def read_annotations(
    format: str, path: str | Path, *, pictures: str | Path | None = None
) -> Iterator[AnnotatedPicture]:
    """The pictures in a file of a format, or in the folder that a writer was given, one after another.

    pictures: the folder of the pictures themselves, which formats without sizes need. ValueError for a format that
    there is not, a folder of pictures that is lacking, and files that are damaged; FileNotFoundError.
    """
    found = find_format(format)
    if found.pictures == "needed" and pictures is None:
        raise ValueError(f"{format} files do not say how large the pictures are: give the folder of the pictures too")
    options: dict[str, Any] = {}
    if found.pictures != "unused":
        options["pictures"] = None if pictures is None else Path(pictures)
    return found.reader(Path(path), **options)


def find_format(name: str) -> Format:
    """The format of a name. ValueError lists the names there are."""
    if name not in FORMATS:
        raise ValueError(f"there is no annotation format {name!r}: choose one of {', '.join(FORMATS)}")
    return FORMATS[name]
