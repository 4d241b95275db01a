"""The image predictor on a small random model: shapes, batches that equal single calls, post-processing, bad input."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from masklet.config import DecoderConfig, MemoryConfig, ModelConfig, TrunkConfig, preset
from masklet.model import Sam2
from masklet.ops.masks import mask_to_logits
from masklet.predictors import image as predictors_image
from masklet.predictors.image import ImagePredictor
from masklet.types import Prompt

CONFIG = ModelConfig(
    image_size=64,
    dim=32,
    trunk=TrunkConfig(embed_dim=8, stage_depths=(1, 1, 2, 1), global_blocks=(3,), window_sizes=(4, 4, 4, 2)),
    decoder=DecoderConfig(num_heads=2, mlp_dim=64),
    memory=MemoryConfig(dim=16, attention_layers=1, attention_mlp_dim=64),
)


@pytest.fixture(scope="module")
def model() -> Sam2:
    torch.manual_seed(0)
    return Sam2(CONFIG).eval()


@pytest.fixture(scope="module")
def predictor(model) -> ImagePredictor:
    return ImagePredictor(model)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (45, 70, 3), np.uint8)


@pytest.fixture(scope="module")
def features(predictor, image):
    return predictor.encode(image)


def same(a, b) -> None:
    np.testing.assert_allclose(a.low_res_logits, b.low_res_logits, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(a.scores, b.scores, atol=1e-5)
    assert (a.masks == b.masks).mean() > 0.999


@pytest.mark.parametrize(("multimask", "count"), [(True, 3), (False, 1)])
def test_shapes_of_one_prompt(predictor, features, multimask, count):
    result = predictor.predict(features, points=[(5, 5)], labels=[1], multimask=multimask, return_logits=True)
    assert result.masks.shape == (count, 45, 70)
    assert result.masks.dtype == bool
    assert result.logits.shape == (count, 45, 70)
    assert result.scores.shape == (count,)
    assert result.low_res_logits.shape == (count, 16, 16)
    assert result.object_score.shape == ()
    assert np.array_equal(result.masks, result.logits > 0)
    assert np.array_equal(result.best, result.masks[result.scores.argmax()])


def test_several_prompts_equal_each_alone(predictor, features):
    boxes = [(0, 0, 30, 30), (10, 10, 60, 40), (5, 20, 69, 44)]
    together = predictor.predict(features, boxes=boxes, multimask=False)
    assert together.masks.shape == (3, 1, 45, 70)
    for i, box in enumerate(boxes):
        alone = predictor.predict(features, boxes=[box], multimask=False)
        same(alone, replace_rows(together, i))


def replace_rows(result, i):
    return replace(
        result,
        masks=result.masks[i : i + 1],
        scores=result.scores[i : i + 1],
        low_res_logits=result.low_res_logits[i : i + 1],
        object_score=result.object_score[i : i + 1],
    )


def test_ragged_prompts_equal_each_alone(predictor, features):
    points = [[(3, 4)], [(30, 20), (9, 9), (50, 2)], [(60, 40)], [(1, 1), (2, 2)]]
    labels = [[1], [1, 0, 1], [0], [1, 1]]
    together = predictor.predict(features, points=points, labels=labels)
    for i in range(4):
        same(predictor.predict(features, points=points[i : i + 1], labels=labels[i : i + 1]), replace_rows(together, i))


@pytest.mark.parametrize("limit", ["MAX_TOKENS_PER_PASS", "MAX_TOKENS_AT_ONCE_ON_CPU"])
def test_more_prompts_than_go_through_at_once(predictor, features, monkeypatch, limit):
    monkeypatch.setattr(f"masklet.predictors.image.{limit}", 2 * 16)
    calls = []
    decode = predictor.model.decode_masks
    monkeypatch.setattr(predictor.model, "decode_masks", lambda *a: calls.append(len(a[2].sparse)) or decode(*a))
    points = np.random.default_rng(1).uniform(0, 45, (5, 1, 2))
    result = predictor.predict(features, points=points, labels=np.ones((5, 1)))
    assert calls == [2, 2, 1]
    same(predictor.predict(features, points=points[4:], labels=np.ones((1, 1))), replace_rows(result, 4))


def test_a_batch_of_images_of_different_sizes(predictor, image):
    images = [image, image[:20, :33], Image.fromarray(image).convert("L")]
    batch = predictor.encode_batch(images)
    assert batch.image_sizes == ((45, 70), (20, 33), (45, 70))
    prompts = [
        Prompt(points=[(3, 3)], labels=[1]),
        Prompt(boxes=[(0, 0, 9, 9), (1, 1, 20, 20)]),
        Prompt(points=[[(1, 2)], [(3, 4), (5, 6)]], labels=[[1], [1, 0]]),
    ]
    results = predictor.predict_batch(batch, prompts)
    assert [r.masks.shape for r in results] == [(3, 45, 70), (2, 3, 20, 33), (2, 3, 45, 70)]
    alone = predictor.predict(predictor.encode(images[1]), boxes=[(0, 0, 9, 9), (1, 1, 20, 20)])
    same(alone, results[1])


def test_one_image_is_encoded_once(predictor, image, monkeypatch):
    calls = []
    encode = predictor.model.encode_image
    monkeypatch.setattr(predictor.model, "encode_image", lambda x: calls.append(1) or encode(x))
    features = predictor.encode(image)
    for x in range(4):
        predictor.predict(features, points=[(x, x)], labels=[1])
    assert calls == [1]


def test_previous_logits_refine(predictor, features):
    first = predictor.predict(features, points=[(5, 5)], labels=[1])
    again = predictor.predict(
        features, points=[(5, 5), (9, 9)], labels=[1, 0], mask=first.low_res_logits[:1], multimask=False
    )
    without = predictor.predict(features, points=[(5, 5), (9, 9)], labels=[1, 0], multimask=False)
    assert np.abs(again.low_res_logits - without.low_res_logits).max() > 1e-3


def test_a_binary_mask_equals_its_logits(predictor, features):
    """Twenty times coverage less ten, at the model's low resolution."""
    binary = np.zeros((45, 70), bool)
    binary[10:30, 12:50] = True
    from_binary = predictor.predict(features, mask=binary, multimask=False)
    logits = mask_to_logits(torch.from_numpy(binary), 16)[None]
    same(from_binary, predictor.predict(features, mask=logits, multimask=False))


