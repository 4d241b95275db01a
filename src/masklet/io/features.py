"""Encoded images on disk: encode once, annotate for days.

A file is safetensors with the three maps, and the images' sizes in its header; reading one executes nothing.
"""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from masklet.io.files import write_atomically
from masklet.types import ImageFeatures

FORMAT = "masklet-image-features-1"
MAPS = ("stride16", "stride8", "stride4")


def save_features(path: str | Path, features: ImageFeatures) -> None:
    """Write features to a file, whole or not at all; they keep their dtype."""
    maps = {name: getattr(features, name).detach().contiguous().cpu() for name in MAPS}
    header = {"format": FORMAT, "image_sizes": json.dumps(features.image_sizes)}
    with write_atomically(path) as temporary:
        save_file(maps, temporary, metadata=header)


def load_features(path: str | Path) -> ImageFeatures:
    """Read features, onto the CPU. FileNotFoundError; ValueError where the file is damaged or something else."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise ValueError(f"{path} does not hold image features of masklet: save them with save_features")
            maps = {name: file.get_tensor(name) for name in MAPS}
            sizes = json.loads(header.get("image_sizes", "[]"))
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged, or no safetensors file: {error}") from error
    if len(sizes) != len(maps["stride16"]):
        raise ValueError(f"{path} is damaged: it has {len(maps['stride16'])} images, but the sizes of {len(sizes)}")
    return ImageFeatures(**maps, image_sizes=tuple((height, width) for height, width in sizes))
