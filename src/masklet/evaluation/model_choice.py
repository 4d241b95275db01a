"""Which model is evaluated, said so that another process can load the same, and that a result tells what it came of."""

import hashlib
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch

from masklet.model import Sam2
from masklet.runtime.load import find_device, load_model

Precision: TypeAlias = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """What `load_model` is to load, and where. device: None takes the fastest there is."""

    source: str = "nano"
    device: str | None = None
    image_size: int | None = None
    dtype: Precision = "float32"
    compile: bool = False

    def load(self, worker: int = 0) -> Sam2:
        """The model, for one of several processes: where there are several GPUs and none was named, on its turn's."""
        return load_model(
            self.source,
            device=self.device_of(worker),
            dtype=getattr(torch, self.dtype),
            image_size=self.image_size,
            compile=self.compile,
        )

    def device_of(self, worker: int) -> torch.device:
        """Where a process runs the model. ValueError for a device that is not here."""
        device = find_device(self.device)
        if device.type == "cuda" and device.index is None:
            return torch.device("cuda", worker % torch.cuda.device_count())
        return device

    def describe(self) -> dict[str, Any]:
        """What results depend on, as JSON: the name, a hash of all weights, and how they are used."""
        model = load_model(self.source, device="cpu", image_size=self.image_size)
        return {
            "model": self.source,
            "weights": weights_hash(model),
            "image_size": model.config.image_size,
            "dtype": self.dtype,
        }


def weights_hash(model: Sam2) -> str:
    """SHA-256 of a model's weights, which tells apart even those that differ in one number."""
    digest = hashlib.sha256()
    for name, weights in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(weights.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
