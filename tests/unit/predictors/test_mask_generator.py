"""Everything in a picture, on a small random model, beside a plain implementation that does one thing at a time."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from masklet.model import Sam2
from masklet.ops.masks import stability_score
from masklet.predictors.generator_options import GeneratorOptions
from masklet.predictors.image import ImagePredictor
from masklet.predictors.mask_generator import MaskGenerator

PLAIN = GeneratorOptions(
    points_per_side=5,
    mask_threshold=2,  # high enough that a random model's masks are blobs
    pred_iou_thresh=0.45,
    stability_score_thresh=0.4,
    stability_score_offset=0.05,
)
EVERYTHING = replace(PLAIN, pred_iou_thresh=0, stability_score_thresh=0, box_nms_thresh=1, crop_nms_thresh=1)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 255, (7, 10, 3), np.uint8)
    return cv2.resize(coarse, (300, 240), interpolation=cv2.INTER_NEAREST)


def slow_records(model, image, options: GeneratorOptions) -> list[tuple]:
    """(mask, box XYXY, predicted IoU, stability, point, crop box XYXY): dense masks, one prompt at a time."""
    height, width = image.shape[:2]
    found = []
    for left, top, right, bottom, side in slow_crops(height, width, options):
        in_crop = []
        for row in range(side):
            for column in range(side):
                point = ((column + 0.5) / side * (right - left), (row + 0.5) / side * (bottom - top))
                for low_res, score in slow_answers(model, image[top:bottom, left:right], point, options):
                    full = F.interpolate(low_res[None, None], (bottom - top, right - left), mode="bilinear")[0, 0]
                    stability = float(stability_score(full, options.stability_score_offset, options.mask_threshold))
                    mask = np.zeros((height, width), bool)
                    mask[top:bottom, left:right] = (full > options.mask_threshold).numpy()
                    rows, columns = np.nonzero(mask)
                    if score <= options.pred_iou_thresh or stability < options.stability_score_thresh:
                        continue
                    box = np.array([columns.min(), rows.min(), columns.max(), rows.max()])
                    cut = np.abs(box - (left, top, right, bottom)) <= 20
                    if (cut & (np.abs(box - (0, 0, width, height)) > 20)).any():
                        continue
                    place = (point[0] + left, point[1] + top)
                    in_crop.append((mask, box, score, stability, place, (left, top, right, bottom)))
        found += slow_nms(in_crop, [record[2] for record in in_crop], options.box_nms_thresh)
    if options.crop_n_layers:
        sizes = [1 / math.prod((r[5][2] - r[5][0], r[5][3] - r[5][1])) for r in found]
        found = slow_nms(found, sizes, options.crop_nms_thresh)
    return found


def slow_crops(height, width, options):
    yield 0, 0, width, height, options.points_per_side
    if options.crop_n_layers:  # two by two
        overlap = int(options.crop_overlap_ratio * min(height, width))
        across, down = math.ceil((width + overlap) / 2), math.ceil((height + overlap) / 2)
        for left in (0, across - overlap):
            for top in (0, down - overlap):
                side = options.points_per_side // options.crop_n_points_downscale_factor
                yield left, top, min(left + across, width), min(top + down, height), side


def slow_answers(model, crop, point, options):
    predictor = ImagePredictor(model)
    features = predictor.encode(np.ascontiguousarray(crop))
    prompt = {"points": [point], "labels": [1]}
    answer = predictor.predict(features, **prompt, multimask=options.multimask_output)
    for low_res, score in zip(answer.low_res_logits, answer.scores, strict=True):
        if options.use_m2m:
            refined = predictor.predict(features, **prompt, mask=low_res[None], multimask=False)
            low_res, score = refined.low_res_logits[0], refined.scores[0]
        yield torch.from_numpy(low_res), float(score)


def slow_nms(records, scores, threshold):
    kept = []
    for index in sorted(range(len(records)), key=lambda index: -scores[index]):
        box = records[index][1]
        for other in (record[1] for record in kept):
            width = max(0, min(box[2], other[2]) - max(box[0], other[0]))
            height = max(0, min(box[3], other[3]) - max(box[1], other[1]))
            union = np.prod(box[2:] - box[:2]) + np.prod(other[2:] - other[:2]) - width * height
            if union and width * height / union > threshold:
                break
        else:
            kept.append(records[index])
    return kept


@pytest.mark.parametrize(
    "options",
    [
        PLAIN,
        replace(PLAIN, points_per_batch=3, mask_threshold=1.5, box_nms_thresh=0.3),
        replace(PLAIN, multimask_output=False),
        replace(PLAIN, points_per_side=3, use_m2m=True),
        replace(PLAIN, points_per_side=4, use_m2m=True, multimask_output=False),
        replace(PLAIN, crop_n_layers=1, crop_nms_thresh=0.5),
        replace(PLAIN, points_per_side=6, crop_n_layers=1, crop_n_points_downscale_factor=2, crop_overlap_ratio=0.1),
    ],
)
def test_records_are_those_of_the_plain_way(remembering_model, image, options):
    expected = slow_records(remembering_model, image, options)
    records = MaskGenerator(remembering_model, options).generate(image)
    assert len(records) == len(expected) > 1
    if options.crop_n_layers:
        assert len({record.crop_box for record in records}) > 1
    for record, (mask, box, score, stability, point, crop_box) in zip(records, expected, strict=True):
        assert (record.mask != mask).sum() <= 2  # where sums of other batches are rounded otherwise
        assert record.area == record.mask.sum()
        left, top, right, bottom = box
        np.testing.assert_allclose(record.box, (left, top, right - left + 1, bottom - top + 1), atol=1)
        assert record.predicted_iou == pytest.approx(score, abs=1e-5)
        assert record.stability_score == pytest.approx(stability, abs=2e-3)
        assert record.point == pytest.approx(point, abs=1e-4)
        left, top, right, bottom = crop_box
        assert record.crop_box == (left, top, right - left, bottom - top)


def test_the_size_of_batches_changes_nothing(remembering_model, image):
    whole = MaskGenerator(remembering_model, PLAIN).generate(image)
    for size in (1, 7):  # 25 points: the last batch of 7 holds 4
        some = MaskGenerator(remembering_model, replace(PLAIN, points_per_batch=size)).generate(image)
        assert [record.point for record in some] == [record.point for record in whole]
        assert [record.area for record in some] == pytest.approx([record.area for record in whole], abs=2)


def test_a_batch_of_images_is_each_of_them(remembering_model, image):
    images = [image, image[:50], image[:, :33]]
    generator = MaskGenerator(remembering_model, replace(PLAIN, points_per_side=3, crop_n_layers=1))
    seen = []
    batch = generator.generate_batch(images, on_progress=lambda *counts: seen.append(counts))
    for records, single in zip(batch, images, strict=True):
        alone = generator.generate(single)
        assert [record.area for record in records] == pytest.approx([record.area for record in alone], abs=2)
        assert [record.rle["size"] for record in records] == [list(single.shape[:2])] * len(alone)
    assert seen[-1] == (3 * 5 * 9, 3 * 5 * 9)
    assert generator.generate_batch([]) == []


def test_progress_counts_the_points_of_all_crops(remembering_model, image):
    seen = []
    options = replace(PLAIN, points_per_batch=7, crop_n_layers=1, crop_n_points_downscale_factor=2)
    MaskGenerator(remembering_model, options).generate(image, on_progress=lambda *counts: seen.append(counts))
    of_whole, of_crops = [7, 14, 21, 25], [29, 33, 37, 41]
    assert seen == [(done, 41) for done in of_whole + of_crops]


def test_points_of_ones_own(remembering_model, image):
    options = replace(EVERYTHING, points_per_side=None, point_grids=[[(0.25, 0.5)]])
    records = MaskGenerator(remembering_model, options).generate(image)
    assert [record.point for record in records] == [(75, 120)] * 3
    scores = [record.predicted_iou for record in records]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (3, 7)])
@pytest.mark.parametrize("use_m2m", [False, True])
def test_images_of_any_shape(remembering_model, size, use_m2m):
    options = GeneratorOptions(
        points_per_side=2,
        crop_n_layers=2,
        pred_iou_thresh=0,
        stability_score_thresh=0,
        crop_nms_thresh=1,
        use_m2m=use_m2m,
    )
    records = MaskGenerator(remembering_model, options).generate(np.zeros((*size, 3), np.uint8))
    assert records
    for record in records:
        assert record.mask.shape == size
        assert record.area == record.mask.sum()
        assert record.area > 0 or record.box == (0, 0, 0, 0)


def test_nothing_good_enough_is_no_record(remembering_model, image):
    assert (
        MaskGenerator(remembering_model, GeneratorOptions(points_per_side=2, pred_iou_thresh=1)).generate(image) == []
    )


def components(mask: np.ndarray) -> int:
    return cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1


def test_small_regions_are_really_removed(remembering_model, image):
    plain = MaskGenerator(remembering_model, EVERYTHING).generate(image)
    assert max(components(record.mask) for record in plain) > 1
    cleaned = MaskGenerator(remembering_model, replace(EVERYTHING, min_mask_region_area=40_000)).generate(image)
    assert 0 < len(cleaned) <= len(plain)
    for record in cleaned:  # so large an area leaves one region, and of the background one at most
        assert components(record.mask) == 1
        assert components(~record.mask) <= 1
        assert record.area == record.mask.sum()
        rows, columns = np.nonzero(record.mask)
        assert record.box == (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)


def test_masks_that_change_give_way_to_those_that_do_not(remembering_model, image):
    plain = {record.rle["counts"] for record in MaskGenerator(remembering_model, EVERYTHING).generate(image)}
    cleaned = MaskGenerator(remembering_model, replace(EVERYTHING, min_mask_region_area=20)).generate(image)
    is_new = [record.rle["counts"] not in plain for record in cleaned]
    assert any(is_new)
    assert not all(is_new)
    assert is_new == sorted(is_new)


def test_another_predictor_encodes_the_crops(remembering_model, image):
    sizes = []

    class Watching(ImagePredictor):
        def encode_batch(self, images):
            sizes.extend(array.shape[:2] for array in images)
            return super().encode_batch(images)

    options = GeneratorOptions(points_per_side=1, crop_n_layers=1, crop_overlap_ratio=0)
    MaskGenerator(remembering_model, options, predictor=Watching(remembering_model)).generate(image)
    assert sizes == [(240, 300)] + [(120, 150)] * 4


def test_the_predictor_has_the_same_model(remembering_model, tiny):
    with pytest.raises(ValueError, match="another model"):
        MaskGenerator(Sam2(tiny), predictor=ImagePredictor(remembering_model))


@pytest.mark.gpu
def test_a_gpu_finds_the_same(remembering_model, image):
    here = MaskGenerator(remembering_model, PLAIN).generate(image)
    try:
        there = MaskGenerator(remembering_model.to("cuda"), PLAIN).generate(image)
    finally:
        remembering_model.to("cpu")
    assert [record.point for record in there] == [record.point for record in here]
    assert [record.area for record in there] == pytest.approx([record.area for record in here], abs=5)


def test_masks_are_cleaned_at_the_threshold_that_they_are_cut_at(tiny):
    assert MaskGenerator(Sam2(tiny), GeneratorOptions(mask_threshold=-2.0)).predictor.mask_threshold == -2
