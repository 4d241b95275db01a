"""Candidates of one crop, on a small random model: what is drawn, and what full size does to it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from masklet.ops.grids import Crop
from masklet.ops.rle import decode_rle
from masklet.predictors import mask_candidates
from masklet.predictors.generator_options import GeneratorOptions
from masklet.predictors.image import ImagePredictor
from masklet.predictors.mask_candidates import Candidates, FullSizeFilter, Proposals, propose

POINTS = torch.tensor([[3.0, 4], [30, 20], [50, 40], [69, 44], [10, 30]])


@pytest.fixture(scope="module")
def predictor(remembering_model) -> ImagePredictor:
    return ImagePredictor(remembering_model)


@pytest.fixture(scope="module")
def features(predictor):
    return predictor.encode(np.random.default_rng(0).integers(0, 255, (45, 70, 3), np.uint8))


def proposals_of(predictor, features, **options) -> tuple[list[int], Proposals]:
    with torch.no_grad():
        settled = GeneratorOptions(**options).for_model(predictor.model.config)
        batches = list(propose(predictor, features, POINTS, settled))
    joined = [torch.cat([getattr(b, name) for _, b in batches]) for name in ("logits", "predicted_ious", "points")]
    return [count for count, _ in batches], Proposals(*joined)


def answers(predictor, features, multimask):
    """The same points asked one by one through the predictor."""
    return [predictor.predict(features, points=[p], labels=[1], multimask=multimask) for p in POINTS.tolist()]


def test_the_last_partial_batch_counts(predictor, features):
    counts, proposals = proposals_of(predictor, features, points_per_batch=2, pred_iou_thresh=0)
    assert counts == [2, 2, 1]
    expected = answers(predictor, features, True)
    low_res = np.concatenate([answer.low_res_logits for answer in expected])
    np.testing.assert_allclose(proposals.logits.clamp(-32, 32), low_res, atol=1e-4)
    np.testing.assert_allclose(proposals.predicted_ious, np.concatenate([a.scores for a in expected]), atol=1e-5)
    assert proposals.points.tolist() == POINTS.repeat_interleave(3, 0).tolist()


def test_only_scores_above_the_threshold_are_drawn(predictor, features, monkeypatch):
    _, everything = proposals_of(predictor, features, pred_iou_thresh=0)
    threshold = float(everything.predicted_ious.median())
    drawn = []
    draw = type(predictor.model).draw_masks

    def counting(model, scored, features, prompts, candidates):
        drawn.append(len(candidates))
        return draw(model, scored, features, prompts, candidates)

    monkeypatch.setattr(type(predictor.model), "draw_masks", counting)
    _, passing = proposals_of(predictor, features, pred_iou_thresh=threshold)
    chosen = everything.predicted_ious > threshold  # the median itself does not exceed the threshold
    assert sum(drawn) == int(chosen.sum()) == 7
    torch.testing.assert_close(passing.logits, everything.logits[chosen], atol=1e-4, rtol=1e-4)
    assert passing.points.tolist() == everything.points[chosen].tolist()
    _, none = proposals_of(predictor, features, pred_iou_thresh=1)
    assert none.logits.shape == (0, 16, 16)


def test_one_mask_a_point(predictor, features):
    _, proposals = proposals_of(predictor, features, multimask_output=False, pred_iou_thresh=0)
    expected = answers(predictor, features, False)
    np.testing.assert_allclose(
        proposals.logits.clamp(-32, 32), [answer.low_res_logits[0] for answer in expected], atol=1e-4
    )


def test_masks_are_given_back_with_their_own_point(predictor, features):
    _, proposals = proposals_of(predictor, features, use_m2m=True, pred_iou_thresh=0, points_per_batch=2)
    expected = [
        predictor.predict(features, points=[point], labels=[1], mask=low_res[None], multimask=False)
        for point, answer in zip(POINTS.tolist(), answers(predictor, features, True), strict=True)
        for low_res in answer.low_res_logits
    ]
    np.testing.assert_allclose(proposals.logits.clamp(-32, 32), [a.low_res_logits[0] for a in expected], atol=1e-3)
    np.testing.assert_allclose(proposals.predicted_ious, [answer.scores[0] for answer in expected], atol=1e-5)


def test_masks_given_back_come_in_batches_too(predictor, features, monkeypatch):
    """A point has three of them, which together would take three times the memory."""
    at_once = []
    decode = type(predictor.model).decode_masks

    def counting(model, embedding, features, prompts):
        at_once.append(len(prompts.sparse))
        return decode(model, embedding, features, prompts)

    monkeypatch.setattr(type(predictor.model), "decode_masks", counting)
    proposals_of(predictor, features, use_m2m=True, pred_iou_thresh=0, points_per_batch=2)
    assert max(at_once) == 2
    assert sum(at_once) == 5 + 15


def blobs(num: int) -> torch.Tensor:
    """Low-res logits with one smooth object each, of various places, sizes and steepness."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((num, 1, 5, 5), generator=generator)
    return F.interpolate(noise, (16, 16), mode="bicubic")[:, 0] * torch.linspace(1, 20, num)[:, None, None] - 3


