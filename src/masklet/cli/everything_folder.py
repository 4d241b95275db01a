"""What `masklet everything` leaves in its folder for pictures, and how a run that was stopped goes on.

STEM.overlay.jpg   the picture with its masks
STEM.json          the masks with their scores, as SA-1B has them: written last, so it says that the picture is done
run.json           the options, and which picture each STEM is
FORMAT/            annotations of all pictures, made from the STEM.json when these are there
"""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from masklet.cli.inputs import output_stems
from masklet.cli.run_file import check_same_run, read_run
from masklet.io.files import write_json
from masklet.io.formats.picture import AnnotatedPicture
from masklet.io.formats.sa1b import read_sa1b_file

RUN = "run"
"""Stem that no picture gets."""

PICTURES = "pictures"
"""Entry of run.json: the pictures by stem."""


@dataclass(frozen=True)
class PicturesFolder:
    """The output folder of a run over `pictures`, by the stems of what is written of them."""

    path: Path
    pictures: Mapping[str, Path]

    @classmethod
    def of(cls, path: Path, pictures: Sequence[Path]) -> "PicturesFolder":
        """A folder for these pictures; none is called like run.json."""
        stems = output_stems([Path(RUN), *pictures])[1:]
        return cls(path, dict(zip(stems, pictures, strict=True)))

    @property
    def run(self) -> Path:
        """Options, and pictures by stem."""
        return self.path / f"{RUN}.json"

    def annotations(self, stem: str) -> Path:
        """Masks and scores of a picture; there if it is done."""
        return self.path / f"{stem}.json"

    def overlay(self, stem: str) -> Path:
        """The picture to look at."""
        return self.path / f"{stem}.overlay.jpg"

    def done(self, run: dict[str, Any]) -> set[str]:
        """The stems of pictures that are done. UsageError if that was another run.

        A stem that was another picture's, before pictures came or went, is not done.
        """
        if not self.run.exists():
            return set()
        check_same_run(self.run, run)
        known = recorded_pictures(self.run)
        return {
            stem
            for stem, picture in self.pictures.items()
            if known.get(stem) == _absolute(picture) and self.annotations(stem).exists()
        }

    def begin(self, run: dict[str, Any], done: Collection[str]) -> None:
        """Make the folder, remove what is not done of these pictures, and write down what this run is.

        So does what the run before has left of these under other stems and, unless some are done, of other pictures.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        now = {stem: _absolute(path) for stem, path in self.pictures.items()}
        known = recorded_pictures(self.run)
        earlier = [stem for stem, path in known.items() if not done or path in now.values()]
        for stem in {*self.pictures, *earlier} - {*done}:
            self.annotations(stem).unlink(missing_ok=True)
            self.overlay(stem).unlink(missing_ok=True)
        write_json(self.run, {**run, PICTURES: now})

    def finished(self) -> list[str]:
        """The stems of this run's pictures that are done by now, in their order."""
        return [stem for stem, path in self.pictures.items() if path.exists() and self.annotations(stem).exists()]

    @cached_property
    def names(self) -> dict[str, str]:
        """What annotations call the pictures that are there, or done: their paths from the folder they all lie in."""
        paths = {
            stem: Path(_absolute(path))
            for stem, path in self.pictures.items()
            if path.exists() or self.annotations(stem).exists()
        }
        root = os.path.commonpath([path.parent for path in paths.values()]) if paths else ""
        return {stem: path.relative_to(root).as_posix() for stem, path in paths.items()}

    def read(self, stem: str) -> AnnotatedPicture:
        """The masks of a picture that is done, called as it is called in this run."""
        return replace(read_sa1b_file(self.annotations(stem)), name=self.names[stem])


def recorded_pictures(run: Path) -> dict[str, str]:
    """The pictures by stem that a run.json tells of; none where it is of another kind of run."""
    known = read_run(run).get(PICTURES)
    if not isinstance(known, dict):
        return {}
    return {stem: path for stem, path in known.items() if Path(stem).name == stem and isinstance(path, str)}


def _absolute(path: Path) -> str:
    """As the user sees it, so links are not followed."""
    return Path(os.path.abspath(path)).as_posix()  # noqa: PTH100 (Path.absolute keeps "..")
