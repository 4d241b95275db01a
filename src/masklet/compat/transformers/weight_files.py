"""Writing a model's weights as `transformers` does: one safetensors file, or several with an index of what is where."""

from pathlib import Path

import torch
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors.torch import save_file

from masklet.checkpoint.files import SAFETENSORS, SAFETENSORS_INDEX
from masklet.checkpoint.layouts import State
from masklet.io.files import write_atomically, write_json


def write_weights(folder: Path, state: State, max_shard_size: int | str) -> None:
    """Write tensors into a folder, under their names; weights that were there before are removed.

    max_shard_size: of a file, in bytes or such as "500MB".
    """
    # Each with storage of its own: a file cannot hold two names of one.
    own = {
        name: tensor.detach().to("cpu").clone(memory_format=torch.contiguous_format) for name, tensor in state.items()
    }
    split = split_torch_state_dict_into_shards(own, max_shard_size=max_shard_size)
    for file, names in split.filename_to_tensors.items():
        with write_atomically(folder / file) as temporary:
            save_file({name: own[name] for name in names}, temporary, {"format": "pt"})
    written = set(split.filename_to_tensors)
    if split.is_sharded:
        write_json(folder / SAFETENSORS_INDEX, {"metadata": split.metadata, "weight_map": split.tensor_to_filename})
        written.add(SAFETENSORS_INDEX)
    for former in (folder / SAFETENSORS, folder / SAFETENSORS_INDEX, *folder.glob("model-*-of-*.safetensors")):
        if former.name not in written:
            former.unlink(missing_ok=True)
