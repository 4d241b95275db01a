"""`masklet models`: which there are, getting one, converting one, and looking into a file."""

from pathlib import Path

import torch
from cyclopts import App

from masklet.checkpoint import registry
from masklet.checkpoint.convert import CheckpointInfo, convert, inspect
from masklet.checkpoint.locate import BUNDLED, bundled_file
from masklet.checkpoint.names import Layout
from masklet.cli.console import UsageError, say, show_rows
from masklet.config import PRESETS, ModelConfig
from masklet.model import Sam2

models = App(
    name="models",
    help="List, download, convert and inspect checkpoints.\n\nFor example:\n\n    masklet models list",
    help_format="markdown",
)


@models.command(name="list")
def list_models() -> None:
    """List the models that have names: how large they are, and where their weights lie on this machine.

    For example:

        masklet models list
    """
    rows = [
        (name, count_parameters(config), f"{config.image_size} px", _whereabouts(name))
        for name, config in PRESETS.items()
    ]
    show_rows(("name", "parameters", "image size", "weights"), rows)


@models.command
def download(name: str, /) -> None:
    """Download a published checkpoint to the hub's cache, unless it is there, and print its path.

    For example:

        masklet models download sam2.1_hiera_tiny

    Parameters
    ----------
    name
        A name from `masklet models list`, or a repository id like facebook/sam2.1-hiera-tiny.
    """
    published = registry.find(name)
    if published is None:
        if name == BUNDLED:
            raise UsageError(f"{BUNDLED} comes with masklet: there is nothing to download")
        known = ", ".join(entry.name for entry in registry.PUBLISHED)
        raise UsageError(f"no published checkpoint is called {name!r}; there are {known}")
    say(str(registry.download(published)))


@models.command(name="convert")
def convert_file(source: Path, target: Path, /, *, to: Layout) -> None:
    """Write a checkpoint in another layout. The source's layout and variant are recognised.

    For example:

        masklet models convert sam2.1_hiera_tiny.pt tiny.safetensors --to masklet
        masklet models convert sam2.1_hiera_tiny.pt tiny-hf --to hf-video

    Parameters
    ----------
    source
        A .pt or .safetensors file, or a folder with one.
    target
        What to write: a .pt or .safetensors file, or for the layouts of Hugging Face a folder.
    to
        Whose names the tensors get: the original project's, those of transformers' Sam2Model (hf-image) or
        Sam2VideoModel (hf-video), or masklet's.
    """
    info = convert(source, target, to)
    say(f"{info.path}: {info.variant or 'a SAM 2 model'} in the layout {info.layout}, {info.num_tensors} tensors")


@models.command(name="inspect")
def inspect_file(file: Path, /) -> int:
    """Say what a checkpoint is, and what is wrong with it; exit code 1 if something is.

    For example:

        masklet models inspect sam2.1_hiera_tiny.pt

    Parameters
    ----------
    file
        A .pt or .safetensors file, or a folder with one.
    """
    info = inspect(file)
    show_rows(("", ""), describe(info))
    return 1 if info.problems or info.config is None else 0


def describe(info: CheckpointInfo) -> list[tuple[str, str]]:
    """What is known of a checkpoint, as names and values."""
    unknown = "unknown: its shapes are those of no known model"
    dtype = "mixed" if info.dtype is None else str(info.dtype).removeprefix("torch.")
    rows = [
        ("file", str(info.path)),
        ("variant", info.variant or ("none of the named ones" if info.config else unknown)),
        ("layout", str(info.layout)),
        ("tensors", f"{info.num_tensors} of {dtype}"),
        ("parameters", f"{info.num_parameters:,}"),
        ("memory", "yes" if info.has_memory else "no: for still images alone"),
    ]
    if info.config:
        rows.append(("image size", f"{info.config.image_size} px"))
    rows.append(("problems", str(info.problems) if info.problems else "none"))
    return rows


def count_parameters(config: ModelConfig) -> str:
    """Parameters of a model, in millions."""
    with torch.device("meta"):
        model = Sam2(config)
    return f"{sum(parameter.numel() for parameter in model.parameters()) / 1e6:.1f} M"


def _whereabouts(name: str) -> str:
    published = registry.find(name)
    if published is None:
        return "comes with masklet" if bundled_file().is_file() else "not in this installation"
    cached = registry.locate_cached(published)
    return str(cached) if cached else f"not here yet ({published.repo_id})"
