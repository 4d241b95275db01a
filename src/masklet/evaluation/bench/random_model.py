"""Models with random weights: as fast as those with published ones, and there without a download."""

import torch

from masklet.config import preset
from masklet.model import Sam2
from masklet.runtime.load import prepare

PRESENT_BIAS = 10.0
"""Added to the object score, so that objects are seen: absent ones have no holes to fill and other memories."""


def random_model(
    name: str,
    *,
    image_size: int | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    compile: bool = False,
) -> Sam2:
    """A model of a known name with the same random weights each time; it sees every object on every frame.

    Arguments as in `load_model`. ValueError: a name or a size that cannot be.
    """
    config = preset(name).with_image_size(image_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Sam2(config).requires_grad_(False)
    bias = model.mask_decoder.object_head.layers[-1].bias
    assert isinstance(bias, torch.Tensor)
    bias.add_(PRESENT_BIAS)
    return prepare(model, device=device, dtype=dtype, compile=compile)
