"""`SAM2AutomaticMaskGenerator`: the original's signature, records, output modes, attributes and errors."""

import inspect
import json

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as coco_mask

from masklet.compat.sam2 import SAM2AutomaticMaskGenerator, SAM2Base, SAM2ImagePredictor, automatic, build_sam2
from masklet.compat.sam2.amg import MaskData, area_from_rle, mask_to_rle_pytorch, rle_to_mask
from masklet.config import preset
from masklet.predictors.generator_options import GeneratorOptions

ALL = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 1.0, "crop_nms_thresh": 1.0}
"""Thresholds that keep every mask."""


@pytest.fixture(scope="module")
def model(remembering_model) -> SAM2Base:
    return SAM2Base(remembering_model).eval()


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)


def test_parameters_and_defaults_are_the_originals():
    parameters = list(inspect.signature(SAM2AutomaticMaskGenerator).parameters.values())
    assert [parameter.name for parameter in parameters] == [
        "model", "points_per_side", "points_per_batch", "pred_iou_thresh", "stability_score_thresh",
        "stability_score_offset", "mask_threshold", "box_nms_thresh", "crop_n_layers", "crop_nms_thresh",
        "crop_overlap_ratio", "crop_n_points_downscale_factor", "point_grids", "min_mask_region_area", "output_mode",
        "use_m2m", "multimask_output", "kwargs",
    ]  # fmt: skip
    native = GeneratorOptions().for_model(preset("sam2.1_hiera_large"))
    for parameter in parameters[1:-1]:
        assert parameter.default == getattr(native, parameter.name, "binary_mask")


@pytest.mark.parametrize("crop_n_layers", [0, 1])
def test_records_are_the_originals(model, image, crop_n_layers):
    generator = SAM2AutomaticMaskGenerator(model, points_per_side=4, crop_n_layers=crop_n_layers, **ALL)
    records = generator.generate(image)
    assert len(records) >= 16 * 3
    for record in records:
        assert list(record) == [
            "segmentation", "area", "bbox", "predicted_iou", "point_coords", "stability_score", "crop_box",
        ]  # fmt: skip
        mask = record["segmentation"]
        assert mask.dtype == bool
        assert mask.shape == image.shape[:2]
        assert type(record["area"]) is int
        assert record["area"] == mask.sum()
        y, x = mask.nonzero()
        extent = [x.min(), y.min(), x.max() - x.min(), y.max() - y.min()] if mask.any() else [0, 0, 0, 0]
        assert record["bbox"] == extent
        (point,) = record["point_coords"]
        assert 0 <= record["predicted_iou"] <= 1
        assert 0 <= record["stability_score"] <= 1
        numbers = [*record["bbox"], *point, *record["crop_box"], record["predicted_iou"], record["stability_score"]]
        assert all(type(number) is float for number in numbers)
    crops = {tuple(record["crop_box"]) for record in records}
    assert (0.0, 0.0, 120.0, 90.0) in crops


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools, under NumPy 2
def test_output_modes_hold_the_same_masks(model, image):
    found = {}
    for mode in automatic.OUTPUT_MODES:
        generator = SAM2AutomaticMaskGenerator(model, points_per_side=3, output_mode=mode, **ALL)
        found[mode] = [record["segmentation"] for record in generator.generate(image)]
    for mask, runs, compact in zip(*found.values(), strict=True):
        assert runs["size"] == compact["size"] == list(mask.shape)
        assert type(runs["counts"]) is list
        assert json.loads(json.dumps([runs, compact])) == [runs, compact]
        assert np.array_equal(rle_to_mask(runs), mask)
        assert np.array_equal(coco_mask.decode(compact), mask)


def test_the_last_batch_counts_though_it_is_not_full(model, image):
    grid = np.random.default_rng(1).random((7, 2))
    records = [
        SAM2AutomaticMaskGenerator(
            model, points_per_side=None, point_grids=[grid], points_per_batch=size, **ALL
        ).generate(image)
        for size in (64, 5)
    ]
    assert len(records[0]) == len(records[1]) == 7 * 3
    for record, other in zip(*records, strict=True):
        assert record["point_coords"] == other["point_coords"]
        assert record["predicted_iou"] == pytest.approx(other["predicted_iou"], abs=1e-5)
    found = np.unique([record["point_coords"][0] for record in records[0]], axis=0)
    np.testing.assert_allclose(found, np.unique((grid * [120, 90]).astype(np.float32), axis=0))


@pytest.mark.parametrize("crop_n_layers", [0, 1])
def test_nothing_found_is_no_record(model, image, crop_n_layers):
    assert SAM2AutomaticMaskGenerator(model, pred_iou_thresh=1.0, crop_n_layers=crop_n_layers).generate(image) == []


def test_attributes_count_from_the_next_call_on(model, image):
    generator = SAM2AutomaticMaskGenerator(model, points_per_side=3, **ALL)
    assert len(generator.generate(image)) == 27
    assert [len(grid) for grid in generator.point_grids] == [9]
    generator.multimask_output = False
    assert len(generator.generate(image)) == 9
    generator.use_m2m = True
    generator.point_grids = [generator.point_grids[0][:4]]
    generator.output_mode = "uncompressed_rle"
    records = generator.generate(image)
    assert len(records) == 4
    assert all(record["area"] == area_from_rle(record["segmentation"]) for record in records)
    generator.pred_iou_thresh = 1.0
    assert generator.generate(image) == []


