"""Processors beside those of transformers, whose answers to the calls below are in a file.

They are kept because theirs need torchvision, which does not load beside every build of torch. Where it does, run this
file as a program to record them anew.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from masklet.compat import transformers as ours

GOLDENS = Path(__file__).parent / "goldens" / "transformers_processors.npz"
SIZE = {"height": 16, "width": 16}


def picture(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Something between a gradient and noise, in bytes."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, channels))
    y, x = np.mgrid[:height, :width]
    smooth = (x * 200 // width + y * 50 // height)[..., None]
    return ((noise + 3 * smooth) // 4).astype(np.uint8)


def palette(height: int, width: int) -> Image.Image:
    image = Image.fromarray(picture(height, width)).quantize(20)
    image.info["transparency"] = 3
    return image


PICTURES: dict[str, Callable[[], Any]] = {
    "pillow": lambda: Image.fromarray(picture(45, 60)),
    "pillow smaller": lambda: Image.fromarray(picture(7, 5)),
    "pillow of that size": lambda: Image.fromarray(picture(16, 16)),
    "pillow wide": lambda: Image.fromarray(picture(3, 90)),
    "pillow grey": lambda: Image.fromarray(picture(45, 60)[..., 0]),
    "pillow grey with alpha": lambda: Image.fromarray(picture(45, 60)[..., :2]),
    "pillow rgba": lambda: Image.fromarray(picture(45, 60, 4)),
    "pillow palette": lambda: palette(45, 60),
    "pillow cmyk": lambda: Image.fromarray(picture(45, 60)).convert("CMYK"),
    "pillow of two colours": lambda: Image.fromarray(picture(45, 60)[..., 0] > 100),
    "array": lambda: picture(45, 60),
    "array with channels first": lambda: picture(45, 60).transpose(2, 0, 1),
    "array of one channel": lambda: picture(45, 60, 1),
    "array of four channels": lambda: picture(45, 60, 4),
    "array of floats": lambda: picture(45, 60).astype(np.float32),
    "array of doubles": lambda: picture(45, 60).astype(np.float64),
    "array of words": lambda: picture(45, 60).astype(np.int32),
    "tensor": lambda: torch.from_numpy(picture(45, 60)).permute(2, 0, 1),
    "tensor of halves": lambda: torch.from_numpy(picture(45, 60)).permute(2, 0, 1).half(),
    "batch": lambda: np.stack([picture(45, 60), picture(45, 60, seed=1)]),
    "list of sizes": lambda: [Image.fromarray(picture(45, 60)), picture(20, 30), picture(50, 11).transpose(2, 0, 1)],
    "list of lists": lambda: [[picture(45, 60)], [picture(20, 30)]],
}

UNIT = picture(45, 60).astype(np.float32) / 255

SETTINGS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "unit range": (lambda: UNIT, {"do_rescale": False}),
    "unit range, four channels": (lambda: picture(45, 60, 4) / np.float32(255), {"do_rescale": False}),
    "not normalised": (PICTURES["pillow"], {"do_normalize": False}),
    "bytes": (PICTURES["pillow"], {"do_normalize": False, "do_rescale": False}),
    "not resized": (PICTURES["pillow smaller"], {"do_resize": False}),
    "another size": (PICTURES["pillow"], {"size": {"height": 12, "width": 24}}),
    "nearest": (PICTURES["pillow"], {"resample": 0}),
    "bicubic": (PICTURES["pillow"], {"resample": 3}),
    "bicubic in floats": (lambda: UNIT, {"resample": 3, "do_rescale": False}),
    "other numbers": (PICTURES["pillow"], {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]}),
    "another factor": (PICTURES["pillow"], {"rescale_factor": 1 / 128}),
    "channels last": (lambda: picture(4, 60), {"input_data_format": "channels_last"}),
}

LABELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "array": (picture(45, 60)[..., 0], {}),
    "pillow": (Image.fromarray(picture(45, 60)[..., 0]), {}),
    "of two colours": (Image.fromarray(picture(45, 60)[..., 0] > 100), {}),
    "long": (picture(45, 60)[..., 0].astype(np.int64) * 1000, {}),
    "another size": (picture(45, 60)[..., 0], {"mask_size": {"height": 5, "width": 9}}),
}

PROMPTS: dict[str, dict[str, Any]] = {
    "click": {"input_points": [[[[20, 10]]]], "input_labels": [[[1]]]},
    "two clicks": {"input_points": [[[[20, 10], [21.5, 3]]]], "input_labels": [[[1, 0]]]},
    "box": {"input_boxes": [[[1, 2, 33, 44]]]},
    "box and click": {
        "input_boxes": [[[1, 2, 33, 44]]],
        "input_points": [[[[20, 10]]]],
        "input_labels": [[[1]]],
    },
    "ragged": {
        "original_sizes": [[45, 60], [97, 31]],
        "input_points": [[[[20, 10]], [[5, 6], [7, 8.25]]], [[[9, 1]]]],
        "input_labels": [[[1], [1, 0]], [[0]]],
    },
    "tensor": {
        "original_sizes": torch.tensor([[45, 60], [97, 31]]),
        "input_points": torch.tensor([[[[20, 10]]], [[[5, 6]]]]),
        "input_labels": np.array([[[1]], [[0]]]),
    },
    "boxes": {
        "original_sizes": [[45, 60], [97, 31]],
        "input_boxes": [[[1, 2, 33, 44], [0, 0, 60, 45]], [[3, 4, 5, 6], [7, 8, 9, 10]]],
    },
}

LOGITS = torch.from_numpy(picture(8, 8, 6).transpose(2, 0, 1).astype(np.float32)).view(1, 3, 2, 8, 8) - 120

MASKS: dict[str, dict[str, Any]] = {
    "binary": {},
    "logits": {"binarize": False},
    "higher": {"mask_threshold": 20.0},
    "apart": {"binarize": False, "apply_non_overlapping_constraints": True},
}


def answers(theirs: Any) -> dict[str, np.ndarray]:
    """What processors, which are a module's, say to all of the calls."""
    processor = theirs.Sam2ImageProcessor(size=SIZE, mask_size={"height": 8, "width": 8})
    found: dict[str, Any] = {}
    for name, make in PICTURES.items():
        for key, value in processor(make(), return_tensors="pt").items():
            found[f"picture, {name}, {key}"] = value
    for name, (make, settings) in SETTINGS.items():
        found[f"setting, {name}"] = processor(make(), return_tensors="pt", **settings)["pixel_values"]
    for name, (labels, settings) in LABELS.items():
        encoded = processor(picture(45, 60), segmentation_maps=labels, return_tensors="pt", **settings)
        found[f"labels, {name}"] = encoded["labels"]
    whole = theirs.Sam2Processor(processor)
    for name, prompts in PROMPTS.items():
        encoded = whole(return_tensors="pt", **({"original_sizes": [[45, 60]]} | prompts))
        found |= {f"prompt, {name}, {key}": value for key, value in encoded.items()}
    for name, options in MASKS.items():
        found[f"masks, {name}"] = whole.post_process_masks(LOGITS, [(13, 21)], **options)[0]
    return {name: value.numpy() for name, value in found.items()}


def record(theirs: ModuleType) -> None:
    GOLDENS.parent.mkdir(exist_ok=True)
    np.savez_compressed(GOLDENS, **answers(theirs))


@pytest.fixture(scope="module")
def goldens() -> dict[str, np.ndarray]:
    with np.load(GOLDENS) as file:
        return dict(file)


def test_processors_give_the_same_tensors(goldens):
    """To the last bit where they were recorded; other kinds of CPU may round floats otherwise, but not bytes."""
    found = answers(ours)
    assert found.keys() == goldens.keys()
    for name, expected in goldens.items():
        assert found[name].dtype == expected.dtype, name
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=1e-5, err_msg=name)


if __name__ == "__main__":
    import transformers

    record(transformers)
    sys.stdout.write(f"{GOLDENS} is recorded with transformers {transformers.__version__}\n")
