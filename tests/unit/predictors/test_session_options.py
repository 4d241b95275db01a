"""Options of a session: where tensors are put, and what means nothing."""

import pytest
import torch

from masklet.io.disk import KeepOnDisk
from masklet.predictors.session_options import DEFAULT_OPTIONS, SessionOptions


def test_on_the_device_a_tensor_stays_where_it_is():
    assert DEFAULT_OPTIONS.keeper()(torch.ones(2, device="meta")).load().device.type == "meta"


def test_on_the_cpu_it_is_brought_there():
    assert SessionOptions(state="cpu").keeper()(torch.ones(2)).load().device.type == "cpu"
    with pytest.raises(NotImplementedError, match="meta"):  # proof that it is moved: this one has no data
        SessionOptions(state="cpu").keeper()(torch.ones(2, device="meta"))


def test_a_path_is_a_folder_for_files(tmp_path):
    keep = SessionOptions(state=tmp_path).keeper()
    assert isinstance(keep, KeepOnDisk)
    assert keep.folder.parent == tmp_path


@pytest.mark.parametrize("state", ["disk", "/tmp/folder", None])
def test_other_places_are_refused(state):
    with pytest.raises(ValueError, match="'device', 'cpu' or a Path"):
        SessionOptions(state=state)
