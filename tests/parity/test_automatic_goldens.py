"""The original's automatic masks, record by record, on stand-in weights."""

import json

import numpy as np
import pytest
from PIL import Image

from masklet.compat.sam2 import SAM2AutomaticMaskGenerator, build_sam2

VARIANT, SIDE = "sam2.1_hiera_tiny", 256

SCORE_TOLERANCE = 1e-3
"""Absolute plus relative, as for the scores of single prompts."""


@pytest.mark.parametrize("case", ["plain", "crops", "m2m"])
def test_automatic_masks(case, shared, standin, scenario):
    """The calls of the scenario give the original's records, one for one, in its order but for ties."""
    golden = json.loads((shared / "parity" / f"{VARIANT}-{SIDE}px-salt0-amg-{case}.json").read_text())
    assert golden["args"] == scenario.AMG[case]
    image = np.array(Image.open(shared / "data" / "truck.jpg").convert("RGB"))
    override = f"++model.image_size={SIDE}"
    config_file = "configs/sam2.1/sam2.1_hiera_t.yaml"
    model = build_sam2(config_file, standin(VARIANT), device="cpu", hydra_overrides_extra=[override])
    generator = SAM2AutomaticMaskGenerator(model, output_mode="uncompressed_rle", **scenario.AMG[case])
    generator.predictor._bb_feat_sizes = [(SIDE // k, SIDE // k) for k in (4, 8, 16)]  # as for the original
    found = generator.generate(image)

    scores = [record["predicted_iou"] for record in golden["records"]]
    assert [record["predicted_iou"] for record in found] == pytest.approx(scores, abs=SCORE_TOLERANCE)
    ours, theirs = by_origin(found), by_origin(golden["records"])
    assert ours.keys() == theirs.keys()
    for key, record in ours.items():
        compare(record, theirs[key])


def by_origin(records: list[dict]) -> dict[tuple, dict]:
    """Records by their point, their crop, and their rank among the masks of those."""
    by_key: dict[tuple, dict] = {}
    for record in records:
        place = (*record["point_coords"][0], *record["crop_box"])
        rank = sum(key[:-1] == place for key in by_key)
        by_key[(*place, rank)] = record
    return by_key


def compare(found: dict, golden: dict) -> None:
    assert abs(found["area"] - golden["area"]) <= 1e-3 * golden["area"]
    assert np.abs(np.subtract(found["bbox"], golden["bbox"])).max() <= 1
    for score in ("predicted_iou", "stability_score"):
        assert found[score] == pytest.approx(golden[score], abs=SCORE_TOLERANCE, rel=SCORE_TOLERANCE)
    runs = found["segmentation"]["counts"]
    assert sum(runs[1::2]) == found["area"]
    assert len(runs) == pytest.approx(golden["rle_runs"], rel=1e-2)
