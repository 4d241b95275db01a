"""What readers of annotation formats share: they find files, name the entry that cannot be read, and number objects."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from masklet.io.decode import MAX_PIXELS
from masklet.io.formats.picture import CONTROL, DEFAULT_LABEL

OF_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|[^/]*\\[^/]*$")
"""What a path of Windows begins with, or is: a drive, or no separator but the other one."""

Shape = TypeVar("Shape")


@contextmanager
def naming(entry: str) -> Iterator[None]:
    """Turns what goes wrong with a file's contents into a ValueError that names the entry.

    with naming(f"{path}, object 3"):
        label = value["label"]
    """
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{entry} cannot be read: it lacks {error}") from error
    except (
        ArithmeticError,
        AttributeError,
        IndexError,
        OSError,
        RecursionError,  # JSON in JSON in JSON
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(f"{entry} cannot be read: {error}") from error


def single_file(path: Path, name: str) -> Path:
    """The file itself, or the one of this name in a folder. FileNotFoundError if it is not there."""
    file = path / name if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}: give it, or the folder that {name} is in")
    return file


def files_in(path: Path, extension: str) -> list[tuple[Path, str]]:
    """The file itself, or those with this extension in a folder and those below; and the folder each is in, from there.

    In order of their names; hidden ones are left out. FileNotFoundError if there is none.
    """
    if path.is_file():
        return [(path, "")]
    places = [(file, file.relative_to(path)) for file in sorted(path.rglob(f"*{extension}")) if file.is_file()]
    found = [
        (file, place.parent.as_posix())
        for file, place in places
        if not any(part.startswith(".") for part in place.parts)
    ]
    if not found:
        raise FileNotFoundError(f"there is no file with the extension {extension} in {path}")
    return found


def read_json_list(file: Path) -> list[Any]:
    """The list that a JSON file holds. ValueError, naming the file, for another one."""
    with naming(str(file)):
        value = json.loads(file.read_bytes())
        if not isinstance(value, list):
            raise ValueError(f"a list was expected, not {type(value).__name__}")
        return value


def picture_name(path: object) -> str:
    """A picture's name within a folder, of whatever path a file gives: without drive, root, `.` and `..`."""
    text = str(path)
    if OF_WINDOWS.match(text):
        text = re.sub("^[A-Za-z]:", "", text).replace("\\", "/")
    return "/".join(part for part in PurePosixPath(text).parts if part not in ("/", "//", ".."))


def picture_size(height: Any, width: Any) -> tuple[int, int]:
    """(height, width) as whole numbers. ValueError for others, and for more pixels than any picture that is read."""
    size = int(height), int(width)
    if size != (height, width) and size != (float(height), float(width)):
        raise ValueError(f"its height and width are {height} and {width}: whole numbers of pixels were expected")
    if min(size) < 1 or size[0] * size[1] > MAX_PIXELS:
        raise ValueError(f"its height and width are {height} and {width}: 1 to {MAX_PIXELS} pixels were expected")
    return size


def check_rle_size(rle: Mapping[str, Any], size: tuple[int, int]) -> None:
    """ValueError where an RLE is of another size than its picture: found out before memory is taken for it."""
    if tuple(rle["size"]) != size:
        raise ValueError(f"its mask has the height and width {tuple(rle['size'])}, but the picture's are {size}")


def one_line(label: object) -> str:
    """A label as `ObjectMask` wants it: control characters become spaces, and nothing at all becomes "object"."""
    text = "" if label is None else str(label)
    text = CONTROL.sub(" ", text).strip() if CONTROL.search(text) else text
    return text if text.strip() else DEFAULT_LABEL


def number_objects(ids: Sequence[int | None]) -> list[int]:
    """An id for each object: its own where it has one from 1 that no earlier one has, else the next above all those."""
    numbers: list[int | None] = []
    taken = set()
    for id_ in ids:
        own = id_ if id_ is not None and id_ >= 1 and id_ not in taken else None
        numbers.append(own)
        taken.add(own)
    following = max((number for number in numbers if number is not None), default=0) + 1
    for place, number in enumerate(numbers):
        if number is None:
            numbers[place] = following
            following += 1
    return [number for number in numbers if number is not None]


def group_shapes(shapes: Iterable[tuple[str, object, Shape]]) -> list[tuple[int, str, list[Shape]]]:
    """The id, label and shapes of each object: shapes of one label and one group are one, those without a group alone.

    shapes: of each the label, the group or None, and the shape. A group is the object's id where `number_objects`
    leaves it.
    """
    grouped: dict[tuple[str, object, int | None], list[Shape]] = {}
    for index, (label, group, shape) in enumerate(shapes):
        grouped.setdefault((label, group, index if group is None else None), []).append(shape)
    ids = number_objects([group if isinstance(group, int) else None for _, group, _ in grouped])
    return [(id_, label, found) for id_, ((label, _, _), found) in zip(ids, grouped.items(), strict=True)]
