"""Writing checkpoints, in any layout, whole or not at all."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from masklet.checkpoint import hf_config
from masklet.checkpoint.files import CONFIG_KEY, FORMAT, FORMAT_KEY, HF_CONFIG, SAFETENSORS
from masklet.checkpoint.layouts import State, from_native, holds_memory
from masklet.checkpoint.names import Layout
from masklet.config import PRESETS, ModelConfig
from masklet.io.files import write_atomically
from masklet.model import Sam2

PT_SUFFIXES = (".pt", ".pth")


def save_model(
    model: Sam2, path: str | Path, layout: Layout | str = Layout.MASKLET, *, dtype: torch.dtype | None = None
) -> Path:
    """Write a model; see `save`."""
    return save(path, model.state_dict(), model.config, layout, dtype=dtype)


def save(
    path: str | Path,
    state: State,
    config: ModelConfig,
    layout: Layout | str = Layout.MASKLET,
    *,
    dtype: torch.dtype | None = None,
) -> Path:
    """Write a model's tensors, under native names, in a layout. Returns the path of the file with the tensors.

    The path's ending says the container: .pt or .pth, .safetensors, or for Hugging Face's layouts a folder, which gets
    model.safetensors and config.json. dtype: converts the tensors; None writes them as they are. Missing folders are
    made. ValueError: a container that the layout does not come in, or a layout with memory parts that are not there.
    """
    path, layout = Path(path), Layout(layout)
    if layout in (Layout.OFFICIAL, Layout.HF_VIDEO) and not holds_memory(state, Layout.MASKLET):
        raise ValueError(
            f"{path} cannot be written: these are the still-image parts of a model alone, and the {layout} layout has "
            "memory parts"
        )
    target = container(path, layout)
    hf_values = hf_config.to_hf(config, layout) if target != path else None
    tensors = _separate(from_native(state, layout), dtype)
    stated = json.dumps(config.to_dict())
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix in PT_SUFFIXES:
        contents: dict[str, Any] = {"model": tensors}
        if config not in PRESETS.values():  # whose tensors' shapes tell everything
            contents[CONFIG_KEY] = stated
        with write_atomically(target) as temporary, temporary.open("wb") as file:
            torch.save(contents, file)  # given a path, it would write its name into the file
    else:
        header = {"format": "pt", FORMAT_KEY: FORMAT, CONFIG_KEY: stated}
        with write_atomically(target) as temporary:
            save_file(tensors, temporary, header)
    if hf_values:
        text = json.dumps(hf_values, indent=2) + "\n"
        with write_atomically(path / HF_CONFIG) as temporary:
            temporary.write_text(text)
    return target


def container(path: Path, layout: Layout) -> Path:
    """The file that `save` would write the tensors to."""
    if path.suffix in (*PT_SUFFIXES, ".safetensors") and not path.is_dir():
        return path
    if layout in (Layout.HF_IMAGE, Layout.HF_VIDEO):
        return path / SAFETENSORS
    raise ValueError(f"cannot write the {layout} layout to {path}: its name must end in .safetensors or .pt")


def _separate(state: State, dtype: torch.dtype | None) -> State:
    """Contiguous tensors with storage of their own, which is what can be written."""
    seen: set[int] = set()
    separate: State = {}
    for name, tensor in state.items():
        tensor = tensor.detach().to("cpu", dtype)
        shared = tensor.untyped_storage().nbytes() != tensor.nbytes or tensor.data_ptr() in seen
        tensor = tensor.clone(memory_format=torch.contiguous_format) if shared else tensor.contiguous()
        seen.add(tensor.data_ptr())
        separate[name] = tensor
    return separate
