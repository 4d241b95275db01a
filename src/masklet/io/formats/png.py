"""A PNG an object: 255 inside, 0 outside. The plainest way, and one that keeps masks that overlap.

STEM/ID.png     the mask of the object ID; of a video STEM is the frame's

Labels and scores are not kept, nor pictures without an object.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path, PurePosixPath

from masklet.io.files import read_mask_png, write_mask_png
from masklet.io.formats.picture import AnnotatedPicture, ObjectMask
from masklet.io.formats.pictures import name_picture
from masklet.io.formats.reading import files_in, naming
from masklet.io.formats.writer import StagedWriter, picture_stem


class PngWriter(StagedWriter):
    """Writes STEM/ID.png. Objects without a pixel are left out. What an earlier run left of the same pictures goes."""

    by_stem = True

    def _add(self, picture: AnnotatedPicture) -> None:
        for found in picture.visible:
            write_mask_png(self._stage(f"{picture_stem(picture.name)}/{found.id}.png"), found.mask)

    def _place(self) -> None:
        for stem in self._written:
            for stale in (self.folder / stem).glob("*.png"):
                if stale.stem.isdecimal():
                    stale.unlink()
        super()._place()


def read_png(path: Path, *, pictures: Path | None = None) -> Iterator[AnnotatedPicture]:
    """The pictures of a folder, in the order of their names; without `pictures` they are called STEM.png.

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
            name = name_picture(pictures, str(folder), ".png")
            yield AnnotatedPicture(name=name, height=height, width=width, objects=tuple(objects))
