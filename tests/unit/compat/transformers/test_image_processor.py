"""The image processor: settings, images to pixels, low-res logits to masks."""

import numpy as np
import pytest
import torch
from PIL import Image

from masklet.compat.transformers.image_processor import Sam2ImageProcessor

PICTURE = np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def processor() -> Sam2ImageProcessor:
    return Sam2ImageProcessor(size=32, mask_size={"height": 8, "width": 8})


def test_defaults_are_those_of_the_published_models():
    processor = Sam2ImageProcessor()
    assert processor.size == {"height": 1024, "width": 1024}
    assert processor.mask_size == {"height": 256, "width": 256}
    assert processor.image_mean == [0.485, 0.456, 0.406]
    assert processor.image_std == [0.229, 0.224, 0.225]
    assert processor.resample == 2
    assert processor.rescale_factor == 1 / 255


def test_a_batch_of_sizes(processor):
    batch = processor([Image.fromarray(PICTURE), PICTURE[:9]], return_tensors="pt")
    assert batch["pixel_values"].shape == (2, 3, 32, 32)
    assert batch["pixel_values"].dtype == torch.float32
    assert batch["original_sizes"].tolist() == [[30, 20], [9, 20]]
    assert set(batch) == {"pixel_values", "original_sizes"}


def test_a_plain_colour_is_normalised(processor):
    white = processor(np.full((5, 4, 3), 255, np.uint8), return_tensors="pt")["pixel_values"]
    expected = [(1 - mean) / std for mean, std in zip(processor.image_mean, processor.image_std, strict=True)]
    torch.testing.assert_close(white[0].mean((1, 2)), torch.tensor(expected))


def test_one_number_is_the_mean_of_all_channels():
    processor = Sam2ImageProcessor(size=32, image_mean=0.5, image_std=0.25)
    white = processor(np.full((5, 4, 3), 255, np.uint8), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(white, torch.full((1, 3, 32, 32), 2.0))
    assert Sam2ImageProcessor.from_dict(processor.to_dict()).image_mean == [0.5] * 3


def test_floats_in_the_unit_range_are_not_rescaled(processor):
    bytes_, unit = np.full((5, 5, 3), 51, np.uint8), np.full((5, 5, 3), 0.2, np.float32)
    found = processor(unit, do_rescale=False, do_resize=False, return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(found, processor(bytes_, do_resize=False, return_tensors="pt")["pixel_values"])


def test_what_is_returned(processor):
    arrays = processor(PICTURE, return_tensors="np")
    assert isinstance(arrays["pixel_values"], np.ndarray)
    assert arrays["original_sizes"].tolist() == [[30, 20]]
    lists = processor([PICTURE, PICTURE], [PICTURE[..., 0]] * 2)
    assert isinstance(lists["pixel_values"], list)
    assert lists["original_sizes"] == [(30, 20), (30, 20)]
    assert [labels.shape for labels in lists["labels"]] == [(8, 8), (8, 8)]


def test_maps_become_labels(processor):
    labels = np.kron(np.arange(16).reshape(4, 4), np.ones((10, 10), int))
    found = processor(PICTURE, labels, return_tensors="pt")["labels"]
    assert found.dtype == torch.int64
    assert found[0].tolist() == np.kron(np.arange(16).reshape(4, 4), np.ones((2, 2), int)).tolist()
    other = processor(PICTURE, labels, mask_size={"height": 4, "width": 4}, return_tensors="pt")["labels"]
    assert other[0].tolist() == np.arange(16).reshape(4, 4).tolist()
    with pytest.raises(ValueError, match="1 images and 2 segmentation maps"):
        processor(PICTURE, [labels, labels])


def test_settings_of_one_call_do_not_stay(processor):
    assert processor(PICTURE, size=(8, 4), return_tensors="pt")["pixel_values"].shape == (1, 3, 8, 4)
    assert processor.size == {"height": 32, "width": 32}
    assert processor(PICTURE, size=None, device="cpu", return_tensors="pt")["pixel_values"].shape == (1, 3, 32, 32)


def test_keywords_that_mean_nothing_here(processor):
    with pytest.raises(TypeError, match="no setting 'do_pad'"):
        processor(PICTURE, do_pad=True)
    with pytest.raises(TypeError, match="no setting 'sise'"):
        Sam2ImageProcessor(sise=3)
    assert Sam2ImageProcessor(size=8, disable_grouping=True, do_resize=None).do_resize


def test_masks_have_the_sizes_of_the_images(processor):
    low = torch.randn(2, 3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    masks = processor.post_process_masks(low, torch.tensor([[30, 20], [9, 20]]))
    assert [mask.shape for mask in masks] == [(3, 1, 30, 20), (3, 1, 9, 20)]
    assert all(mask.dtype == torch.bool for mask in masks)
    logits = processor.post_process_masks(list(low), [(30, 20), (9, 20)], binarize=False)
    for mask, logit in zip(masks, logits, strict=True):
        assert torch.equal(mask, logit > 0)
    higher = processor.post_process_masks(low.numpy(), [(30, 20), (9, 20)], mask_threshold=0.5)
    assert torch.equal(higher[0], logits[0] > 0.5)


@pytest.mark.parametrize("axes", [(), (2,), (2, 3), (2, 3, 4)])
def test_masks_may_have_any_leading_axes(processor, axes):
    given = [torch.ones(*axes, 8, 8).numpy()]
    assert processor.post_process_masks(given, [(5, 6)])[0].shape == (*axes, 5, 6)
    assert isinstance(given[0], np.ndarray)


def test_small_holes_and_sprinkles_are_removed_before_resizing(processor):
    logits = torch.full((1, 1, 16, 16), -5.0)
    logits[..., 2:12, 2:12] = 5.0
    logits[..., 5, 5] = -5.0
    logits[..., 14, 14] = 5.0
    full = processor.post_process_masks([logits], [(16, 16)])[0][0, 0]
    assert not full[5, 5]
    assert full[14, 14]
    cleaned = processor.post_process_masks([logits], [(16, 16)], max_hole_area=1.0, max_sprinkle_area=1.0)[0][0, 0]
    assert cleaned[5, 5]
    assert not cleaned[14, 14]
    assert cleaned.sum() == 100


def test_objects_can_be_kept_apart(processor):
    low = torch.randn(3, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    assert (processor.post_process_masks([low], [(16, 16)])[0].sum(0) > 1).any()
    apart = processor.post_process_masks([low], [(16, 16)], apply_non_overlapping_constraints=True)[0]
    assert apart.shape == (3, 2, 16, 16)
    assert (apart.sum(0) <= 1).all()


def test_masks_that_are_none(processor):
    with pytest.raises(TypeError, match="not list"):
        processor.post_process_masks([[[1.0]]], [(5, 6)])
    with pytest.raises(ValueError, match="2 images and 1 original_sizes"):
        processor.post_process_masks(torch.zeros(2, 1, 1, 8, 8), [(5, 6)])
    with pytest.raises(ValueError, match="floating-point logits"):
        processor.post_process_masks(torch.zeros(1, 1, 8, 8, dtype=torch.bool), [(5, 6)])
