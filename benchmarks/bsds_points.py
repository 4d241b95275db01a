"""Clicks on photographs: mean IoU on annotated regions of BSDS500, with a click at each region's innermost point.

    python benchmarks/bsds_points.py DIR [--model NAME_OR_FILE] [--image-size N] [--json FILE] [--worst FILE.png]

DIR holds pictures `X.jpg` beside `X.npz` with `segmentations` (annotators, H, W); the first annotator's regions of 1%
to 50% of the picture count. Best of three is the mask with the highest true IoU, "predicted" the one whose predicted
IoU is highest. Means are over regions.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track

import masklet
from masklet.io.files import write_image
from masklet.io.images import read_image
from masklet.io.overlay import draw_grid, draw_overlay
from masklet.ops.masks import innermost_point, mask_iou

MIN_AREA, MAX_AREA = 0.01, 0.5


@dataclass(frozen=True)
class Answer:
    """A region that was clicked, and how well the model did."""

    picture: Path
    region: np.ndarray
    point: tuple[int, int]
    mask: np.ndarray
    best: float
    predicted: float
    single: float


def regions(file: Path) -> list[np.ndarray]:
    """The first annotator's regions that are neither specks nor most of the picture, as masks (H, W)."""
    labels = np.load(file)["segmentations"][0]
    masks = [labels == label for label in np.unique(labels)]
    return [mask for mask in masks if MIN_AREA <= mask.mean() <= MAX_AREA]


def click_everything(predictor: masklet.ImagePredictor, folder: Path) -> list[Answer]:
    """An answer for every region of every picture."""
    answers = []
    for file in track(sorted(folder.glob("*.npz")), description="clicking"):
        picture = file.with_suffix(".jpg")
        features, truths = predictor.encode(picture), regions(file)
        points = [innermost_point(truth) for truth in truths]
        prompt = {"points": np.array(points)[:, None], "labels": np.ones((len(points), 1))}
        several = predictor.predict(features, **prompt)
        single = predictor.predict(features, **prompt, multimask=False)
        for i, truth in enumerate(truths):
            ious = mask_iou(several.masks[i], truth[None])
            best, guess = int(ious.argmax()), int(several.scores[i].argmax())
            one = float(mask_iou(single.masks[i], truth[None])[0])
            answers.append(
                Answer(picture, truth, points[i], several.masks[i, best], float(ious[best]), float(ious[guess]), one)
            )
    return answers


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worst", type=Path, help="a picture of the worst answers: truth on the left")
    arguments = parser.parse_args()
    model = masklet.load_model(arguments.model, image_size=arguments.image_size)
    answers = click_everything(masklet.ImagePredictor(model), arguments.folder)
    report = {
        "model": str(arguments.model),
        "image_size": model.config.image_size,
        "regions": len(answers),
        "best_of_three": round(float(np.mean([a.best for a in answers])), 4),
        "predicted_best": round(float(np.mean([a.predicted for a in answers])), 4),
        "single": round(float(np.mean([a.single for a in answers])), 4),
    }
    print(json.dumps(report))
    if arguments.json:
        arguments.json.write_text(json.dumps(report))
    if arguments.worst:
        pictures = []
        for answer in sorted(answers, key=lambda a: a.best)[:: max(1, len(answers) // 12)][:12]:
            image = read_image(answer.picture)
            pair = [
                draw_overlay(image, m[None], points=[answer.point], labels=[1]) for m in (answer.region, answer.mask)
            ]
            pictures.append(np.concatenate(pair, axis=1))
        write_image(arguments.worst, draw_grid(pictures, columns=3))


if __name__ == "__main__":
    main()
