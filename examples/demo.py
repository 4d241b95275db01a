"""Segments a photograph with the bundled model, by a click and by a box, and writes what it found into out/.

Run by `make demo`. Nothing is downloaded: photograph and weights come with the repository.
"""

import time
from pathlib import Path

import numpy as np

import masklet
from masklet.io.files import write_image, write_mask_png
from masklet.io.images import read_image
from masklet.io.overlay import draw_grid, draw_overlay
from masklet.model import Sam2

REPOSITORY = Path(__file__).resolve().parents[1]
PHOTOGRAPH = REPOSITORY / "examples" / "media" / "coffee.jpg"
OUTPUT = REPOSITORY / "out"

COFFEE = (290, 160)
"""A pixel of the coffee, as (x, y)."""

CUP = (170, 16, 412, 285)
"""A box around the cup, as (x0, y0, x1, y1)."""


def segment_photograph(model: Sam2, output: Path) -> None:
    """One encoding of the picture, two prompts, four files and a sheet of all."""
    photograph = read_image(PHOTOGRAPH)
    predictor = masklet.ImagePredictor(model, max_hole_area=16, max_sprinkle_area=16)
    start = time.perf_counter()
    features = predictor.encode(photograph)
    print(f"{PHOTOGRAPH.name}: encoded in {time.perf_counter() - start:.2f} s")

    by_click = predictor.predict(features, points=[COFFEE], labels=[1])
    by_box = predictor.predict(features, boxes=CUP, multimask=False)
    views = [photograph]
    for name, prediction, prompt in (
        ("click", by_click, {"points": [COFFEE], "labels": [1]}),
        ("box", by_box, {"boxes": [CUP]}),
    ):
        mask, score = prediction.best, float(prediction.scores.max())
        views.append(draw_overlay(photograph, mask, captions=[f"{name} {score:.2f}"], **prompt))
        write_mask_png(output / f"{PHOTOGRAPH.stem}-{name}.png", mask)
        write_image(output / f"{PHOTOGRAPH.stem}-{name}.jpg", views[-1])
        print(f"by a {name}: predicted IoU {score:.2f}, {np.mean(mask):.0%} of the picture")
        print(f"  out/{PHOTOGRAPH.stem}-{name}.png  the mask\n  out/{PHOTOGRAPH.stem}-{name}.jpg  an overlay")
    write_image(output / "demo.jpg", draw_grid(views, columns=len(views)))
    print("all side by side: out/demo.jpg")


def main() -> None:
    """The whole demonstration."""
    OUTPUT.mkdir(exist_ok=True)
    segment_photograph(masklet.load_model("nano"), OUTPUT)


if __name__ == "__main__":
    main()
