"""What readers of annotation formats share: they find files, name the entry that cannot be read, and number objects."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


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
    except (ArithmeticError, AttributeError, IndexError, OSError, TypeError, ValueError) as error:
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


def number_objects(ids: Sequence[int | None]) -> list[int]:
    """An id for each object: its own where it has one from 1 that no earlier one has, else the next above all those."""
    numbers = [
        id_ if id_ is not None and id_ >= 1 and id_ not in ids[:place] else None for place, id_ in enumerate(ids)
    ]
    following = max((number for number in numbers if number is not None), default=0) + 1
    for place, number in enumerate(numbers):
        if number is None:
            numbers[place] = following
            following += 1
    return [number for number in numbers if number is not None]
