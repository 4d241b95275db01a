"""The mask-generation pipeline: what it returns, its rules, and where its models come from."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from masklet.compat.transformers.config import Sam2Config
from masklet.compat.transformers.image_processor import Sam2ImageProcessor
from masklet.compat.transformers.mask_generation import MaskGenerationPipeline, MaskGenerationSettings, pipeline
from masklet.compat.transformers.model import Sam2Model
from masklet.compat.transformers.native_config import from_native
from masklet.compat.transformers.processor import Sam2Processor
from masklet.config import ModelConfig
from masklet.model import Sam2
from masklet.ops.rle import decode_rle, rle_box
from masklet.predictors.generator_options import GeneratorOptions
from masklet.predictors.mask_generator import MaskGenerator

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
EVERYTHING = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "points_per_crop": 4, "crops_nms_thresh": 1.0}


@pytest.fixture(scope="module")
def model(tiny: ModelConfig, remembering_model: Sam2) -> Sam2Model:
    model = Sam2Model(from_native(tiny, Sam2Config)).eval()
    mine = model.engine.state_dict()
    model.engine.load_state_dict({k: v for k, v in remembering_model.state_dict().items() if k in mine})
    return model


@pytest.fixture(scope="module")
def generator(model: Sam2Model) -> MaskGenerationPipeline:
    return pipeline("mask-generation", model=model, device="cpu", **EVERYTHING)


def test_masks_and_scores(generator):
    found = generator(PICTURE)
    assert found.keys() == {"masks", "scores"}
    assert len(found["masks"]) == len(found["scores"]) == 3 * 16
    assert all(mask.shape == (40, 60) and mask.dtype == torch.bool for mask in found["masks"])
    assert (found["scores"].diff() <= 0).all()


def test_run_lengths_and_boxes_on_request(generator):
    found = generator(PICTURE, output_rle_mask=True, output_bboxes_mask=True)
    assert found["bounding_boxes"].shape == (48, 4)
    for mask, rle, box in zip(found["masks"], found["rle_mask"], found["bounding_boxes"].tolist(), strict=True):
        assert isinstance(rle["counts"], list)
        assert np.array_equal(decode_rle(rle), mask.numpy())
        x, y, width, height = rle_box(rle)
        assert box == ([x, y, x + width - 1, y + height - 1] if width else [0, 0, 0, 0])


def test_pictures_of_every_kind_and_lists_of_them(generator, tmp_path):
    PICTURE.save(tmp_path / "picture.png")
    array = np.asarray(PICTURE)
    given = [PICTURE, str(tmp_path / "picture.png"), tmp_path / "picture.png", array, torch.tensor(array)]
    results = generator(given, batch_size=2)
    assert isinstance(results, list)
    for found in results:
        assert torch.equal(found["scores"], results[0]["scores"])


def test_batches_change_nothing(generator):
    """Also one that does not divide the number of points."""
    whole = generator(PICTURE, points_per_batch=None)
    parts = generator(PICTURE, points_per_batch=5)
    torch.testing.assert_close(parts["scores"], whole["scores"])
    assert len(parts["masks"]) == len(whole["masks"]) == 48


def test_the_search_is_that_of_masklet(model, generator):
    """Where pictures have the model's size, so that they are not resized, and nothing overlaps by rules that differ."""
    picture = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    options = GeneratorOptions(
        points_per_side=4, pred_iou_thresh=0, stability_score_thresh=0, box_nms_thresh=0.8, crop_nms_thresh=1.0
    )
    records = MaskGenerator(model.engine, options).generate(picture)
    found = generator(picture, crops_nms_thresh=0.8)
    assert [record.predicted_iou for record in records] == pytest.approx(found["scores"].tolist(), abs=1e-5)
    for record, mask in zip(records, found["masks"], strict=True):
        assert (decode_rle(record.rle) != mask.numpy()).sum() <= 2


def test_points_lie_over_the_whole_of_a_wide_picture(generator, monkeypatch):
    asked = []
    encode = generator.model.engine.encode_prompts
    monkeypatch.setattr(generator.model.engine, "encode_prompts", lambda points: asked.append(points) or encode(points))
    generator(Image.new("RGB", (90, 10)))
    coords = torch.cat([points.coords.flatten(0, 1) for points in asked])
    assert coords.amin(0).tolist() == [8, 8]
    assert coords.amax(0).tolist() == [56, 56]