def test_threshold_and_cleaning(model, features, monkeypatch):
    """Areas are in low-res pixels; sprinkles are judged before holes are filled."""
    low = torch.full((1, 4, 16, 16), -5.0)
    low[..., 2:12, 2:12] = 5.0
    low[..., 6, 6] = -5.0
    low[..., 14, 14] = 5.0
    decode = model.decode_masks
    monkeypatch.setattr(model, "decode_masks", lambda *a: replace(decode(*a), logits=low))
    plain = ImagePredictor(model).predict(features, points=[(5, 5)], labels=[1]).masks[0]
    clean = ImagePredictor(model, max_hole_area=1, max_sprinkle_area=1).predict(features, points=[(5, 5)], labels=[1])
    assert not plain[18, 28]
    assert plain[40, 63]
    assert clean.masks[0][18, 28]
    assert not clean.masks[0][40, 63]
    high = ImagePredictor(model, mask_threshold=6.0).predict(features, points=[(5, 5)], labels=[1])
    assert not high.masks.any()


def test_specks_go_as_suits_the_model(model, features, monkeypatch):
    """From nano's masks, the largest part aside; from others' on request alone."""
    low = torch.full((1, 4, 16, 16), -5.0)
    low[..., 2:5, 2:5] = 5.0
    low[..., 14, 14] = 5.0
    decode = model.decode_masks
    monkeypatch.setattr(model, "decode_masks", lambda *a: replace(decode(*a), logits=low))

    def specks_stay(**policies):
        mask = ImagePredictor(model, **policies).predict(features, points=[(5, 5)], labels=[1]).masks[0]
        assert mask[10, 14]
        return mask[40, 63]

    assert specks_stay()
    assert not specks_stay(max_sprinkle_area=20)
    monkeypatch.setattr(predictors_image, "suited_speck_area", lambda config: 2.6)
    assert not specks_stay()
    assert specks_stay(max_sprinkle_area=0)


def test_what_suits_nano_grows_with_its_size():
    areas = [ImagePredictor(Sam2(preset("nano").with_image_size(side))).max_sprinkle_area for side in (96, 288)]
    assert areas == pytest.approx([1.728, 15.552])
    assert ImagePredictor(Sam2(CONFIG)).max_hole_area == 0


def test_low_res_logits_are_clamped(model, features, monkeypatch):
    decode = model.decode_masks
    monkeypatch.setattr(model, "decode_masks", lambda *a: replace(d := decode(*a), logits=d.logits * 0 + 99))
    assert ImagePredictor(model).predict(features, points=[(5, 5)], labels=[1]).low_res_logits.max() == 32


@pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (20_000, 3)])
def test_extreme_sizes(predictor, size):
    image = np.zeros((*size, 3), np.uint8)
    result = predictor.predict(predictor.encode(image), points=[(0, 0)], labels=[1], multimask=False)
    assert result.masks.shape == (1, *size)


def test_points_outside_are_allowed(predictor, features):
    assert predictor.predict(features, points=[(-500, 9000)], labels=[1]).masks.shape == (3, 45, 70)


def test_features_of_another_model_are_refused(predictor, features):
    with pytest.raises(ValueError, match="32, 4, 4"):
        predictor.predict(replace(features, stride16=features.stride16[:, :, :2]), points=[(1, 1)], labels=[1])
    with pytest.raises(ValueError, match="32, 4, 4"):
        predictor.predict(replace(features, stride8=features.stride8[:, :2]), points=[(1, 1)], labels=[1])
    with pytest.raises(ValueError, match="bfloat16"):
        predictor.predict(features.to(dtype=torch.bfloat16), points=[(1, 1)], labels=[1])


def test_as_many_prompts_as_images(predictor, features):
    with pytest.raises(ValueError, match="1 encoded images need as many prompts, not 2"):
        predictor.predict_batch(features, [Prompt(boxes=(1, 2, 3, 4))] * 2)
    with pytest.raises(ValueError, match="no images"):
        predictor.encode_batch([])
    with pytest.raises(TypeError, match="use encode"):
        predictor.encode_batch("cup.jpg")


def test_half_precision_model(image):
    torch.manual_seed(0)
    predictor = ImagePredictor(Sam2(CONFIG).eval().to(torch.bfloat16))
    result = predictor.predict(predictor.encode(image), points=[(5, 5)], labels=[1])
    assert result.scores.dtype == np.float32
    assert np.isfinite(result.scores).all()


@pytest.mark.parametrize("wrong", [{"mask_threshold": float("nan")}, {"max_hole_area": -1}, {"max_sprinkle_area": -1}])
def test_policies_that_make_no_sense(model, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ImagePredictor(model, **wrong)


def test_a_cpu_decodes_a_few_prompts_at_once(predictor):
    assert predictor.prompts_at_once(3) == 3
    assert predictor.prompts_at_once(10_000) == 4096 // 4**2  # a model of 64 px has 4 x 4 image tokens
