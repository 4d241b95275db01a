"""Images and prompts together."""

import numpy as np
import pytest
import torch

from masklet.compat.transformers.image_processor import Sam2ImageProcessor
from masklet.compat.transformers.processor import Sam2Processor

PICTURE = np.random.default_rng(0).integers(0, 256, (50, 100, 3), dtype=np.uint8)
CLICK = {"input_points": [[[[20, 10]]]], "input_labels": [[[1]]]}


@pytest.fixture(scope="module")
def processor() -> Sam2Processor:
    return Sam2Processor(Sam2ImageProcessor(size=32))


def test_a_click_on_an_image(processor):
    batch = processor(images=PICTURE, **CLICK, return_tensors="pt")
    assert set(batch) == {"pixel_values", "original_sizes", "input_points", "input_labels"}
    torch.testing.assert_close(batch.input_points, torch.tensor([[[[6.4, 6.4]]]]))
    assert batch.original_sizes.tolist() == [[50, 100]]
    assert batch.to(torch.float16)["input_labels"].dtype == torch.int64


def test_prompts_on_images_encoded_before(processor):
    for sizes in ([[50, 100]], torch.tensor([[50, 100]])):
        batch = processor(original_sizes=sizes, input_boxes=[[[0, 0, 50, 25]]], return_tensors="pt")
        assert set(batch) == {"original_sizes", "input_boxes"}
        assert batch["input_boxes"].tolist() == [[[0, 0, 16, 16]]]


def test_maps_and_settings_go_to_the_image_processor(processor):
    maps = np.zeros((50, 100), np.uint8)
    batch = processor(PICTURE, maps, return_tensors="pt", mask_size={"height": 4, "width": 4}, device="cpu")
    assert batch["labels"].shape == (1, 4, 4)


def test_arrays_are_arrays_throughout(processor):
    batch = processor(images=PICTURE, **CLICK, return_tensors="np")
    assert all(isinstance(value, np.ndarray) for value in batch.values())


def test_another_target_and_another_padding():
    processor = Sam2Processor(Sam2ImageProcessor(size=32), target_size=100, point_pad_value=-7)
    batch = processor(
        images=PICTURE, input_points=[[[[20, 10]], [[1, 1], [2, 2]]]], input_labels=[[[1], [1, 1]]], return_tensors="pt"
    )
    assert batch["input_points"].tolist() == [[[[20, 20], [-7, -7]], [[1, 2], [2, 4]]]]


def test_neither_images_nor_sizes(processor):
    with pytest.raises(ValueError, match="neither images nor original_sizes"):
        processor(**CLICK)


def test_sizes_of_other_images(processor):
    with pytest.raises(ValueError, match="1 images and 2 original_sizes"):
        processor(images=PICTURE, original_sizes=[[50, 100], [3, 4]])


def test_masks_are_processed(processor):
    (mask,) = processor.post_process_masks(torch.ones(1, 2, 3, 8, 8), [[50, 100]], binarize=False)
    assert mask.shape == (2, 3, 50, 100)
    assert mask.dtype == torch.float32


def test_names_of_what_comes_out(processor):
    assert processor.model_input_names == ["pixel_values", "original_sizes"]
