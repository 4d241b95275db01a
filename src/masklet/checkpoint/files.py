"""Checkpoint files: what is read from one, and how one is written.

Nothing in a file is ever run: `.pt` files are unpickled with `weights_only`. Files are written under a hidden temporary
name in their own folder and then renamed, and hidden files are not looked for, so a reader never meets half a file.
"""

import json
import pickle
import re
import tarfile
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from masklet.checkpoint import hf_config
from masklet.checkpoint.layouts import State
from masklet.config import ModelConfig

EXPECTED = 'a .pt file with tensors by name (in its entry "model", or bare) or a .safetensors file'
CONFIG_KEY = "masklet_config"
"""Where a file says its model's configuration: in the header of a safetensors file, beside "model" in a .pt file."""
FORMAT_KEY, FORMAT = "masklet_format", "1"

SAFETENSORS, SAFETENSORS_INDEX = "model.safetensors", "model.safetensors.index.json"
HF_CONFIG = "config.json"
_ZIP_START, _PICKLE_START = b"PK\x03\x04", b"\x80"


@dataclass(frozen=True)
class Contents:
    """What a checkpoint holds: tensors, under the names of the file.

    path: what was read, a file or a folder. config: the model's configuration, if the file states it. hint: what a
    Hugging Face config.json beside it says.
    """

    path: Path
    state: State
    config: ModelConfig | None = None
    hint: ModelConfig | None = None


_StateAndConfig = tuple[State, ModelConfig | None]


def read(path: str | Path) -> Contents:
    """Read a checkpoint: a .pt or .safetensors file, or a folder with one.

    FileNotFoundError where there is none; ValueError, which names the file, where it is damaged, foreign, or pickled
    code.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    file = _in_folder(path) if path.is_dir() else path
    state, config = _read_shards(file) if file.name.endswith(".index.json") else _read_file(file)
    config_file = file.parent / HF_CONFIG
    has_hint = file.suffix == ".safetensors" and config_file.is_file()
    return Contents(path, state, config, _read_hf_config(config_file) if has_hint else None)


def _in_folder(folder: Path) -> Path:
    for name in (SAFETENSORS, SAFETENSORS_INDEX):
        if (folder / name).is_file():
            return folder / name
    found = sorted(p for p in folder.glob("[!.]*") if p.suffix in (".safetensors", ".pt", ".pth"))
    if len(found) == 1:
        return found[0]
    what = f"holds {len(found)} checkpoints: name one of them" if found else "holds no checkpoint"
    raise ValueError(f"the folder {folder} {what}; expected {SAFETENSORS} or {EXPECTED}")


def _read_file(path: Path) -> _StateAndConfig:
    with path.open("rb") as file:
        start = file.read(9)
    if start[8:9] == b"{":  # after the header's length, which may begin like anything
        return _read_safetensors(path)
    if start.startswith((_ZIP_START, _PICKLE_START)):
        return _read_pt(path, start)
    if path.suffix == ".safetensors" and start:
        return _read_safetensors(path)
    what = "is empty" if not start else "is no checkpoint, or a damaged one"
    raise ValueError(f"{path} {what}; expected {EXPECTED}")


def _read_pt(path: Path, start: bytes) -> _StateAndConfig:
    zipped = zipfile.is_zipfile(path)
    if start.startswith(_ZIP_START) and not zipped:
        raise ValueError(f"{path} is truncated: its end is missing; expected {EXPECTED}")
    if not zipped and tarfile.is_tarfile(path):  # torch once read pickles out of these without its guard
        raise ValueError(f"{path} is a tar archive, which may hold pickled code and was not read; expected {EXPECTED}")
    mapped = zipped and path.suffix != ".safetensors"  # torch, given a path, goes by its ending
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")  # torch's remarks on how a pickle was made, which our errors replace
            loaded = torch.load(path if mapped else file, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL (\S+)", str(error))
        if code is None:
            raise ValueError(f"{path} is damaged, or pickled in a way that is not read; expected {EXPECTED}") from None
        raise ValueError(
            f"{path} holds pickled code ({code[1]}) beside its tensors. It was not run, and nothing was loaded; "
            f"expected {EXPECTED}"
        ) from None
    except Exception as error:  # a damaged pickle can raise anything
        raise ValueError(f"{path} is truncated or damaged: {first_line(error)}; expected {EXPECTED}") from None
    if not isinstance(loaded, Mapping):
        raise ValueError(f"{path} holds a {type(loaded).__name__}, not tensors by name; expected {EXPECTED}")
    inner = loaded.get("model", loaded)
    if not isinstance(inner, Mapping):
        raise ValueError(f'{path} has an entry "model" that is no table of tensors; expected {EXPECTED}')
    config = loaded.get(CONFIG_KEY) if inner is not loaded else None
    return _tensors(inner, path), _stated_config(config, path)


def _read_safetensors(path: Path) -> _StateAndConfig:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{path} is truncated or damaged: {first_line(error)}; expected {EXPECTED}") from None
    if metadata.get(FORMAT_KEY, FORMAT) != FORMAT:
        raise ValueError(
            f"{path} is of masklet's checkpoint format {metadata[FORMAT_KEY]}; this version reads format {FORMAT}"
        )
    return state, _stated_config(metadata.get(CONFIG_KEY), path)


def _read_shards(index: Path) -> _StateAndConfig:
    places = _read_json(index).get("weight_map")
    if not isinstance(places, dict):
        raise ValueError(f'{index} has no "weight_map"; expected the index of a sharded checkpoint')
    state: State = {}
    for name in sorted(set(places.values())):
        shard = index.parent / Path(name).name
        if not shard.is_file():
            raise FileNotFoundError(f"{shard} is missing, a part of the checkpoint {index}")
        state.update(_read_safetensors(shard)[0])
    return state, None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} is not readable as JSON: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path} is not a JSON object")
    return values


def _read_hf_config(path: Path) -> ModelConfig | None:
    try:
        return hf_config.from_hf(_read_json(path))
    except (TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is not the configuration of a SAM 2 model that can be built: {error}") from None


def _stated_config(text: object, path: Path) -> ModelConfig | None:
    if text is None:
        return None
    try:
        return ModelConfig.from_dict(json.loads(str(text)))
    except (TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} states a configuration that cannot be read: {error}") from None


def _tensors(values: Mapping[Any, Any], path: Path) -> State:
    for name, value in values.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(
                f"{path} has an entry {name!r} that is a {type(value).__name__}, no tensor; expected {EXPECTED}"
            )
    return {name: tensor.detach() for name, tensor in values.items()}


def first_line(error: BaseException) -> str:
    """What an error says, in one line without its full stop; its type where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