def test_the_predictor_cleans_small_regions(model, image):
    plain = SAM2AutomaticMaskGenerator(model, points_per_side=1, **ALL).generate(image)
    generator = SAM2AutomaticMaskGenerator(model, points_per_side=1, min_mask_region_area=7, **ALL)
    assert isinstance(generator.predictor, SAM2ImagePredictor)
    generator.predictor._bb_feat_sizes = [(16, 16), (8, 8), (4, 4)]  # what the original needs for other sizes
    generator.predictor.set_image(image)
    masks, scores, _ = generator.predictor.predict(np.array([[60.0, 45.0]]), np.array([1]))
    records = generator.generate(image)
    ranks = np.argsort(-scores)
    np.testing.assert_allclose([record["predicted_iou"] for record in records], scores[ranks], atol=1e-5)
    for record, mask in zip(records, masks[ranks], strict=True):
        assert np.mean(record["segmentation"] == mask) > 0.999
    assert any(np.mean(a["segmentation"] == b["segmentation"]) < 0.99 for a, b in zip(records, plain, strict=True))


def test_a_notebooks_settings(image):
    model = build_sam2(
        "nano", device="cpu", apply_postprocessing=False, hydra_overrides_extra=["++model.image_size=64"]
    )
    generator = SAM2AutomaticMaskGenerator(
        model=model,
        points_per_side=4,
        points_per_batch=128,
        pred_iou_thresh=0.0,
        stability_score_thresh=0.0,
        stability_score_offset=0.7,
        crop_n_layers=1,
        box_nms_thresh=0.7,
        crop_n_points_downscale_factor=2,
        min_mask_region_area=25.0,
        use_m2m=True,
    )
    masks = generator.generate(np.array(Image.fromarray(image).convert("RGB")))
    largest = sorted(masks, key=lambda record: record["area"], reverse=True)[0]
    overlay = np.ones((*largest["segmentation"].shape, 4))
    overlay[largest["segmentation"]] = [1.0, 0.0, 0.0, 0.5]
    assert (overlay[..., 3] == 0.5).sum() == largest["area"]


def test_a_published_model_by_its_id(model, monkeypatch):
    asked = {}
    monkeypatch.setattr(automatic, "build_sam2_hf", lambda name, **given: asked.update(name=name, **given) or model)
    generator = SAM2AutomaticMaskGenerator.from_pretrained("facebook/sam2-hiera-large", points_per_side=5, device="cpu")
    assert asked == {"name": "facebook/sam2-hiera-large", "points_per_side": 5, "device": "cpu"}
    assert generator.predictor.model is model
    assert len(generator.point_grids[0]) == 25


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"points_per_side": None}, AssertionError, "exactly one of points_per_side and point_grids"),
        ({"point_grids": [np.ones((1, 2))]}, AssertionError, "exactly one of points_per_side and point_grids"),
        ({"output_mode": "polygons"}, AssertionError, "'polygons'"),
        ({"points_per_side": 0}, ValueError, "points_per_side is 0"),
        ({"points_per_batch": 0}, ValueError, "points_per_batch is 0"),
        ({"box_nms_thresh": 2.0}, ValueError, "box_nms_thresh is 2.0"),
        ({"min_mask_region_area": -1}, ValueError, "-1"),
        ({"points_per_side": None, "point_grids": [np.ones((1, 2))], "crop_n_layers": 1}, ValueError, "holds 1 grids"),
    ],
)
def test_wrong_parameters_are_named(model, options, error, message):
    with pytest.raises(error, match=message):
        SAM2AutomaticMaskGenerator(model, **options)


def squares(*boxes: tuple[int, int, int, int]) -> torch.Tensor:
    masks = torch.zeros(len(boxes), 40, 40, dtype=torch.bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
        mask[top : bottom + 1, left : right + 1] = True
    return masks


def test_small_regions_of_a_table():
    """The first mask has a hole and an island, without which it is the second; the third is elsewhere."""
    masks = squares((0, 0, 19, 19), (0, 0, 19, 19), (25, 25, 34, 34))
    masks[0, 5:7, 5:7] = False
    masks[0, 39, 39] = True
    masks[2, 38, 38] = True
    boxes = torch.tensor([[0, 0, 39, 39], [0, 0, 19, 19], [25, 25, 38, 38]])
    data = MaskData(rles=mask_to_rle_pytorch(masks), boxes=boxes, iou_preds=torch.tensor([0.9, 0.8, 0.7]))
    same = SAM2AutomaticMaskGenerator.postprocess_small_regions(data, 5, 0.7)
    assert same is data
    torch.testing.assert_close(data["iou_preds"], torch.tensor([0.8, 0.7]))
    assert data["boxes"].tolist() == [[0, 0, 19, 19], [25, 25, 34, 34]]
    assert [area_from_rle(rle) for rle in data["rles"]] == [400, 100]


def test_a_table_without_masks():
    data = MaskData(rles=[], boxes=torch.zeros(0, 4))
    assert SAM2AutomaticMaskGenerator.postprocess_small_regions(data, 5, 0.7) is data
