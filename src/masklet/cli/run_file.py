"""run.json in the output folder of a command: what a run was asked for, so that only the same one goes on."""

import json
import os
from pathlib import Path
from typing import Any

from masklet.cli.console import UsageError

NO_OPTIONS = ("video", "prompts")
"""Entries that are not the names of options."""


def read_run(path: Path) -> dict[str, Any]:
    """What a run was asked for; nothing where there is no file of one, or a damaged one."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # ValueError: of UTF-8 as well as of JSON
        return {}
    return known if isinstance(known, dict) else {}


def check_same_run(path: Path, now: dict[str, Any]) -> None:
    """UsageError, naming what differs, if another run than `now` was written down in the file at `path`."""
    known = read_run(path)
    if not known:
        raise UsageError(f"{path} is damaged: leave --resume out to start anew")
    wanted = json.loads(json.dumps(now))
    differing = [name for name, value in wanted.items() if known.get(name) != value]
    if differing:
        given = [name if name in NO_OPTIONS else f"--{name.replace('_', '-')}" for name in differing]
        raise UsageError(
            f"{path.parent} holds a run with another choice of {' and '.join(given)}: give the same as before, or "
            "leave --resume out to start anew"
        )


def check_writable(folder: Path) -> None:
    """UsageError, before any work is done, for an output folder that is a file or cannot be written to."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise UsageError(f"--output {folder} cannot be a folder, since {place} is a file: name another")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UsageError(f"--output {folder} cannot be written to, for lack of permission: name another folder")
