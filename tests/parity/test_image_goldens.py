"""The original's image predictor, call by call, on stand-in weights: features, masks, scores and logits."""

import numpy as np
import pytest
import torch
from PIL import Image

from masklet.compat.sam2 import SAM2ImagePredictor, build_sam2
from masklet.io.images import preprocess, read_image

TOLERANCE = 1e-3
"""Absolute plus relative: the original itself moves by 6.3e-4 between kernels."""

CHAINED_TOLERANCE = 2e-3
"""Where logits of one prediction are the prompt of the next: with one thread the original moves by 1.5e-3 there."""

SHORT = {"tiny": "t", "small": "s", "base_plus": "b+", "large": "l"}
GOLDENS = [
    "sam2.1_hiera_tiny-256px-salt0",
    "sam2_hiera_tiny-256px-salt0",
    "sam2.1_hiera_base_plus-256px-salt0",
    pytest.param("sam2.1_hiera_large-256px-salt0", marks=pytest.mark.slow),
    pytest.param("sam2.1_hiera_tiny-1024px-salt0", marks=pytest.mark.slow),
]


def close(found: np.ndarray, golden: np.ndarray, tolerance: float = TOLERANCE) -> None:
    np.testing.assert_allclose(found, golden, atol=tolerance, rtol=tolerance)


def bits(packed: np.ndarray, shape: np.ndarray) -> np.ndarray:
    height, width = -(-shape[-2] // 2), -(-shape[-1] // 2)
    count = int(np.prod(shape[:-2])) * height * width
    return np.unpackbits(packed)[:count].astype(bool)


@pytest.mark.parametrize("stem", GOLDENS)
def test_image_scenario(stem, shared, standin, scenario):
    """`scenario.image`, unchanged, gives the original's numbers."""
    variant, size, _ = stem.rsplit("-", 2)
    family, _, name = variant.partition("_hiera_")
    golden = np.load(shared / "parity" / f"{stem}-image.npz")
    image = np.array(Image.open(shared / "data" / "truck.jpg").convert("RGB"))
    override = f"++model.image_size={size.removesuffix('px')}"
    config_file = f"configs/{family}/{family}_hiera_{SHORT[name]}.yaml"
    model = build_sam2(config_file, standin(variant), device="cpu", hydra_overrides_extra=[override])

    with torch.no_grad():
        features = model.model.encode_image(preprocess(read_image(image), model.image_size)[None])
    close(features.stride4[0, ::8, ::2, ::2].numpy(), golden["high_res_0"])
    close(features.stride8[0, ::8].numpy(), golden["high_res_1"])

    found = scenario.image(SAM2ImagePredictor(model), image)
    for key, value in found.items():
        if key.endswith("mask_bits"):
            shape = golden[key.replace("bits", "shape")]
            ours, theirs = bits(value, shape), bits(golden[key], shape)
            assert (ours & theirs).sum() >= 0.999 * (ours | theirs).sum(), key
        else:
            close(value, golden[key], CHAINED_TOLERANCE if key.startswith("mask_refine") else TOLERANCE)
    assert set(found) == set(golden.files) - {"high_res_0", "high_res_1"}
