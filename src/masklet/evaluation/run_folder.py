"""The folder of an evaluation's results, which remembers what they came of, so that a run that was stopped goes on.

run.json               the data, the model and the options
masks/                 see `prediction_folder`
timings/SEQUENCE.json  frames, objects and seconds
scores.json, results.csv, report.html
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masklet.io.files import write_json

RUN = "run.json"
RESULTS = ("masks", "timings", "sequences")
OUTCOMES = ("scores.json", "results.json", "results.csv", "report.html")
"""What evaluations on videos put into a folder; nothing else is removed from it."""

HASH_LENGTH = 12
"""So many digits of a hash are shown."""


@dataclass(frozen=True)
class RunFolder:
    """Where results are."""

    path: Path

    @property
    def run(self) -> Path:
        """What the results came of."""
        return self.path / RUN

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
        begin_run(self.path, description, results=(self.masks, self.timings), overwrite=overwrite)

    def describe(self) -> dict[str, Any]:
        """What the results came of. ValueError where that cannot be read."""
        return read_description(self.run)


def begin_run(
    folder: Path, description: Mapping[str, Any], *, results: Sequence[Path], overwrite: bool = False
) -> None:
    """Begin a run in a folder, or go on with one of the same description; what comes last is removed.

    results: the folders for what is kept from one time to the next, made here. overwrite: remove what another run, of
    any evaluation, left. ValueError if one did, which says where the two differ, and for anything in the way that is
    not known to come of a run: that is never removed.
    """
    description = json.loads(json.dumps(dict(description)))
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file: a folder for results was expected")
    run = folder / RUN
    if run.exists():
        known = read_description(run)
        if not overwrite:
            _require_same_run(run, known, description)
        for name in OUTCOMES:
            (folder / name).unlink(missing_ok=True)
        if overwrite:
            run.unlink()  # first, so that half of what is removed is never taken for a whole run
            for name in RESULTS:
                shutil.rmtree(folder / name, ignore_errors=True)
    elif strange := [name for name in (*RESULTS, *OUTCOMES) if (folder / name).exists()]:
        raise ValueError(
            f"{folder / strange[0]} is there without {run}, so it is not known what it came of, and it is not removed: "
            "give another folder as --output"
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(run, description)
    for path in results:
        path.mkdir(exist_ok=True)


def read_description(run: Path) -> dict[str, Any]:
    """What a run.json says. ValueError where it cannot be read, or is of something else."""
    try:
        known = json.loads(run.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{run} is damaged: {error}; give another folder, or remove this one") from error
    if not isinstance(known, dict) or "masklet" not in known:
        raise ValueError(f"{run} is no description of a run of masklet: give another folder")
    return known


def _require_same_run(run: Path, known: Mapping[str, Any], description: Mapping[str, Any]) -> None:
    """ValueError where a folder's results came of something else."""
    names = [name for name in {**known, **description} if known.get(name) != description.get(name)]
    if names:
        differing = ", ".join(f"{name} {known.get(name)!r}, now {description.get(name)!r}" for name in names)
        raise ValueError(
            f"{run.parent} has results of another run ({differing}): give another folder as --output, "
            "or --overwrite to begin anew"
        )


def run_facts(description: Mapping[str, Any]) -> dict[str, str]:
    """What a run's folder says that it came of, for a report: what is not set is left out, and hashes are cut."""
    facts = {}
    for name, value in description.items():
        if value is None or value is False:
            continue
        text = "yes" if value is True else f"{value:g}" if isinstance(value, float) else str(value)
        facts[name.replace("_", " ")] = text[:HASH_LENGTH] if name == "weights" else text
    return facts
