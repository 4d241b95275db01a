"""Prepared pictures on disk: parts, each a folder that is written whole or not at all and names what it was made of.

What a part is made of is not prepared again, so preparation goes on where it stopped, and more pictures can be added.
Parts lie in `root/prepared`; one of cut-outs holds

- `cutouts.npy` uint8, all cut-outs one after the other, RGBA with colours multiplied by alpha, and
- `cutouts_index.npy` int64 (N, 4): offset, height, width, kind (index into `cutouts.KINDS`);

one of views, which are photographs squashed to a square as the model sees pictures, holds

- `views_rgb.npy` uint8 (V, S, S, 3), `views_labels.npy` uint16 (V, S, S), `views_members.npy` bool (V, R, P)
  and `views_scores.npy` float32 (V, R): regions as `regions.Regions` has them. A score of 0 is padding.

Both hold `sources.json`, a list of names.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np


def prepared_folder(root: Path) -> Path:
    """Where parts lie."""
    return root / "prepared"


def find_parts(root: Path, file: str) -> list[Path]:
    """Folders that hold a file of this name, in order."""
    prepared = prepared_folder(root)
    folders = [prepared, *sorted(path for path in prepared.glob("*") if path.name[0] != ".")]
    return [folder for folder in folders if (folder / file).is_file()]


def write_part(root: Path, kind: str, arrays: Mapping[str, np.ndarray], sources: Sequence[str]) -> Path:
    """Write arrays by file name (without .npy) as the next part of a kind. Only one process may write at a time."""
    prepared = prepared_folder(root)
    temporary = prepared / f".{kind}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for name, array in arrays.items():
        np.save(temporary / f"{name}.npy", array)
    (temporary / "sources.json").write_text(json.dumps(list(sources)), encoding="utf-8")
    number = 1 + max((int(path.name.rpartition("-")[2]) for path in prepared.glob(f"{kind}-*")), default=-1)
    return temporary.rename(prepared / f"{kind}-{number:04d}")


def read_sources(root: Path, kind: str) -> set[str]:
    """The names of all that parts of a kind were made of."""
    files = prepared_folder(root).glob(f"{kind}-*/sources.json")
    return {name for file in files for name in json.loads(file.read_text(encoding="utf-8"))}
