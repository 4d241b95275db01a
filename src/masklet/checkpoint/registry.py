"""The published checkpoints: their names, where they are on the hub, and how one gets here."""

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import hf_hub_download

from masklet.config import PRESETS


@dataclass(frozen=True)
class Published:
    """A published checkpoint: masklet's name for it, its repository on the hub, and the files with its weights."""

    name: str
    repo_id: str
    pt_file: str
    safetensors_file: str = "model.safetensors"


def _published(name: str) -> Published:
    return Published(name, f"facebook/{name.replace('_', '-')}", f"{name}.pt")


PUBLISHED: tuple[Published, ...] = tuple(_published(name) for name in PRESETS if name.startswith("sam2"))
"""The eight checkpoints of SAM 2.0 and 2.1."""


def find(name: str) -> Published | None:
    """The published checkpoint of a name or repository id, in any case; None if there is none."""
    wanted = name.lower().replace("-", "_")
    for published in PUBLISHED:
        if wanted in (published.name, published.repo_id.replace("-", "_")):
            return published
    return None


def download(published: Published) -> Path:
    """The path of a published checkpoint's file in the hub's cache, downloaded if it is not there."""
    return Path(hf_hub_download(published.repo_id, published.pt_file))
