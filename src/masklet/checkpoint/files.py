"""Checkpoint files: what is read from one, and how one is written.

Nothing in a file is ever run: `.pt` files are unpickled with `weights_only`. Files are written under a temporary name
in their own folder and then renamed, so a reader never meets half a file.
"""

import json
import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from masklet.checkpoint.layouts import State
from masklet.config import ModelConfig

EXPECTED = 'a .pt file with tensors by name (in its entry "model", or bare) or a .safetensors file'
CONFIG_KEY = "masklet_config"
"""Where a file says its model's configuration: in the header of a safetensors file, beside "model" in a .pt file."""

SAFETENSORS, SAFETENSORS_INDEX = "model.safetensors", "model.safetensors.index.json"
HF_CONFIG = "config.json"
_ZIP_START, _PICKLE_START = b"PK\x03\x04", b"\x80"


@dataclass(frozen=True)
class Contents:
    """What a checkpoint holds. config: masklet's own configuration values, if it says them. hf_config: the values of
    the config.json beside it, if there is one."""

    state: State
    config: dict[str, Any] | None = None
    hf_config: dict[str, Any] | None = field(default=None, repr=False)


def read(path: str | Path) -> Contents:
    """Read a checkpoint: a .pt or .safetensors file, or a folder with one.

    FileNotFoundError where there is none; ValueError, which names the file, where it is damaged, foreign, or pickled
    code.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if path.is_dir():
        path = _in_folder(path)
    contents = _read_shards(path) if path.name.endswith(".index.json") else _read_file(path)
    hf_config = path.parent / HF_CONFIG
    if hf_config.is_file():
        return Contents(contents.state, contents.config, _read_json(hf_config))
    return contents


def stated_config(contents: Contents) -> ModelConfig | None:
    """The configuration that a checkpoint itself states, if it does."""
    return None if contents.config is None else ModelConfig.from_dict(contents.config)


def _in_folder(folder: Path) -> Path:
    for name in (SAFETENSORS, SAFETENSORS_INDEX):
        if (folder / name).is_file():
            return folder / name
    found = sorted(p for p in folder.iterdir() if p.suffix in (".safetensors", ".pt", ".pth"))
    if len(found) == 1:
        return found[0]
    what = f"holds {len(found)} checkpoints: name one of them" if found else "holds no checkpoint"
    raise ValueError(f"the folder {folder} {what}; expected {SAFETENSORS} or {EXPECTED}")


def _read_file(path: Path) -> Contents:
    with path.open("rb") as file:
        start = file.read(9)
    if start.startswith(_ZIP_START) or start.startswith(_PICKLE_START):
        return _read_pt(path, start)
    if path.suffix == ".safetensors" or start[8:9] == b"{":
        return _read_safetensors(path)
    what = "is empty" if not start else "is no checkpoint, or a damaged one"
    raise ValueError(f"{path} {what}; expected {EXPECTED}")


def _read_pt(path: Path, start: bytes) -> Contents:
    zipped = zipfile.is_zipfile(path)
    if start.startswith(_ZIP_START) and not zipped:
        raise ValueError(f"{path} is truncated: its end is missing; expected {EXPECTED}")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL (\S+)", str(error))
        if code is None:
            raise ValueError(f"{path} is damaged: {_first_line(error)}; expected {EXPECTED}") from None
        raise ValueError(
            f"{path} holds pickled code ({code[1]}) beside its tensors. It was not run, and nothing was loaded; "
            f"expected {EXPECTED}"
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} is truncated or damaged: {_first_line(error)}; expected {EXPECTED}") from None
    if not isinstance(loaded, Mapping):
        raise ValueError(f"{path} holds a {type(loaded).__name__}, not tensors by name; expected {EXPECTED}")
    config = loaded.get(CONFIG_KEY)
    inner = loaded.get("model", loaded)
    if not isinstance(inner, Mapping):
        raise ValueError(f'{path} has an entry "model" that is no table of tensors; expected {EXPECTED}')
    return Contents(_tensors(inner, path), json.loads(config) if isinstance(config, str) else None)


def _read_safetensors(path: Path) -> Contents:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{path} is truncated or damaged: {_first_line(error)}; expected {EXPECTED}") from None
    config = metadata.get(CONFIG_KEY)
    return Contents(_tensors(state, path), json.loads(config) if config else None)


def _read_shards(index: Path) -> Contents:
    places = _read_json(index).get("weight_map")
    if not isinstance(places, dict):
        raise ValueError(f'{index} has no "weight_map"; expected the index of a sharded checkpoint')
    state: State = {}
    for name in sorted(set(places.values())):
        shard = index.parent / Path(name).name
        if not shard.is_file():
            raise FileNotFoundError(f"{shard} is missing, a part of the checkpoint {index}")
        state.update(_read_safetensors(shard).state)
    return Contents(state)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} is not readable as JSON: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path} is not a JSON object")
    return values


def _tensors(values: Mapping[Any, Any], path: Path) -> State:
    for name, value in values.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(
                f"{path} has an entry {name!r} that is a {type(value).__name__}, no tensor; expected {EXPECTED}"
            )
    return {name: tensor.detach() for name, tensor in values.items()}


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
