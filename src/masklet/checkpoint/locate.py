"""From what somebody calls a model to the file of its weights."""

from importlib import resources
from pathlib import Path

from masklet.checkpoint import registry

BUNDLED = "nano"
"""Name of the model that comes with masklet."""


def bundled_file() -> Path:
    """Where the weights of `BUNDLED` are in an installation that has them."""
    return Path(str(resources.files("masklet") / "weights" / f"{BUNDLED}.safetensors"))


def locate(source: str | Path) -> Path:
    """The file of a name or path, downloaded if need be.

    A name comes first, so that what lies in the current folder does not matter. ValueError: an unknown name.
    FileNotFoundError: no such file. ConnectionError: it cannot be downloaded now.
    """
    if not str(source):
        raise ValueError("the model's name is empty: give a name, such as 'nano', or the path of a checkpoint")
    if source == BUNDLED:
        file = bundled_file()
        if not file.is_file():
            raise FileNotFoundError(
                f"the weights of {BUNDLED!r}, which come with masklet, are not in this installation ({file})"
            )
        return file
    published = registry.find(source) if isinstance(source, str) else None
    if published and source == published.name:
        return registry.download(published)
    path = Path(source).expanduser()
    if path.exists():
        return path
    if published:
        return registry.download(published)
    if isinstance(source, Path) or source.endswith((".pt", ".pth", ".safetensors")) or len(path.parts) > 1:
        raise FileNotFoundError(f"there is no file {path}")
    names = ", ".join((BUNDLED, *(known.name for known in registry.PUBLISHED)))
    raise ValueError(f"no model is named {source!r}, and there is no such file; the names are {names}")
