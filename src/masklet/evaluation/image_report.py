"""What an image evaluation came to, as numbers, files and a page with the worst answers to look at."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from masklet.evaluation.image import ImageScores, RegionScores
from masklet.evaluation.page import Chart, Curve, Gallery, Headline, Page, Picture, Section, Table
from masklet.io.files import write_csv, write_json
from masklet.io.images import read_image
from masklet.io.overlay import draw_overlay
from masklet.ops.boxes import masks_to_boxes
from masklet.ops.rle import decode_rle
from masklet.types import Prompt

NUM_WORST = 12
CURVE_POINTS = 200
"""More regions than this are drawn as so many quantiles."""

Rows = list[tuple[str, float, float]]


def summarise(scores: ImageScores) -> Rows:
    """A row a measure: its name, the mean IoU and the margin of its 95% confidence interval, in [0, 1]."""
    return [(measure, scores.mean(measure), scores.margin(measure)) for measure in scores.measures]


def write_results(path: Path, scores: ImageScores, facts: Mapping[str, Any]) -> None:
    """Write results.json, the means after the facts, and results.csv, a row a region, to a folder."""
    means = {measure: {"mean_iou": mean, "margin_95": margin} for measure, mean, margin in summarise(scores)}
    contents = {
        **facts,
        "num_regions": len(scores.regions),
        "scores": means,
        "left_out": dict(scores.left_out),
        "failures": scores.failures,
    }
    write_json(path / "results.json", contents)
    rows: list[tuple[str, ...]] = [("picture", "region", "area", *scores.measures)]
    for region in scores.regions:
        ious = (f"{region.ious[measure]:.4f}" for measure in scores.measures)
        rows.append((region.image.name, region.region, f"{region.area:.5f}", *ious))
    write_csv(path / "results.csv", rows)


def image_page(scores: ImageScores, *, title: str, facts: Mapping[str, str], notes: Sequence[str]) -> Page:
    """The report: mean IoUs, how the regions' IoUs spread, and the worst answers of the first measure."""
    rows = summarise(scores)
    shown = scores.measures[0]
    return Page(
        title=title,
        facts=facts,
        sections=[
            Section(
                heading="Mean IoU over regions",
                text=" ".join(f"{note}." for note in notes),
                parts=(
                    Headline(values={measure: mean for measure, mean, _ in rows}),
                    Table(columns=("measure", "mean IoU", "± (95%)"), rows=rows),
                ),
            ),
            Section(
                heading="All regions",
                text="The regions by their IoU, the worst to the left: how many are good, and how good the others are.",
                parts=(_spread(scores),),
            ),
            Section(
                heading=f"Worst answers: {shown}",
                text="The true region on the left, the answer on the right; one region of a picture at most.",
                parts=(Gallery(pictures=[_draw(region, shown) for region in _worst(scores, shown)]),),
            ),
        ],
    )


def _spread(scores: ImageScores) -> Chart:
    share = np.linspace(0, 1, min(CURVE_POINTS, len(scores.regions)))
    curves = []
    for measure in scores.measures:
        ious = np.quantile([region.ious[measure] for region in scores.regions], share)
        curves.append(Curve(name=measure, x=(100 * share).tolist(), y=ious.tolist()))
    return Chart(
        title="IoU of all regions", x_label="% of regions", y_label="IoU at most", curves=curves, y_range=(0, 1)
    )


def _worst(scores: ImageScores, measure: str) -> list[RegionScores]:
    """The regions of lowest IoU, each of another picture."""
    by_image: dict[Path, RegionScores] = {}
    for region in sorted(scores.regions, key=lambda region: region.ious[measure]):
        by_image.setdefault(region.image.path, region)
    return list(by_image.values())[:NUM_WORST]


def _draw(region: RegionScores, measure: str) -> Picture:
    image, truth, answer = read_image(region.image.path), decode_rle(region.truth), decode_rle(region.answer)
    prompt = Prompt(boxes=masks_to_boxes(torch.from_numpy(truth)).numpy())
    if region.clicks:
        prompt = Prompt(points=[(x, y) for x, y, _ in region.clicks], labels=[label for *_, label in region.clicks])
    pair = [draw_overlay(image, mask, prompt=prompt) for mask in (truth, answer)]
    caption = f"{region.image.name}, region {region.region}: IoU {region.ious[measure]:.2f}"
    return Picture(image=np.concatenate(pair, axis=1), caption=caption)