def test_thresholds_are_exceeded_not_met(generator):
    scores = generator(PICTURE)["scores"]
    middle = scores[24].item()
    assert len(generator(PICTURE, pred_iou_thresh=middle)["scores"]) == (scores > scores[24]).sum()
    steady = generator(PICTURE, stability_score_offset=0.0, stability_score_thresh=1.0, mask_threshold=-50.0)
    assert len(steady["masks"]) == 0  # all are as stable as can be, and no more


def test_one_suppression_over_all_crops(generator):
    small = PICTURE.crop((0, 0, 18, 16))  # of which no crop's edge is far from the picture's
    every = generator(small, crops_n_layers=1, crop_n_points_downscale_factor=2)
    assert len(every["masks"]) == 48 + 4 * 3 * 4
    assert all(mask.shape == (16, 18) for mask in every["masks"])
    assert (every["scores"].diff() <= 0).all()
    fewer = generator(small, crops_n_layers=1, crop_n_points_downscale_factor=2, crops_nms_thresh=0.3)
    assert 0 < len(fewer["masks"]) < len(every["masks"])


def test_small_holes_and_sprinkles_go(generator):
    plain = generator(PICTURE, stability_score_offset=0.0)
    filled = generator(PICTURE, max_hole_area=10_000, stability_score_offset=0.0)
    assert sum(int(mask.sum()) for mask in filled["masks"]) > sum(int(mask.sum()) for mask in plain["masks"])
    gone = generator(PICTURE, max_sprinkle_area=10_000, stability_score_offset=0.0)
    assert not any(mask.any() for mask in gone["masks"])


def test_nothing_found(generator):
    found = generator(PICTURE, pred_iou_thresh=1.0, output_bboxes_mask=True, output_rle_mask=True)
    assert found["masks"] == found["rle_mask"] == []
    assert found["scores"].shape == (0,)
    assert found["bounding_boxes"].shape == (0, 4)


def test_defaults_are_those_of_transformers():
    options = MaskGenerationSettings().options()
    assert (options.pred_iou_thresh, options.stability_score_thresh, options.points_per_batch) == (0.88, 0.95, 64)
    assert options.points_per_side == 32
    assert options.crop_nms_thresh == 0.7


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"points_per_batch": 0}, ValueError, "points_per_batch is 0"),
        ({"points_per_crop": 0}, ValueError, "points_per_crop is 0"),
        ({"crops_n_layers": -1}, ValueError, "crops_n_layers is -1"),
        ({"points_per_side": 3}, TypeError, "no setting 'points_per_side'"),
    ],
)
def test_settings_that_make_no_sense(settings, kind, words, generator, model):
    with pytest.raises(kind, match=words):
        generator(PICTURE, **settings)


def test_a_model_of_a_folder(model, generator, tmp_path: Path):
    model.save_pretrained(tmp_path)
    Sam2Processor(Sam2ImageProcessor(size=64)).save_pretrained(tmp_path)
    loaded = pipeline(
        "mask-generation", model=str(tmp_path), device=-1, dtype=torch.float32, use_fast=True, **EVERYTHING
    )
    assert loaded.device == torch.device("cpu")
    assert loaded.task == "mask-generation"
    assert torch.equal(loaded(PICTURE)["scores"], generator(PICTURE)["scores"])
    assert pipeline("mask-generation", model=model, processor=tmp_path).image_processor.size["height"] == 64


def test_what_pipeline_refuses(model):
    with pytest.raises(ValueError, match="no pipeline for 'depth-estimation'"):
        pipeline("depth-estimation", model=model)
    with pytest.raises(ValueError, match="no model"):
        pipeline("mask-generation")
    with pytest.raises(ValueError, match="no device 'cuda:99'"):
        pipeline("mask-generation", model=model, device=99)
    with pytest.raises(TypeError, match="nothing to do with points_per_side"):
        pipeline("mask-generation", model=model, points_per_side=3)
    with pytest.raises(ValueError, match="but the model takes 64 x 64"):
        pipeline("mask-generation", model=model, processor=Sam2Processor(Sam2ImageProcessor(size=32)))
