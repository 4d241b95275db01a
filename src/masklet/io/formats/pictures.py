"""The pictures that annotation files belong to, where a file tells neither its picture's size nor its whole name."""

from pathlib import Path

from masklet.io.decode import upright_size
from masklet.io.formats.reading import naming

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".JPG", ".JPEG", ".PNG")


def name_picture(pictures: Path | None, stem: str, extension: str) -> str:
    """The name of a picture, found by its stem in the folder of pictures; without one it gets this extension."""
    return f"{stem}{extension}" if pictures is None else find_picture(pictures, stem)[0]


def find_picture(pictures: Path, stem: str) -> tuple[str, tuple[int, int]]:
    """The name, relative to the folder, and (height, width) of the picture with this stem, which may have folders.

    FileNotFoundError if there is none; ValueError where it is no picture.
    """
    for extension in EXTENSIONS:
        name = f"{stem}{extension}"
        if (pictures / name).is_file():
            with naming(str(pictures / name)):
                return name, upright_size(pictures / name)
    raise FileNotFoundError(f"there is no picture {stem}.jpg, .png or the like in {pictures}: give its folder")
