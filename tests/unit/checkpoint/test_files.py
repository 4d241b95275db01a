import json
import os
import pickle
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from masklet.checkpoint import files
from masklet.checkpoint.layouts import from_native
from masklet.checkpoint.names import Layout
from masklet.checkpoint.save import save
from masklet.config import PRESETS


class Payload:
    """Pickled, it would make a folder when it is read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def same(state, other):
    return sorted(state) == sorted(other) and all(
        state[name].dtype == other[name].dtype and torch.equal(state[name], other[name]) for name in state
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize("file", ["m.pt", "m.safetensors"])
def test_files_keep_every_bit_and_the_configuration(file, layout, dtype, config, make_state, tmp_path):
    state = make_state(config, dtype)
    path = save(tmp_path / file, state, config, layout)
    contents = files.read(path)
    assert same(contents.state, from_native(state, layout))
    assert contents.config == config
    assert [p.name for p in tmp_path.iterdir()] == [file], "no temporary file is left"


def test_a_dtype_converts(config, make_state, tmp_path):
    state = make_state(config)
    contents = files.read(save(tmp_path / "m.safetensors", state, config, dtype=torch.float16))
    assert same(contents.state, {name: tensor.half() for name, tensor in state.items()})


def test_a_preset_in_the_official_layout_is_written_as_upstream_does(make_state, tmp_path):
    config = PRESETS["nano"]
    path = save(tmp_path / "new" / "nano.pt", make_state(config), config, "official")
    assert list(torch.load(path, weights_only=True)) == ["model"]
    other_size = save(tmp_path / "nano512.pt", make_state(config), config.with_image_size(512), "official")
    assert files.read(other_size).config == config.with_image_size(512)


def test_a_safetensors_header_states_configuration_and_format(config, make_state, tmp_path):
    path = save(tmp_path / "m.safetensors", make_state(config), config)
    raw = path.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])["__metadata__"]
    assert json.loads(header["masklet_config"])["dim"] == config.dim
    assert header["masklet_format"] == "1"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(config, make_state, tmp_path, monkeypatch):
    path = tmp_path / "m.pt"
    path.write_bytes(b"old")

    def fail(contents, file):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save(path, make_state(config), config)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_can_be_replaced_by_what_was_read_from_it(config, make_state, tmp_path):
    path = save(tmp_path / "m.pt", make_state(config), config, "official")
    state = files.read(path).state
    torch.save({"model": state}, tmp_path / "copy.pt")
    (tmp_path / "copy.pt").replace(path)
    assert same(files.read(path).state, state)


def test_a_bare_state_dict_and_extra_entries_beside_the_model_are_read(config, make_state, tmp_path):
    state = make_state(config)
    torch.save(state, tmp_path / "bare.pt")
    torch.save({"model": state, "epoch": 3, "optimizer": {"lr": 0.1}, "loss": None}, tmp_path / "training.pt")
    torch.save(state, tmp_path / "legacy.pt", _use_new_zipfile_serialization=False)
    for name in ("bare", "training", "legacy"):
        assert same(files.read(tmp_path / f"{name}.pt").state, state)


def test_parameters_are_read_as_tensors(tmp_path):
    torch.save({"model": {"a": torch.nn.Parameter(torch.ones(2))}}, tmp_path / "p.pt")
    assert not files.read(tmp_path / "p.pt").state["a"].requires_grad


def test_a_folder_with_one_checkpoint_is_read(config, make_state, tmp_path):
    state = make_state(config)
    save(tmp_path / "weights.pt", state, config)
    assert same(files.read(tmp_path).state, state)
    save(tmp_path / "more.pt", state, config)
    with pytest.raises(ValueError, match="holds 2 checkpoints: name one"):
        files.read(tmp_path)


def test_a_file_that_is_being_written_is_no_checkpoint_of_a_folder(config, make_state, tmp_path):
    state = make_state(config)
    save(tmp_path / "weights.pt", state, config)
    (tmp_path / ".half.pt").write_bytes(b"PK")
    assert same(files.read(tmp_path).state, state)


def test_shards_are_read_through_their_index(config, make_state, tmp_path):
    state = from_native(make_state(config), Layout.OFFICIAL)
    names = sorted(state)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, part in parts.items():
        save_file({name: state[name].contiguous().clone() for name in part}, tmp_path / file)
    index = {"weight_map": {name: file for file, part in parts.items() for name in part}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert same(files.read(tmp_path).state, state)
    (tmp_path / "b.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"b\.safetensors is missing"):
        files.read(tmp_path)


@pytest.mark.parametrize("wrap", [lambda bad: {"model": bad}, lambda bad: bad, lambda bad: {"model": {"a": bad}}])
@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_code_is_refused_and_not_run(wrap, zipped, tmp_path):
    folder, path = tmp_path / "made", tmp_path / "evil.pt"
    torch.save(wrap(Payload(folder)), path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"evil\.pt holds pickled code \(\S*mkdir\).*was not run"):
        files.read(path)
    assert not folder.exists()


def test_plain_pickles_are_refused_and_not_run(tmp_path):
    folder, path = tmp_path / "made", tmp_path / "evil.pt"
    path.write_bytes(pickle.dumps(Payload(folder)))
    with pytest.raises(ValueError, match=r"evil\.pt"):
        files.read(path)
    assert not folder.exists()


@pytest.mark.parametrize("file", ["m.pt", "m.safetensors"])
@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.999])
def test_truncated_files_are_refused(file, share, config, make_state, tmp_path):
    path = save(tmp_path / file, make_state(config), config)
    raw = path.read_bytes()
    path.write_bytes(raw[: max(10, int(len(raw) * share))])
    with pytest.raises(ValueError, match=rf"{file} is truncated.*expected"):
        files.read(path)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ""])
@pytest.mark.parametrize("content", [b"", b"x", b"a text, not weights\n" * 10, bytes(range(256)) * 4, b"\x80\x04junk"])
def test_what_is_no_checkpoint_is_refused(suffix, content, tmp_path):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"file(\.\w+)? (is|holds) .*expected"):
        files.read(path)


@pytest.mark.parametrize("value", [[1, 2], "text", torch.ones(3), {"model": 5}, {"a": 1}, {1: torch.ones(1)}])
def test_pt_files_without_tensors_by_name_are_refused(value, tmp_path):
    torch.save(value, tmp_path / "odd.pt")
    with pytest.raises(ValueError, match=r"odd\.pt (holds|has)"):
        files.read(tmp_path / "odd.pt")


def test_zip_archives_of_other_things_are_refused(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "photos.pt", "w") as archive:
        archive.writestr("a.txt", "hello")
    with pytest.raises(ValueError, match=r"photos\.pt is truncated or damaged"):
        files.read(tmp_path / "photos.pt")


def test_missing_files_and_empty_folders_are_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none\.pt"):
        files.read(tmp_path / "none.pt")
    with pytest.raises(ValueError, match="holds no checkpoint"):
        files.read(tmp_path)


def test_later_formats_are_refused(tmp_path):
    save_file({"a": torch.ones(1)}, tmp_path / "m.safetensors", {"masklet_format": "2"})
    with pytest.raises(ValueError, match="of masklet's checkpoint format 2; this version reads format 1"):
        files.read(tmp_path / "m.safetensors")


@pytest.mark.parametrize("text", ["{", "[]", '{"size": 3}', '{"image_size": 100}', '{"image_size": "x"}'])
def test_unreadable_configurations_are_refused(text, tmp_path):
    save_file({"a": torch.ones(1)}, tmp_path / "m.safetensors", {"masklet_config": text})
    with pytest.raises(ValueError, match=r"m\.safetensors states a configuration that cannot be read"):
        files.read(tmp_path / "m.safetensors")


def test_only_hugging_face_comes_in_folders(config, make_state, tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.safetensors or \.pt"):
        save(tmp_path / "folder", make_state(config), config, "official")
    path = save(tmp_path / "folder", make_state(config), config, "hf-video")
    assert sorted(p.name for p in path.parent.iterdir()) == ["config.json", "model.safetensors"]
    assert files.read(path.parent).hint == config
    assert files.read(path.parent).config == config


def test_a_broken_config_json_is_named(config, make_state, tmp_path):
    save(tmp_path, make_state(config), config, "hf-image")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json"):
        files.read(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "sam2", "vision_config": {"fpn_top_down_levels": [3]}}')
    with pytest.raises(ValueError, match=r"fpn_top_down_levels \[3\]"):
        files.read(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    assert files.read(tmp_path).hint is None


def test_unknown_layouts_are_refused(config, make_state, tmp_path):
    with pytest.raises(ValueError, match="'onnx' is not a valid Layout"):
        save(tmp_path / "m.pt", make_state(config), config, "onnx")


def test_a_switch_that_a_file_does_not_state_is_read_from_its_tensors(make_state, tmp_path):
    config = replace(PRESETS["nano"], pointer_time_encoding=False, absence_embedding=False)
    state = make_state(config)
    assert "absence" not in state
    torch.save({"model": state}, tmp_path / "m.pt")
    assert files.read(tmp_path / "m.pt").config is None


def test_the_ending_of_a_name_does_not_matter(config, make_state, tmp_path):
    state = make_state(config)
    for written, named in (("m.pt", "m.safetensors"), ("n.safetensors", "m.pt"), ("o.pt", "o"), ("p.safetensors", "p")):
        save(tmp_path / written, state, config).rename(tmp_path / named)
        assert same(files.read(tmp_path / named).state, state)


def test_a_safetensors_header_whose_length_begins_like_a_pickle(config, make_state, tmp_path):
    path = tmp_path / "m.safetensors"
    for padding in range(0, 512, 8):
        save_file({"a": torch.ones(1)}, path, {"note": "x" * padding})
        if path.read_bytes()[0] == 0x80:
            break
    assert path.read_bytes()[0] == 0x80
    assert files.read(path).state["a"].item() == 1


def test_a_tar_archive_is_not_read(tmp_path):
    """Whatever its first member is called: its name is what the file begins with."""
    (tmp_path / "payload").write_bytes(b"nothing")
    with tarfile.open(tmp_path / "m.pt", "w", format=tarfile.USTAR_FORMAT, encoding="latin-1") as archive:
        archive.add(tmp_path / "payload", arcname="\x80payload")
    assert (tmp_path / "m.pt").read_bytes()[:1] == b"\x80"
    with pytest.raises(ValueError, match="tar archive"):
        files.read(tmp_path / "m.pt")
