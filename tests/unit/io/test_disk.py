"""Tensors on disk: the same when they come back, and gone when nobody needs them."""

import gc

import pytest
import torch

from masklet.io.disk import KeepOnDisk


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.bool])
def test_a_tensor_comes_back_as_it_was(tmp_path, dtype):
    keep = KeepOnDisk(tmp_path)
    tensor = (torch.arange(12).view(3, 4) % 5).to(dtype)
    kept = keep(tensor.T)  # not contiguous
    assert kept.load().dtype == dtype
    assert torch.equal(kept.load(), tensor.T)


def test_each_tensor_has_its_file_for_as_long_as_it_lives(tmp_path):
    keep = KeepOnDisk(tmp_path / "made" / "here")
    kept = [keep(torch.full((2,), i)) for i in range(3)]
    assert len(list(keep.folder.iterdir())) == 3
    assert [int(part.load()[0]) for part in kept] == [0, 1, 2]
    del kept[1]
    gc.collect()
    assert len(list(keep.folder.iterdir())) == 2
    assert [int(part.load()[0]) for part in kept] == [0, 2]


def test_the_folder_goes_with_its_keeper_and_spares_the_others(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    first, second = KeepOnDisk(tmp_path), KeepOnDisk(tmp_path)
    kept, lost = first(torch.ones(1)), second(torch.zeros(1))
    assert first.folder != second.folder
    assert {first.folder.parent, second.folder.parent} == {tmp_path}
    gone = second.folder
    del second
    gc.collect()
    assert not gone.exists()
    assert kept.load() == 1
    assert (tmp_path / "notes.txt").exists()
    del lost  # its file is gone already


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        KeepOnDisk(tmp_path / "file")


def test_what_was_loaded_does_not_hang_on_its_file(tmp_path):
    keep = KeepOnDisk(tmp_path)
    kept = keep(torch.ones(64, 64))
    loaded = kept.load()
    with kept._path.open("r+b") as file:  # as mapped memory would show
        file.write(bytes(kept._path.stat().st_size))
    assert torch.equal(loaded, torch.ones(64, 64))
