"""How good masks of pictures are, from one click, several, or a box: mean IoU over annotated regions.

The protocol of SAM's and SAM 2's evaluation, every region on its own:

- One click on the region's middle (`innermost_point`). It may mean a part or the whole, so the model gives three
  masks. "Best of three" is the one with the highest true IoU, "predicted best" the one whose predicted IoU is highest,
  which is what a user is shown. "Single mask" is what the model gives where one mask is asked for.
- 3 and 5 clicks: from the predicted best of the first click on, each click falls on the middle of what is wrong, and
  the model gives a single mask from all clicks so far and the logits of its last answer. A region whose mask is right
  gets no more clicks.
- The region's tight box, single mask.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch

from masklet.datasets.image_data import AnnotatedImage
from masklet.datasets.regions import Region
from masklet.evaluation.clicks import Click, correction_click
from masklet.io.images import read_image
from masklet.ops.boxes import masks_to_boxes
from masklet.ops.masks import innermost_point, mask_iou
from masklet.ops.rle import RLE, encode_rle
from masklet.predictors.image import ImagePredictor
from masklet.types import ImageFeatures

PromptKind: TypeAlias = Literal["1-click", "3-clicks", "5-clicks", "box"]

MEASURES: dict[PromptKind, tuple[str, ...]] = {
    "1-click": ("1 click, predicted best", "1 click, best of three", "1 click, single mask"),
    "3-clicks": ("3 clicks",),
    "5-clicks": ("5 clicks",),
    "box": ("box",),
}
"""What is measured with each kind of prompt. The first is what a user gets."""

NUM_CLICKS: dict[PromptKind, int] = {"1-click": 1, "3-clicks": 3, "5-clicks": 5, "box": 0}

REGIONS_PER_PASS = 32
"""Regions whose masks are held at once: three of each at the picture's size."""


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """What is asked. areas: the smallest and the largest share of the picture that a region has to count."""

    prompts: tuple[PromptKind, ...] = ("1-click", "3-clicks", "5-clicks", "box")
    areas: tuple[float, float] = (0.0, 1.0)

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.prompts if kind not in MEASURES]
        if unknown or not self.prompts:
            raise ValueError(f"prompts are {', '.join(MEASURES)}, at least one of them, not {list(self.prompts)}")
        if not 0 <= self.areas[0] <= self.areas[1] <= 1:
            raise ValueError(f"areas are {self.areas}, but they must be two shares of a picture, 0 to 1, smaller first")

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of what is measured, in the order of the prompts."""
        return tuple(name for kind in dict.fromkeys(self.prompts) for name in MEASURES[kind])


@dataclass(frozen=True, kw_only=True)
class RegionScores:
    """One region: its share of the picture, the IoU by measure, and an answer to look at, that of the first measure.

    clicks: those of that answer, none for a box. truth, answer: masks of the picture's size.
    """

    image: AnnotatedImage
    region: str
    area: float
    ious: dict[str, float]
    clicks: tuple[Click, ...]
    truth: RLE
    answer: RLE


@dataclass
class ImageScores:
    """All regions; how many were left out, by reason; and what went wrong, a line a picture that failed."""

    measures: tuple[str, ...]
    regions: list[RegionScores] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def mean(self, measure: str) -> float:
        """Mean IoU over regions, in [0, 1]."""
        return float(np.mean([region.ious[measure] for region in self.regions]))

    def margin(self, measure: str) -> float:
        """Half the width of the mean's 95% confidence interval, for pictures drawn at random.

        Regions of a picture come together, so deviations are added up by picture first (cluster-robust error).
        """
        mean = self.mean(measure)
        by_image: dict[Path, float] = defaultdict(float)
        for region in self.regions:
            by_image[region.image.path] += region.ious[measure] - mean
        return 1.96 * float(np.sqrt(sum(value**2 for value in by_image.values()))) / len(self.regions)


def evaluate_images(
    predictor: ImagePredictor, images: Iterable[AnnotatedImage], options: ImageOptions, scores: ImageScores
) -> Iterator[AnnotatedImage]:
    """Score the regions of pictures; yields each picture when it is done. `scores` takes what is found.

    A picture that cannot be read, or does not fit its regions, is a failure, and the others go on.
    """
    for image in images:
        try:
            scores.regions += _evaluate(predictor, image, options, scores.left_out)
        except (OSError, ValueError) as error:
            text = str(error)
            known = str(image.path) in text or str(image.source) in text
            scores.failures.append(text if known else f"{image.path}: {text}")
        yield image


def _evaluate(
    predictor: ImagePredictor, image: AnnotatedImage, options: ImageOptions, left_out: Counter[str]
) -> list[RegionScores]:
    pixels = read_image(image.path)
    regions, reasons = [], Counter()
    for region in image.read():
        if region.mask.shape != pixels.shape[:2]:
            raise ValueError(
                f"{image.source}: the mask of region {region.name} has (height, width) {region.mask.shape}, but "
                f"{image.path} has {pixels.shape[:2]}"
            )
        reason = _why_not(region.mask.mean(), options.areas)
        if reason:
            reasons[reason] += 1
        else:
            regions.append(region)
    scores = []
    if regions:
        features = predictor.encode(pixels)
        for start in range(0, len(regions), REGIONS_PER_PASS):
            scores += _score(predictor, features, image, regions[start : start + REGIONS_PER_PASS], options)
    left_out.update(reasons)  # now that nothing can fail: those of failed pictures are not counted
    return scores


def _why_not(area: float, areas: tuple[float, float]) -> str | None:
    """Why a region of such a share of the picture does not count; None if it does."""
    if area == 0:
        return "empty"
    if area < areas[0]:
        return "too small"
    return "too large" if area > areas[1] else None


def _score(
    predictor: ImagePredictor,
    features: ImageFeatures,
    image: AnnotatedImage,
    regions: Sequence[Region],
    options: ImageOptions,
) -> Iterator[RegionScores]:
    truths = np.stack([region.mask for region in regions])
    ious, clicks, shown = {}, [], []
    for answers in _ask(predictor, features, truths, options.prompts):
        ious[answers.measure] = mask_iou(answers.masks, truths)
        if answers.measure == options.measures[0]:
            clicks, shown = list(answers.clicks), [encode_rle(mask) for mask in answers.masks]
    for row, region in enumerate(regions):
        yield RegionScores(
            image=image,
            region=region.name,
            area=float(region.mask.mean()),
            ious={measure: float(ious[measure][row]) for measure in options.measures},
            clicks=clicks[row],
            truth=encode_rle(region.mask),
            answer=shown[row],
        )


@dataclass(frozen=True)
class _Answers:
    """Masks (P, H, W) of P regions by one measure, and the clicks that they were given."""

    measure: str
    masks: np.ndarray
    clicks: list[tuple[Click, ...]]


def _ask(
    predictor: ImagePredictor, features: ImageFeatures, truths: np.ndarray, prompts: Sequence[PromptKind]
) -> Iterator[_Answers]:
    """Prompt for the regions of a picture, masks (P, H, W), and give the answers by measure, one after another."""
    if any(NUM_CLICKS[kind] for kind in prompts):
        yield from _click(predictor, features, truths, prompts)
    if "box" in prompts:
        boxes = masks_to_boxes(torch.from_numpy(truths)).numpy()
        found = predictor.predict(features, boxes=boxes, multimask=False)
        yield _Answers("box", found.masks[:, 0], [()] * len(truths))


def _click(
    predictor: ImagePredictor, features: ImageFeatures, truths: np.ndarray, prompts: Sequence[PromptKind]
) -> Iterator[_Answers]:
    clicks: list[tuple[Click, ...]] = [((*innermost_point(truth), 1),) for truth in truths]
    several = predictor.predict(features, **_as_prompt(clicks))
    rows, guess = np.arange(len(truths)), several.scores.argmax(1)
    masks, logits = several.masks[rows, guess], several.low_res_logits[rows, guess]
    if "1-click" in prompts:
        predicted_best, best_of_three, single_mask = MEASURES["1-click"]
        yield _Answers(predicted_best, masks, clicks)
        best = mask_iou(several.masks, truths[:, None]).argmax(1)
        yield _Answers(best_of_three, several.masks[rows, best], clicks)
        single = predictor.predict(features, **_as_prompt(clicks), multimask=False)
        yield _Answers(single_mask, single.masks[:, 0], clicks)
    for number in range(2, 1 + max(NUM_CLICKS[kind] for kind in prompts)):
        wrong = []
        for row, truth in enumerate(truths):
            if (click := correction_click(masks[row], truth)) is not None:
                clicks[row] = (*clicks[row], click)
                wrong.append(row)
        if wrong:
            prompt = _as_prompt([clicks[row] for row in wrong])
            found = predictor.predict(features, **prompt, mask=logits[wrong][:, None], multimask=False)
            masks[wrong], logits[wrong] = found.masks[:, 0], found.low_res_logits[:, 0]
        for kind in prompts:
            if NUM_CLICKS[kind] == number:
                yield _Answers(MEASURES[kind][0], masks, clicks)


def _as_prompt(clicks: Sequence[tuple[Click, ...]]) -> dict[str, Any]:
    return {
        "points": [np.array([(x, y) for x, y, _ in row]) for row in clicks],
        "labels": [np.array([label for *_, label in row]) for row in clicks],
    }
