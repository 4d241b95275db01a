"""Tensors put on disk while a session is under way, one file each, gone when they are no longer needed."""

import shutil
import tempfile
import weakref
from pathlib import Path
from uuid import uuid4

from safetensors.torch import load, save_file
from torch import Tensor


class TensorFile:
    """A tensor in a file, which is removed with this object."""

    def __init__(self, path: Path, tensor: Tensor) -> None:
        save_file({"tensor": tensor.contiguous().cpu()}, path)
        self._path = path
        self._remove = weakref.finalize(self, path.unlink, missing_ok=True)

    def load(self) -> Tensor:
        """The tensor, on the CPU."""
        # Not mapped into memory: Windows removes no file that is.
        return load(self._path.read_bytes())["tensor"]


class KeepOnDisk:
    """Keeps tensors in files, in a folder of its own inside `folder`, which is made if it is not there."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="masklet-state-", dir=folder))
        self._remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def __call__(self, tensor: Tensor) -> TensorFile:
        return TensorFile(self.folder / f"{uuid4().hex}.safetensors", tensor)
