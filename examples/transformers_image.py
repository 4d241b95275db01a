"""Segments photographs in the words of Hugging Face's `transformers`, and writes what it finds into out/.

With `transformers` itself, the first import and "nano", the model that comes with masklet, would be others. Nothing
is downloaded.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from masklet.compat.transformers import Sam2Model, Sam2Processor, pipeline
from masklet.io.files import write_image
from masklet.io.overlay import draw_overlay

REPOSITORY = Path(__file__).resolve().parents[1]
MEDIA = REPOSITORY / "examples" / "media"
OUTPUT = REPOSITORY / "out"
MODEL = "nano"

COFFEE, TABLE, EYE = [290, 160], [40, 330], [170, 112]
"""Pixels of the coffee, of the table it is on, and of an eye of the cat, as [x, y]."""

CUP, SAUCER = [170, 16, 412, 285], [76, 16, 480, 388]
"""Boxes in the picture of the coffee, as [x_min, y_min, x_max, y_max]."""


def click_and_refine(model: Sam2Model, processor: Sam2Processor, photograph: Image.Image) -> torch.Tensor:
    """One click, three masks; then the best of them again as a prompt, with a second click.

    The picture is encoded once: the second call is given the embeddings that the first returned.
    """
    click = {"input_points": [[[COFFEE]]], "input_labels": [[[1]]]}
    inputs = processor(images=photograph, **click, return_tensors="pt").to(model.device)
    with torch.no_grad():
        outputs = model(**inputs)
    best = int(outputs.iou_scores.argmax())
    print(f"a click: predicted IoUs {', '.join(f'{score:.2f}' for score in outputs.iou_scores.flatten().tolist())}")

    clicks = {"input_points": [[[COFFEE, [250, 140]]]], "input_labels": [[[1, 1]]]}
    inputs = processor(**clicks, original_sizes=inputs["original_sizes"], return_tensors="pt").to(model.device)
    with torch.no_grad():
        refined = model(
            **inputs,
            input_masks=outputs.pred_masks[:, :, best],
            image_embeddings=outputs.image_embeddings,
            multimask_output=False,
        )
    print(f"a second click: predicted IoU {refined.iou_scores.item():.2f}")
    (masks,) = processor.post_process_masks(refined.pred_masks.cpu(), [(photograph.height, photograph.width)])
    return masks[:, 0]


def two_photographs(model: Sam2Model, processor: Sam2Processor, photographs: list[Image.Image]) -> list[torch.Tensor]:
    """A batch of two pictures of different sizes, with two objects in one and one in the other."""
    inputs = processor(
        images=photographs,
        input_points=[[[COFFEE], [TABLE]], [[EYE]]],
        input_labels=[[[1], [1]], [[1]]],
        return_tensors="pt",
    ).to(model.device)
    with torch.no_grad():
        outputs = model(**inputs, multimask_output=False)
    masks = processor.post_process_masks(outputs.pred_masks.cpu(), inputs["original_sizes"])
    return [masks[0][:, 0], masks[1][:1, 0]]  # the second picture's other object is only filled up


def boxes(model: Sam2Model, processor: Sam2Processor, photograph: Image.Image) -> torch.Tensor:
    """Two objects by their boxes; small holes are filled and specks removed, which `transformers` does not do."""
    inputs = processor(images=photograph, input_boxes=[[CUP, SAUCER]], return_tensors="pt").to(model.device)
    with torch.no_grad():
        outputs = model(**inputs, multimask_output=False)
    (masks,) = processor.post_process_masks(
        outputs.pred_masks.cpu(), inputs["original_sizes"], max_hole_area=16, max_sprinkle_area=16
    )
    return masks[:, 0]


def everything(model: Sam2Model, photograph: Image.Image) -> list[torch.Tensor]:
    """Whatever there is. A small model is less sure of its masks than those that the usual thresholds are made for."""
    generator = pipeline("mask-generation", model=model, points_per_crop=16)
    return generator(photograph, pred_iou_thresh=0.45, stability_score_thresh=0.7)["masks"]


def write(name: str, photograph: Image.Image, masks: torch.Tensor | list[torch.Tensor]) -> None:
    """An overlay of some masks (H, W)."""
    by_number = {number: mask.numpy() for number, mask in enumerate(masks, 1)}
    write_image(OUTPUT / f"transformers-{name}.jpg", draw_overlay(np.array(photograph), by_number))
    print(f"out/transformers-{name}.jpg: {len(masks)} masks")


def main() -> None:
    """All of it."""
    OUTPUT.mkdir(exist_ok=True)
    model = Sam2Model.from_pretrained(MODEL, device_map="auto")
    processor = Sam2Processor.from_pretrained(MODEL)
    coffee, cat = (Image.open(MEDIA / name).convert("RGB") for name in ("coffee.jpg", "chelsea.jpg"))

    write("click", coffee, click_and_refine(model, processor, coffee))
    write("boxes", coffee, boxes(model, processor, coffee))
    for name, photograph, masks in zip(
        ("coffee", "cat"), (coffee, cat), two_photographs(model, processor, [coffee, cat]), strict=True
    ):
        write(name, photograph, masks)
    write("everything", coffee, everything(model, coffee))


if __name__ == "__main__":
    main()
