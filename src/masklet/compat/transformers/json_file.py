"""Configurations and settings as JSON files, as `transformers` names the ways to write them."""

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from masklet.io.files import write_atomically


class JsonFile(ABC):
    """Something whose values, those of `to_dict`, can be shown and written as JSON."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """All values by name, as JSON can hold them."""

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.to_json_string()}"

    def to_json_string(self) -> str:
        """All values as JSON, in the order of their names."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    def to_json_file(self, json_file_path: str | Path) -> None:
        """Write all values as JSON. Missing folders are made."""
        path = Path(json_file_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as temporary:
            temporary.write_text(self.to_json_string(), encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. OSError, as of `transformers`, where it holds none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise OSError(f"{path} is not readable as JSON: {error}") from None
    if not isinstance(values, dict):
        raise OSError(f"{path} is not a JSON object")
    return values
