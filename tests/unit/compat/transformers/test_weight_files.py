import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from masklet.compat.transformers.weight_files import write_weights


def test_tensors_of_one_storage_are_written_under_both_names(tmp_path: Path):
    base = torch.arange(12.0).reshape(3, 4)
    state = {"a": base, "b": base, "c": base.T, "d": base[1:]}
    write_weights(tmp_path, state, "1GB")
    found = load_file(tmp_path / "model.safetensors")
    assert found.keys() == state.keys()
    for name, tensor in state.items():
        assert torch.equal(found[name], tensor)
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_several_files_have_an_index(tmp_path: Path):
    state = {name: torch.ones(100) for name in "abc"}
    write_weights(tmp_path, state, 500)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == 1200
    assert sorted(index["weight_map"]) == ["a", "b", "c"]
    assert len(set(index["weight_map"].values())) == 3
    for name, file in index["weight_map"].items():
        assert torch.equal(load_file(tmp_path / file)[name], state[name])
