"""Which pictures a command works on, and what their outputs are called."""

import glob
from collections import Counter
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from masklet.cli.console import UsageError
from masklet.io.images import list_images, natural_key


def collect_images(sources: Sequence[Path], output: Path) -> tuple[list[Path], list[str]]:
    """The pictures to work on, each once, and what is wrong with folders that hold none.

    A folder that is written to as well is a UsageError: the next run would segment the overlays of this one. So is an
    output that is a file. A picture whose name is no text is left out, and told of too: no annotations can name it.
    """
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output {output} is a file: name a folder")
    files: dict[Path, Path] = {}
    failures = []
    for source in sources:
        if not source.is_dir():
            files.setdefault(source.resolve(), source)
            continue
        if source.resolve() == output.resolve():
            raise UsageError(f"{source} cannot be read and written to at once: give another folder as --output")
        found = list_images(source)
        if not found:
            failures.append(f"{source}: there are no pictures in this folder")
        for path in found:
            files.setdefault(path.resolve(), path)
    for path in [path for path in files if not _is_text(files[path])]:
        shown = str(files.pop(path)).encode("utf-8", "backslashreplace").decode("utf-8")
        failures.append(f"{shown}: this name is no UTF-8 text, so annotations cannot hold it: rename the picture")
    return list(files.values()), failures


def _is_text(path: Path) -> bool:
    """Whether a name can be written as UTF-8; some systems take any bytes for one."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def expand_patterns(sources: Sequence[str], output: Path) -> tuple[list[Path], list[str]]:
    """Paths as they are, and in place of patterns (*, ?, [ab], and ** for folders in folders) the pictures that match.

    What lies in the output folder matches no pattern: overlays of an earlier run would. The second value is what is
    wrong with patterns that match no picture.
    """
    paths: list[Path] = []
    failures = []
    for source in sources:
        if Path(source).exists() or not glob.has_magic(source):
            paths.append(Path(source))
            continue
        matches = {Path(match) for match in glob.glob(source, recursive=True)}  # noqa: PTH207 (of Path, "/a*" is none)
        folders = sorted(
            {match.parent for match in matches}, key=lambda folder: [natural_key(Path(part)) for part in folder.parts]
        )
        found = [path for folder in folders for path in list_images(folder) if path in matches]
        outside = [path for path in found if output.resolve() not in path.resolve().parents]
        if found and not outside:
            failures.append(f"{source}: all that match lie in the folder that is written to: give another as --output")
        elif not found:
            failures.append(f"{source}: no pictures match this")
        paths += outside
    return paths, failures


def output_stems(paths: Sequence[Path]) -> list[str]:
    """A name for each picture's outputs: its stem, and where several share it, as much more of the path as it takes."""
    stems = [path.stem for path in paths]
    for detail in range(1, max((len(path.parts) for path in paths), default=0) + 1):
        uses = Counter(map(str.casefold, stems))  # some file systems do not tell cases apart
        if len(uses) == len(stems):
            return stems
        stems = [
            _stem(path, detail) if uses[stem.casefold()] > 1 else stem for path, stem in zip(paths, stems, strict=True)
        ]
    taken: set[str] = set()
    for index, stem in enumerate(stems):
        numbers = count(2)
        while stems[index].casefold() in taken:
            stems[index] = f"{stem}-{next(numbers)}"
        taken.add(stems[index].casefold())
    return stems


def _stem(path: Path, detail: int) -> str:
    """cup-jpg, then photos-cup-jpg and so on up the path."""
    parents = [part for part in path.parts[:-1] if part.strip("./\\:")]
    shown = parents[max(0, len(parents) - detail + 1) :]
    return "-".join([*shown, path.stem, *([path.suffix[1:]] if path.suffix else [])])


def with_name(path: Path, error: Exception) -> str:
    """What an error says of a picture, with its name, unless it is told already."""
    text = str(error)
    return text if str(path) in text else f"{path}: {text}"