def select(predictor, logits, *, crop=None, image_size=(45, 70), **options) -> Candidates:
    crop = Crop((0, 0, 70, 45), 0) if crop is None else crop
    count = torch.arange(len(logits))
    proposals = Proposals(logits, count / 100, torch.stack([count, count], 1).float())
    settled = GeneratorOptions(**options).for_model(predictor.model.config)
    return Candidates.join(FullSizeFilter(predictor, crop, image_size, settled).select(proposals))


@pytest.mark.parametrize("max_pixels", [1, 200, 2**18])
def test_full_size_is_what_resizing_everything_gives(predictor, monkeypatch, max_pixels):
    monkeypatch.setattr(mask_candidates, "MAX_PIXELS_ON_CPU", max_pixels)
    logits = blobs(20)
    full = F.interpolate(logits[:, None], (45, 70), mode="bilinear", align_corners=False)[:, 0]
    stability = (full > 0.25 + 0.5).sum((1, 2)) / (full > 0.25 - 0.5).sum((1, 2))
    kept = (stability >= 0.7).nonzero()[:, 0].tolist()
    assert 5 < len(kept) < 20
    found = select(predictor, logits, stability_score_thresh=0.7, stability_score_offset=0.5, mask_threshold=0.25)
    assert (found.predicted_ious * 100).round().int().tolist() == kept
    torch.testing.assert_close(found.stability_scores, stability[kept], atol=2e-3, rtol=0)
    for row, index in enumerate(kept):
        mask = (full[index] > 0.25).numpy()
        assert (decode_rle(found.rles[row]) != mask).sum() <= 1  # where kernels round otherwise
        rows, columns = np.nonzero(mask)
        assert found.boxes[row].tolist() == [columns.min(), rows.min(), columns.max(), rows.max()]


def test_masks_of_a_crop_are_padded_to_the_image(predictor):
    logits = torch.full((1, 16, 16), -10.0)
    logits[0, 6:9, 7:10] = 10
    crop = Crop((100, 150, 500, 550), 1)
    found = select(predictor, logits, crop=crop, image_size=(700, 600), stability_score_thresh=0)
    whole = torch.zeros((700, 600))
    whole[150:550, 100:500] = F.interpolate(logits[None], (400, 400), mode="bilinear")[0, 0]
    np.testing.assert_array_equal(decode_rle(found.rles[0]), (whole > 0).numpy())
    rows, columns = np.nonzero((whole > 0).numpy())
    assert found.boxes.tolist() == [[columns.min(), rows.min(), columns.max(), rows.max()]]
    assert found.points.tolist() == [[100, 150]]
    assert found.crop_boxes.tolist() == [[100, 150, 500, 550]]


def test_masks_cut_off_by_their_crop_go(predictor):
    logits = torch.full((2, 16, 16), -10.0)
    logits[0, 6:9, 7:10] = 10
    logits[1, 6:9, :10] = 10
    options = {"image_size": (700, 600), "stability_score_thresh": 0}
    cut = select(predictor, logits, crop=Crop((100, 150, 500, 550), 1), **options)
    assert cut.points.tolist() == [[100, 150]]
    at_the_border = select(predictor, logits, crop=Crop((0, 150, 400, 550), 1), **options)
    assert len(at_the_border) == 2


def test_masks_of_all_and_of_nothing(predictor):
    logits = torch.stack([torch.full((16, 16), 9.0), torch.full((16, 16), -9.0)])
    found = select(predictor, logits, stability_score_thresh=0)
    assert [decode_rle(rle).mean() for rle in found.rles] == [1, 0]
    assert found.boxes.tolist() == [[0, 0, 69, 44], [0, 0, 0, 0]]
    assert found.stability_scores.tolist() == [1, 0]
    assert len(select(predictor, logits)) == 1  # an empty mask is not stable


def test_logits_are_cleaned_before_they_are_measured(remembering_model):
    logits = torch.full((1, 16, 16), -10.0)
    logits[0, 4:12, 4:12] = 10
    logits[0, 1, 1] = 10
    logits[0, 8, 8] = -10
    cleaning = ImagePredictor(remembering_model, max_hole_area=1, max_sprinkle_area=1)
    solid = logits.clone()
    solid[0, 1, 1], solid[0, 8, 8] = -10, 10
    found = select(cleaning, logits, stability_score_thresh=0)
    assert found.rles == select(ImagePredictor(remembering_model), solid, stability_score_thresh=0).rles


def test_no_candidates_join_to_none():
    none = Candidates.join([])
    assert len(none) == 0
    assert len(none[torch.zeros(0, dtype=torch.int64)]) == 0
