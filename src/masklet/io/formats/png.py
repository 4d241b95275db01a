"""A PNG an object: 255 inside, 0 outside. The plainest way, and one that keeps masks that overlap.

STEM/ID.png     the mask of the object ID; of a video STEM is the frame's

Labels and scores are not kept, nor pictures without an object.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path, PurePosixPath

from masklet.io.files import read_mask_png, write_mask_png
from masklet.io.formats.picture import AnnotatedPicture, ObjectMask
from masklet.io.formats.pictures import name_picture
from masklet.io.formats.reading import files_in, naming
from masklet.io.formats.writer import AnnotationWriter, picture_stem

OBJECT_FILE = re.compile(r"[1-9][0-9]*\.png")


class PngWriter(AnnotationWriter):
    """Writes STEM/ID.png. Objects without a pixel are left out. What an earlier run left of the same pictures goes."""

    by_stem = True

    def _add(self, picture: AnnotatedPicture) -> None:
        for found in picture.visible:
            write_mask_png(self._stage(f"{picture_stem(picture.name)}/{found.id}.png"), found.mask)

    def _place(self) -> None:
        placed = {file.relative_to(self._staging) for file in self._staging.rglob("*.png")}
        super()._place()
        for stem in self._written:
            for stale in (self.folder / stem).glob("*.png"):
                # 00017.png is not of an earlier run, but maybe a frame of a video.
                if OBJECT_FILE.fullmatch(stale.name) and stale.relative_to(self.folder) not in placed:
                    stale.unlink()


def read_png(path: Path, *, pictures: Path | None = None) -> Iterator[AnnotatedPicture]:
    """The pictures of a folder, in the order of their names; without `pictures` they are called STEM.png.

    The folder may be that of one picture, STEM, or `path` one of the masks in it.
    FileNotFoundError; ValueError, naming the file, for masks of different sizes, and what is no picture.
    """
    places = [(PurePosixPath(folder), file) for file, folder in files_in(path, ".png") if file.stem.isdecimal()]
    for folder, found in groupby(sorted(places), key=lambda place: place[0]):
        objects = []
        for _, file in sorted(found, key=lambda place: int(place[1].stem)):
            with naming(str(file)):
                objects.append(ObjectMask.of_mask(read_mask_png(file), int(file.stem)))
        with naming(str(path / folder)):
            height, width = objects[0].rle["size"]
            stem = str(folder) if folder.name else (path if path.is_dir() else path.parent).resolve().name
            name = name_picture(pictures, stem, ".png")
            yield AnnotatedPicture(name=name, height=height, width=width, objects=tuple(objects))
