"""The steps of mask generation one by one, through the image processor, beside the pipeline's own search."""

import numpy as np
import pytest
import torch

from masklet.compat.transformers.image_processor import Sam2ImageProcessor
from masklet.compat.transformers.mask_steps import cut_crops, filter_crop_masks, suppress_masks
from masklet.ops.grids import Crop
from masklet.ops.rle import decode_rle
from masklet.predictors.generator_options import GeneratorOptions

PROCESSOR = Sam2ImageProcessor(size=64)
PICTURE = np.random.default_rng(0).integers(0, 256, (100, 200, 3), dtype=np.uint8)


def squares(*corners: tuple[int, int, int, int]) -> torch.Tensor:
    """Logits (K, 100, 200): 5 inside boxes XYXY, the last pixels inside, and -5 around."""
    logits = torch.full((len(corners), 100, 200), -5.0)
    for logit, (left, top, right, bottom) in zip(logits, corners, strict=True):
        logit[top : bottom + 1, left : right + 1] = 5.0
    return logits


def test_crops_and_their_points():
    boxes, points, crops, labels = PROCESSOR.generate_crop_boxes(PICTURE, 64, crop_n_layers=1, points_per_crop=2)
    assert boxes.shape == (5, 4)
    assert boxes[0].tolist() == [0, 0, 200, 100]
    for box, crop in zip(boxes.int().tolist(), crops, strict=True):
        assert torch.equal(crop, torch.from_numpy(PICTURE).permute(2, 0, 1)[:, box[1] : box[3], box[0] : box[2]])
    assert labels.shape == (1, 4, 5)
    assert (labels == 1).all()
    for crop in range(5):
        torch.testing.assert_close(points[0, :, crop], torch.tensor([[16, 16], [48, 16], [16, 48], [48, 48.0]]))


def test_grids_of_several_sizes_are_no_tensor():
    options = GeneratorOptions(points_per_side=4, crop_n_layers=1, crop_n_points_downscale_factor=2)
    with pytest.raises(ValueError, match="crop_n_points_downscale_factor is 2"):
        cut_crops(torch.zeros(3, 9, 9), 64, options)


def test_good_and_steady_masks_pass():
    logits = squares((30, 30, 50, 60), (40, 30, 60, 60), (5, 5, 9, 9)).view(3, 1, 100, 200)
    logits[2] *= 0.1  # within the offset of the threshold
    scores = torch.tensor([[0.9], [0.88], [0.95]])
    rles, kept, boxes = PROCESSOR.filter_masks(logits, scores, (100, 200), torch.tensor([0.0, 0, 200, 100]), 0.88)
    assert kept.tolist() == [pytest.approx(0.9)]
    assert boxes.tolist() == [[30, 30, 50, 60]]
    assert (decode_rle(rles[0]) == (logits[0, 0] > 0).numpy()).all()


def test_what_a_crop_cuts_off_goes_and_the_rest_is_in_the_picture():
    options = GeneratorOptions(pred_iou_thresh=0, stability_score_thresh=0)
    logits, scores = squares((30, 30, 50, 60), (30, 30, 195, 60)), torch.tensor([0.1, 0.2])
    rles, kept, boxes = filter_crop_masks(logits, scores, Crop((50, 100, 250, 200), 1), (400, 600), options)
    assert kept.tolist() == [pytest.approx(0.1)]
    assert boxes.tolist() == [[80, 130, 100, 160]]
    mask = decode_rle(rles[0])
    assert mask.shape == (400, 600)
    assert mask.sum() == mask[130:161, 80:101].sum() == 21 * 31


def test_the_best_of_those_that_overlap():
    options = GeneratorOptions(pred_iou_thresh=0, stability_score_thresh=0)
    logits = squares((30, 30, 50, 60), (31, 30, 50, 60), (90, 30, 120, 60))
    rles, scores, boxes = filter_crop_masks(
        logits, torch.tensor([0.5, 0.6, 0.1]), Crop((0, 0, 200, 100), 0), (100, 200), options
    )
    masks, scores, rles, boxes = PROCESSOR.post_process_for_mask_generation(rles, scores, boxes, 0.7)
    torch.testing.assert_close(scores, torch.tensor([0.6, 0.1]))
    assert boxes.tolist() == [[31, 30, 50, 60], [90, 30, 120, 60]]
    assert torch.equal(torch.stack(masks), logits[1:] > 0)
    assert suppress_masks([], torch.zeros(0), torch.zeros(0, 4), 0.7)[0] == []


def test_numbers_that_differ():
    with pytest.raises(ValueError, match="differ in number"):
        PROCESSOR.filter_masks(torch.zeros(2, 3, 4, 4), torch.zeros(2, 1), (4, 4), (0, 0, 4, 4))
