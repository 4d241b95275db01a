"""Files and the page of an image evaluation."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.datasets.image_data import AnnotatedImage
from masklet.evaluation.image import ImageScores, RegionScores
from masklet.evaluation.image_report import NUM_WORST, image_page, summarise, write_results
from masklet.evaluation.page import Gallery
from masklet.evaluation.report import render_page
from masklet.ops.rle import encode_rle

SIZE = (24, 40)


@pytest.fixture
def scores(tmp_path: Path) -> ImageScores:
    """Twenty pictures with two regions each, the better one first, and a picture that failed."""
    mask = np.zeros(SIZE, bool)
    mask[4:12, 5:20] = True
    regions = []
    for number in range(20):
        path = tmp_path / f"<{number}>.png"
        Image.new("RGB", SIZE[::-1], (200, 200, 200)).save(path)
        image = AnnotatedImage(path=path, source=path, read=list)
        for name, iou in (("good", 0.9), ("bad", number / 40)):
            regions.append(
                RegionScores(
                    image=image,
                    region=name,
                    area=0.125,
                    ious={"5 clicks": iou, "box": 1 - iou},
                    clicks=((6, 6, 1), (30, 20, 0)) if number % 2 else (),
                    truth=encode_rle(mask),
                    answer=encode_rle(~mask),
                )
            )
    result = ImageScores(measures=("5 clicks", "box"), regions=regions, failures=["lost.jpg is not there"])
    result.left_out["empty"] = 3
    return result


def test_files_hold_means_and_every_region(scores: ImageScores, tmp_path: Path) -> None:
    write_results(tmp_path, scores, {"model": "nano"})
    known = json.loads((tmp_path / "results.json").read_text())
    assert known["model"] == "nano"
    assert known["num_regions"] == 40
    assert known["left_out"] == {"empty": 3}
    assert known["failures"] == ["lost.jpg is not there"]
    for measure, mean, margin in summarise(scores):
        assert known["scores"][measure] == {"mean_iou": mean, "margin_95": margin}
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40
    assert rows[3] == {"picture": "<1>.png", "region": "bad", "area": "0.12500", "5 clicks": "0.0250", "box": "0.9750"}
    assert np.mean([float(row["box"]) for row in rows]) == pytest.approx(known["scores"]["box"]["mean_iou"], abs=1e-4)


def test_the_page_shows_the_worst_of_each_picture(scores: ImageScores) -> None:
    page = image_page(scores, title="Masks", facts={"model": "nano"}, notes=["40 regions", "3 were left out"])
    (gallery,) = [part for section in page.sections for part in section.parts if isinstance(part, Gallery)]
    captions = [picture.caption for picture in gallery.pictures]
    assert len(captions) == NUM_WORST
    assert captions[:2] == ["<0>.png, region bad: IoU 0.00", "<1>.png, region bad: IoU 0.03"]
    assert all(picture.image.shape == (SIZE[0], 2 * SIZE[1], 3) for picture in gallery.pictures)
    html = render_page(page)
    assert "40 regions. 3 were left out." in html
    assert "&lt;0&gt;.png" in html


def test_truth_is_on_the_left_and_prompts_on_both(scores: ImageScores) -> None:
    page = image_page(scores, title="Masks", facts={}, notes=[])
    (gallery,) = [part for section in page.sections for part in section.parts if isinstance(part, Gallery)]
    with_box, with_clicks = (picture.image for picture in gallery.pictures[:2])
    left, right = np.split(with_clicks, 2, axis=1)
    grey = np.array((200, 200, 200))
    assert (left[22, 2] == grey).all(), "outside the true region"
    assert not (right[22, 2] == grey).all(), "inside the answer"
    assert not (left[20, 30] == grey).all(), "a click outside the region"
    assert (np.split(with_box, 2, axis=1)[0][20, 30] == grey).all()
