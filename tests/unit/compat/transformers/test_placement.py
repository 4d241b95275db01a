from typing import Any

import pytest
import torch

from masklet.compat.transformers.config import Sam2Config
from masklet.compat.transformers.placement import ATTENTION, Placement
from masklet.runtime.load import default_device


@pytest.mark.parametrize(
    ("device_map", "device"),
    [
        (None, "cpu"),
        ("cpu", "cpu"),
        (torch.device("cpu"), "cpu"),
        ({"": "cpu"}, "cpu"),
        ("auto", None),
        ("balanced", None),
    ],
)
def test_devices(device_map: Any, device: str | None):
    found = Placement.take_from({"device_map": device_map}).device
    assert found == (torch.device(device) if device else default_device())


def test_what_cannot_be_is_named():
    for name, value, said in (
        ("device_map", {"vision_encoder": "cpu", "mask_decoder": "cuda:0"}, "one device as a whole"),
        ("device_map", "gpu", "no device is called 'gpu'"),
        ("device_map", "cuda:99", "no device 'cuda:99'"),
        ("device_map", 99, "no device 'cuda:99'"),
        ("device_map", {"": 99}, "no device 'cuda:99'"),
        ("dtype", "float17", "dtype is 'float17'"),
        ("dtype", torch.int64, r"dtype is torch\.int64"),
        ("attn_implementation", "paged", "'paged'; it can be eager, sdpa, flash_attention_2"),
    ):
        with pytest.raises(ValueError, match=said):
            Placement.take_from({name: value})


def test_choices_are_taken_out_of_the_keywords():
    keywords = {"device_map": "cpu", "torch_dtype": "torch.float16", "attn_implementation": "sdpa", "revision": "a"}
    placement = Placement.take_from(keywords)
    assert keywords == {"revision": "a"}
    config = Sam2Config()
    placement.apply_to(config)
    assert config.attn_implementation == config._attn_implementation == "sdpa"
    assert "attn_implementation" not in config.to_json_string()
    for name in ATTENTION:
        assert Placement.take_from({"attn_implementation": name}).attention == name


def test_the_dtype_asked_for_goes_before_that_of_the_files():
    state = {"numbers": torch.ones(1, dtype=torch.int64), "weights": torch.ones(1, dtype=torch.bfloat16)}
    auto, half = Placement.take_from({"dtype": "auto"}), Placement.take_from({"dtype": torch.float16})
    assert auto.dtype_of(Sam2Config(), None) == torch.float32
    assert auto.dtype_of(Sam2Config(), state) == torch.bfloat16
    assert auto.dtype_of(Sam2Config(dtype="float32"), state) == torch.float32
    assert half.dtype_of(Sam2Config(dtype="float32"), state) == torch.float16
