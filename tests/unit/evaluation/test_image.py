"""IoU of answers to clicks and boxes: the protocol, what is left out, and what fails."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from masklet.datasets.image_data import AnnotatedImage
from masklet.datasets.regions import Region
from masklet.evaluation.clicks import correction_click
from masklet.evaluation.image import ImageOptions, ImageScores, PromptKind, RegionScores, evaluate_images
from masklet.model import Sam2
from masklet.ops.boxes import masks_to_boxes
from masklet.ops.masks import innermost_point, mask_iou
from masklet.ops.rle import decode_rle, encode_rle
from masklet.predictors.image import ImagePredictor

SIZE = (24, 40)
ALL: tuple[PromptKind, ...] = ("1-click", "3-clicks", "5-clicks", "box")


def rectangle(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return mask


TRUTHS = {"large": rectangle(2, 3, 20, 30), "small": rectangle(15, 30, 19, 36), "dot": rectangle(0, 0, 1, 1)}


@pytest.fixture
def predictor(remembering_model: Sam2) -> ImagePredictor:
    return ImagePredictor(remembering_model)


@pytest.fixture
def make_image(tmp_path: Path) -> Callable[..., AnnotatedImage]:
    def make(masks: dict[str, np.ndarray] = TRUTHS, name: str = "a.png") -> AnnotatedImage:
        pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
        regions = [Region(name=region, mask=mask) for region, mask in masks.items()]
        return AnnotatedImage(path=tmp_path / name, source=tmp_path / "regions.json", read=lambda: regions)

    return make


def evaluate(predictor: ImagePredictor, *images: AnnotatedImage, **options) -> ImageScores:
    chosen = ImageOptions(**options)
    scores = ImageScores(measures=chosen.measures)
    assert list(evaluate_images(predictor, images, chosen, scores)) == list(images)
    return scores


def by_hand(predictor: ImagePredictor, image: AnnotatedImage, truth: np.ndarray) -> dict[str, float]:
    """What one region gives on its own, step by step."""
    features = predictor.encode(image.path)
    points, labels = [innermost_point(truth)], [1]
    several = predictor.predict(features, points=points, labels=labels)
    single = predictor.predict(features, points=points, labels=labels, multimask=False)
    ious = mask_iou(several.masks, truth[None])
    guess = int(several.scores.argmax())
    found = {
        "1 click, predicted best": ious[guess],
        "1 click, best of three": ious.max(),
        "1 click, single mask": mask_iou(single.masks, truth[None])[0],
    }
    mask, logits = several.masks[guess], several.low_res_logits[guess, None]
    for number in range(2, 6):
        click = correction_click(mask, truth)
        assert click is not None
        x, y, label = click
        points, labels = [*points, (x, y)], [*labels, label]
        answer = predictor.predict(features, points=points, labels=labels, mask=logits, multimask=False)
        mask, logits = answer.masks[0], answer.low_res_logits
        if number in (3, 5):
            found[f"{number} clicks"] = mask_iou(mask[None], truth[None])[0]
    box = masks_to_boxes(torch.from_numpy(truth)).numpy()
    found["box"] = mask_iou(predictor.predict(features, boxes=box, multimask=False).masks, truth[None])[0]
    return found


def test_regions_together_are_as_if_alone(predictor, make_image) -> None:
    image = make_image()
    scores = evaluate(predictor, image)
    assert [region.region for region in scores.regions] == list(TRUTHS)
    for region in scores.regions:
        # Batches of other sizes may round a pixel the other way, which counts in small masks.
        assert region.ious == pytest.approx(by_hand(predictor, image, TRUTHS[region.region]), abs=0.02)
        assert region.area == TRUTHS[region.region].mean()


def test_many_regions_go_in_parts(predictor, make_image, monkeypatch) -> None:
    image = make_image({str(n): rectangle(n, n, n + 8, n + 12) for n in range(5)})
    whole = evaluate(predictor, image)
    monkeypatch.setattr("masklet.evaluation.image.REGIONS_PER_PASS", 2)
    parts = evaluate(predictor, image)
    assert len(parts.regions) == 5
    for one, other in zip(whole.regions, parts.regions, strict=True):
        assert one.ious == pytest.approx(other.ious, abs=0.02)


@pytest.mark.parametrize(("kind", "measure", "num_clicks"), [("3-clicks", "3 clicks", 3), ("box", "box", 0)])
def test_a_prompt_can_be_asked_alone(predictor, make_image, kind, measure, num_clicks) -> None:
    image = make_image()
    (region, *_) = evaluate(predictor, image, prompts=(kind,)).regions
    (known, *_) = evaluate(predictor, image, prompts=ALL).regions
    assert region.ious == {measure: known.ious[measure]}
    assert len(region.clicks) == num_clicks
    shown = mask_iou(decode_rle(region.answer), decode_rle(region.truth))
    assert float(shown) == pytest.approx(region.ious[measure])


def test_the_answer_shown_is_that_of_the_first_measure(predictor, make_image) -> None:
    for prompts in (("1-click", "5-clicks"), ("5-clicks", "1-click")):
        (region, *_) = evaluate(predictor, make_image(), prompts=prompts).regions
        first = next(iter(region.ious))
        assert float(mask_iou(decode_rle(region.answer), TRUTHS["large"])) == pytest.approx(region.ious[first])
        assert len(region.clicks) == int(prompts[0][0])


def test_what_is_right_gets_no_more_clicks(predictor, make_image, monkeypatch) -> None:
    monkeypatch.setattr("masklet.evaluation.image.correction_click", lambda predicted, truth: None)
    for region in evaluate(predictor, make_image(), prompts=("5-clicks", "1-click")).regions:
        assert region.ious["5 clicks"] == region.ious["1 click, predicted best"]
        assert len(region.clicks) == 1


def test_areas_and_empty_regions_are_counted(predictor, make_image) -> None:
    image = make_image(TRUTHS | {"empty": np.zeros(SIZE, bool)})
    scores = evaluate(predictor, image, prompts=("box",), areas=(0.01, 0.4))
    assert [region.region for region in scores.regions] == ["small"]
    assert scores.left_out == {"empty": 1, "too small": 1, "too large": 1}


def test_failures_are_named_and_the_others_go_on(predictor, make_image, tmp_path: Path) -> None:
    good, other_size = make_image(), make_image({"r": np.ones((9, 9), bool), "e": np.zeros(SIZE, bool)}, "b.png")
    missing, broken = make_image(name="c.png"), make_image(name="d.png")
    missing.path.unlink()
    broken.path.write_bytes(b"no picture")

    def fail() -> list[Region]:
        raise ValueError("out of thin air")

    unreadable = AnnotatedImage(path=good.path, source=tmp_path / "x.json", read=fail)
    scores = evaluate(predictor, missing, broken, other_size, unreadable, good, prompts=("box",))
    assert len(scores.regions) == len(TRUTHS)
    assert not scores.left_out
    expected = ["c.png", "d.png", "region r has (height, width) (9, 9)", "a.png: out of thin air"]
    assert len(scores.failures) == len(expected)
    assert all(part in failure for part, failure in zip(expected, scores.failures, strict=True))


def test_means_and_their_margin(make_image) -> None:
    """By the plain formula where each picture has one region; wider where regions of a picture are alike."""
    image, other = make_image(), make_image(name="b.png")
    rle = encode_rle(TRUTHS["dot"])

    def scores(*values: tuple[AnnotatedImage, float]) -> ImageScores:
        regions = [
            RegionScores(image=at, region="r", area=0.1, ious={"box": iou}, clicks=(), truth=rle, answer=rle)
            for at, iou in values
        ]
        return ImageScores(measures=("box",), regions=regions)

    single = scores((image, 0.2), (other, 0.6))
    assert single.mean("box") == pytest.approx(0.4)
    assert single.margin("box") == pytest.approx(1.96 * np.std([0.2, 0.6]) / np.sqrt(2))
    twice = scores((image, 0.2), (image, 0.2), (other, 0.6), (other, 0.6))
    assert twice.margin("box") == pytest.approx(single.margin("box")), "the same region twice tells nothing new"


@pytest.mark.parametrize("wrong", [{"prompts": ()}, {"prompts": ("2-clicks",)}, {"areas": (0.5, 0.1)}], ids=str)
def test_options_are_checked(wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ImageOptions(**wrong)


def test_a_prompt_named_twice_is_measured_once() -> None:
    assert ImageOptions(prompts=("box", "box")).measures == ("box",)
