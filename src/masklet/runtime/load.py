"""`load_model`: from a name or a file to a model that is ready to use."""

from pathlib import Path

import torch

from masklet.checkpoint.load import load_weights
from masklet.checkpoint.locate import BUNDLED
from masklet.checkpoint.strict import MemoryNotLoaded
from masklet.config import ModelConfig
from masklet.model import Sam2


def load_model(
    source: str | Path = BUNDLED,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
    image_size: int | None = None,
    compile: bool = False,
    config: ModelConfig | None = None,
) -> Sam2:
    """A model with weights, in eval mode. Its parameters ask for gradients, so it can be trained on.

    source: `"nano"`, which comes with masklet; the name or repository id of a published checkpoint
    (`"sam2.1_hiera_large"`, `"facebook/sam2.1-hiera-large"`), downloaded once; or the path of a .pt or .safetensors
    file, or of a folder with one, in any layout. device: None takes CUDA, else MPS, else the CPU. dtype: of the
    weights, whatever the file's; tables of positions stay in float32. image_size: side, in pixels, of the model's
    input, a multiple of 32. compile: compile all parts of the network, which takes a minute at first use
    for images, and more whenever a kind of prompt or a number of objects comes up for the first time; numbers then
    differ in the last digits. config: the model's configuration, where a file does not tell it.

    A checkpoint without memory parts makes a model for still images. ValueError: an unknown name, a damaged or foreign
    file, or one that does not fit. FileNotFoundError: no such file. ConnectionError: it cannot be downloaded now.
    """
    place = find_device(device)
    if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise ValueError(f"dtype is {dtype!r}, but weights are of a floating-point type such as torch.float32")
    model = load_weights(source, image_size=image_size, config=config)
    return prepare(model, device=place, dtype=dtype, compile=compile)


def prepare(
    model: Sam2,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
    compile: bool = False,
) -> Sam2:
    """Put a model on a device, its weights in a dtype, itself in eval mode; see `load_model`. Returns that model."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    model.to(default_device() if device is None else torch.device(device)).eval()
    if compile:
        for part in (model.trunk, model.neck, model.prompt_encoder, model.mask_decoder):
            part.compile()
        if not isinstance(model.memory_attention, MemoryNotLoaded):
            model.memory_encoder.compile()
            # Memory grows with each frame: one program for any length, instead of one for each.
            for layer in model.memory_attention.layers:
                layer.get_submodule("cross_attention").in_blocks = False  # type: ignore[assignment]
            model.memory_attention.compile(dynamic=True)
    return model


def default_device() -> torch.device:
    """CUDA where there is one, else MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def find_device(device: torch.device | str | None) -> torch.device:
    """The device, before anything is read. ValueError where there is none of that name here."""
    try:
        place = default_device() if device is None else torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(f"no device is called {device!r}: cpu, cuda, cuda:1 or mps are names of devices") from None
    here = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
        "xpu": torch.xpu.device_count(),
    }
    if (place.index or 0) >= here.get(place.type, 0):
        raise ValueError(f"this machine has no device {str(place)!r}, or torch was built without it: try device='cpu'")
    return place
