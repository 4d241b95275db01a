"""The folder of an evaluation's results, which remembers what they came of, so that a run that was stopped goes on.

run.json says what it is: the data, the model and the options. The rest is said where the evaluation is: `vos_run`,
`interactive_run`.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from masklet.io.files import write_json

RUN = "run.json"
RESULTS = ("masks", "timings", "sequences")
OUTCOMES = ("scores.json", "results.json", "results.csv", "report.html")
"""What evaluations on videos put into a folder; nothing else is removed from it."""

HASH_LENGTH = 12
"""So many digits of a hash are shown."""


@dataclass(frozen=True)
class RunFolder:
    """Where the results of a run are."""

    path: Path

    kept: ClassVar[tuple[str, ...]] = ()
    """The folders in it, some of RESULTS, for what is kept from one time to the next."""

    @property
    def run(self) -> Path:
        """What the results came of."""
        return self.path / RUN

    def begin(self, description: Mapping[str, Any], *, overwrite: bool = False) -> None:
        """Begin a run, or go on with one of the same description; what comes last is removed.

        overwrite: remove what another run, of any evaluation, left. ValueError if one did, which says where the two
        differ, and for anything in the way that is not known to come of a run: that is never removed.
        """
        description = json.loads(json.dumps(dict(description)))
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(f"{self.path} is a file: a folder for results was expected")
        if self.run.exists():
            self._clear(description, overwrite)
        elif strange := [name for name in (*RESULTS, *OUTCOMES) if (self.path / name).exists()]:
            raise ValueError(
                f"{self.path / strange[0]} is there without {self.run}, so it is not known what it came of, and it is "
                "not removed: give another folder as --output"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.run, description)
        for name in self.kept:
            (self.path / name).mkdir(exist_ok=True)

    def describe(self) -> dict[str, Any]:
        """What the results came of. ValueError where that cannot be read, or is of something else."""
        try:
            known = json.loads(self.run.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{self.run} is damaged: {error}; give another folder, or remove this one") from error
        if not isinstance(known, dict) or "masklet" not in known:
            raise ValueError(f"{self.run} is no description of a run of masklet: give another folder")
        return known

    def _clear(self, description: Mapping[str, Any], overwrite: bool) -> None:
        """Remove what must go before the run goes on or begins anew. ValueError if it is another and must stay."""
        known = self.describe()
        names = [name for name in {**known, **description} if known.get(name) != description.get(name)]
        if names and not overwrite:
            differing = ", ".join(f"{name} {known.get(name)!r}, now {description.get(name)!r}" for name in names)
            raise ValueError(
                f"{self.path} has results of another run ({differing}): give another folder as --output, "
                "or --overwrite to begin anew"
            )
        for name in OUTCOMES:
            (self.path / name).unlink(missing_ok=True)
        if overwrite:
            self.run.unlink()  # first, so that half of what is removed is never taken for a whole run
            for folder in (self.path / name for name in RESULTS):
                if folder.exists():
                    shutil.rmtree(folder)


def run_facts(description: Mapping[str, Any]) -> dict[str, str]:
    """What a run's folder says that it came of, for a report: what is not set is left out, and hashes are cut."""
    facts = {}
    for name, value in description.items():
        if value is None or value is False:
            continue
        text = "yes" if value is True else f"{value:g}" if isinstance(value, float) else str(value)
        facts[name.replace("_", " ")] = text[:HASH_LENGTH] if name == "weights" else text
    return facts
