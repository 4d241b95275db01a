"""The folder of an evaluation's results, which remembers what they came of, so that a run that was stopped goes on.

run.json               the data, the model and the options
masks/                 see `prediction_folder`
timings/SEQUENCE.json  frames, objects and seconds
scores.json, results.csv, report.html
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masklet.io.files import write_json


@dataclass(frozen=True)
class RunFolder:
    """Where results are."""

    path: Path

    @property
    def run(self) -> Path:
        """What the results came of."""
        return self.path / "run.json"

    @property
    def masks(self) -> Path:
        """Predicted masks, a folder a sequence."""
        return self.path / "masks"

    @property
    def timings(self) -> Path:
        """How long each sequence took."""
        return self.path / "timings"

    @property
    def scores(self) -> Path:
        """J and F of each object and frame."""
        return self.path / "scores.json"

    @property
    def table(self) -> Path:
        """Scores of each object, as evaluators write them."""
        return self.path / "results.csv"

    @property
    def report(self) -> Path:
        """What is there to look at."""
        return self.path / "report.html"

    def begin(self, description: Mapping[str, Any], *, overwrite: bool = False) -> None:
        """Begin a run, or go on with one of the same description. Scores and the report, which come last, are removed.

        overwrite: remove what another run left. ValueError if one did, which says where the two differ.
        """
        description = json.loads(json.dumps(dict(description)))
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(f"{self.path} is a file: a folder for results was expected")
        if overwrite:
            for folder in (self.masks, self.timings):
                shutil.rmtree(folder, ignore_errors=True)
            self.run.unlink(missing_ok=True)
        else:
            require_same_run(self.run, self.masks, description)
        for outcome in (self.scores, self.table, self.report):
            outcome.unlink(missing_ok=True)
        for folder in (self.masks, self.timings):
            folder.mkdir(parents=True, exist_ok=True)
        write_json(self.run, description)

    def describe(self) -> dict[str, Any]:
        """What the results came of. ValueError where that cannot be read."""
        return read_description(self.run)


def read_description(run: Path) -> dict[str, Any]:
    """What a run.json says. ValueError where it cannot be read."""
    try:
        known = json.loads(run.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{run} is damaged: {error}; --overwrite begins anew") from error
    if not isinstance(known, dict):
        raise ValueError(f"{run} is no description of a run; --overwrite begins anew")
    return known


def require_same_run(run: Path, results: Path, description: Mapping[str, Any]) -> None:
    """ValueError where a folder's results came of something else, by its run.json, or of nobody knows what."""
    if not run.exists():
        if results.exists():
            raise ValueError(
                f"{results} is there without {run}, so it is not known what it came of: "
                "give another folder, or --overwrite to remove it"
            )
        return
    known = read_description(run)
    names = [name for name in {**known, **description} if known.get(name) != description.get(name)]
    if names:
        differing = ", ".join(f"{name} {known.get(name)!r}, now {description.get(name)!r}" for name in names)
        raise ValueError(
            f"{run.parent} has results of another run ({differing}): give another folder as --output, "
            "or --overwrite to begin anew"
        )
